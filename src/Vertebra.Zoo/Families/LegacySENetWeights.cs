using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for the SENets, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class LegacySENetWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { Interpolation = "bilinear", License = "apache-2.0" };
        var bicubic = usual with { Interpolation = "bicubic" };
        return new()
        {
            ["legacy_seresnet18"] = [("in1k", bicubic)],
            ["legacy_seresnet34"] = [("in1k", usual)],
            ["legacy_seresnet50"] = [("in1k", usual)],
            ["legacy_seresnet101"] = [("in1k", usual)],
            ["legacy_seresnet152"] = [("in1k", usual)],
            ["legacy_senet154"] = [("in1k", usual)],
            ["legacy_seresnext26_32x4d"] = [("in1k", bicubic)],
            ["legacy_seresnext50_32x4d"] = [("in1k", usual)],
            ["legacy_seresnext101_32x4d"] = [("in1k", usual)],
        };
    }
}
