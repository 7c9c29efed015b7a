using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for HGNet, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class HgNetWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig().TestAt(288, 1) with { CropPct = 0.965f, License = "apache-2.0" };
        return new()
        {
            ["hgnet_tiny"] = [("paddle_in1k", usual), ("ssld_in1k", usual)],
            ["hgnet_small"] = [("paddle_in1k", usual), ("ssld_in1k", usual)],
            ["hgnet_base"] = [("ssld_in1k", usual)],
            ["hgnetv2_b0"] = [("ssld_stage2_ft_in1k", usual), ("ssld_stage1_in22k_in1k", usual)],
            ["hgnetv2_b1"] = [("ssld_stage2_ft_in1k", usual), ("ssld_stage1_in22k_in1k", usual)],
            ["hgnetv2_b2"] = [("ssld_stage2_ft_in1k", usual), ("ssld_stage1_in22k_in1k", usual)],
            ["hgnetv2_b3"] = [("ssld_stage2_ft_in1k", usual), ("ssld_stage1_in22k_in1k", usual)],
            ["hgnetv2_b4"] = [("ssld_stage2_ft_in1k", usual), ("ssld_stage1_in22k_in1k", usual)],
            ["hgnetv2_b5"] = [("ssld_stage2_ft_in1k", usual), ("ssld_stage1_in22k_in1k", usual)],
            ["hgnetv2_b6"] = [("ssld_stage2_ft_in1k", usual), ("ssld_stage1_in22k_in1k", usual)],
        };
    }
}
