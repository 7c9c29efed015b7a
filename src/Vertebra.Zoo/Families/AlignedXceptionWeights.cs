using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for the aligned Xceptions, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class AlignedXceptionWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig().At(299) with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.903f, License = "apache-2.0" };
        var crop94 = usual with { CropPct = 0.94f };
        return new()
        {
            ["xception41"] = [("tf_in1k", usual)],
            ["xception65"] = [("ra3_in1k", crop94), ("tf_in1k", usual)],
            ["xception71"] = [("tf_in1k", usual)],
            ["xception41p"] = [("ra3_in1k", crop94)],
            ["xception65p"] = [("ra3_in1k", crop94)],
        };
    }
}
