using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for the Xception of the paper, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class XceptionWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig().At(299) with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.8975f, License = "apache-2.0" };
        return new()
        {
            ["legacy_xception"] = [("tf_in1k", usual)],
        };
    }

    public static Dictionary<string, string> Aliases() => new()
    {
        ["xception"] = "legacy_xception",
    };
}
