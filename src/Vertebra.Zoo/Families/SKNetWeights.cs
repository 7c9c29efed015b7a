using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for the SKNet, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class SKNetWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { License = "apache-2.0" };
        return new()
        {
            ["skresnet18"] = [("ra_in1k", usual)],
            ["skresnet34"] = [("ra_in1k", usual)],
            ["skresnet50"] = [("untrained", usual)],
            ["skresnet50d"] = [("untrained", usual)],
            ["skresnext50_32x4d"] = [("ra_in1k", usual)],
        };
    }
}
