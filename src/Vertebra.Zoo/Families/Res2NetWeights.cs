using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for the Res2Net, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class Res2NetWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { Interpolation = "bilinear", License = "unknown" };
        return new()
        {
            ["res2net50_26w_4s"] = [("in1k", usual)],
            ["res2net101_26w_4s"] = [("in1k", usual)],
            ["res2net50_26w_6s"] = [("in1k", usual)],
            ["res2net50_26w_8s"] = [("in1k", usual)],
            ["res2net50_48w_2s"] = [("in1k", usual)],
            ["res2net50_14w_8s"] = [("in1k", usual)],
            ["res2next50"] = [("in1k", usual)],
            ["res2net50d"] = [("in1k", usual)],
            ["res2net101d"] = [("in1k", usual)],
        };
    }
}
