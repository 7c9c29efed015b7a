using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for HRNet, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class HighResolutionNetWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { Interpolation = "bilinear", License = "mit" };
        var bicubicApache20 = usual with { Interpolation = "bicubic", License = "apache-2.0" };
        var crop95Test288Crop100 = usual.TestAt(288, 1) with { CropPct = 0.95f };
        return new()
        {
            ["hrnet_w18_small"] = [("gluon_in1k", bicubicApache20), ("ms_in1k", usual)],
            ["hrnet_w18_small_v2"] = [("gluon_in1k", bicubicApache20), ("ms_in1k", usual)],
            ["hrnet_w18"] = [("ms_aug_in1k", usual with { CropPct = 0.95f }), ("ms_in1k", usual)],
            ["hrnet_w30"] = [("ms_in1k", usual)],
            ["hrnet_w32"] = [("ms_in1k", usual)],
            ["hrnet_w40"] = [("ms_in1k", usual)],
            ["hrnet_w44"] = [("ms_in1k", usual)],
            ["hrnet_w48"] = [("ms_in1k", usual)],
            ["hrnet_w64"] = [("ms_in1k", usual)],
            ["hrnet_w18_ssld"] = [("paddle_in1k", crop95Test288Crop100)],
            ["hrnet_w48_ssld"] = [("paddle_in1k", crop95Test288Crop100)],
        };
    }
}
