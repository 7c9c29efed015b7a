using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for DenseNet, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class DenseNetWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { License = "apache-2.0" };
        var test288Crop95 = usual.TestAt(288, 0.95f);
        return new()
        {
            ["densenet121"] = [("ra_in1k", test288Crop95), ("tv_in1k", usual)],
            ["densenetblur121d"] = [("ra_in1k", test288Crop95)],
            ["densenet169"] = [("tv_in1k", usual)],
            ["densenet201"] = [("tv_in1k", usual)],
            ["densenet161"] = [("tv_in1k", usual)],
            ["densenet264d"] = [("untrained", usual)],
        };
    }

    public static Dictionary<string, string> Aliases() => new()
    {
        ["tv_densenet121"] = "densenet121.tv_in1k",
    };
}
