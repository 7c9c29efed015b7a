using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for StarNet, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class StarNetWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { License = "apache-2.0" };
        return new()
        {
            ["starnet_s1"] = [("in1k", usual)],
            ["starnet_s2"] = [("in1k", usual)],
            ["starnet_s3"] = [("in1k", usual)],
            ["starnet_s4"] = [("in1k", usual)],
            ["starnet_s050"] = [("untrained", usual)],
            ["starnet_s100"] = [("untrained", usual)],
            ["starnet_s150"] = [("untrained", usual)],
        };
    }
}
