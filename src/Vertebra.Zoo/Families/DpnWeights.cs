using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for DPN, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class DpnWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { Mean = [0.48627451f, 0.458823529f, 0.407843137f], Std = [0.234824469f, 0.234824469f, 0.234824469f], License = "apache-2.0" };
        return new()
        {
            ["dpn48b"] = [("untrained", usual with { Mean = PretrainedConfig.ImageNetMean, Std = PretrainedConfig.ImageNetStd })],
            ["dpn68"] = [("mx_in1k", usual)],
            ["dpn68b"] =
            [
                ("ra_in1k", usual.TestAt(288, 1) with { Mean = PretrainedConfig.ImageNetMean, Std = PretrainedConfig.ImageNetStd, CropPct = 0.95f }),
                ("mx_in1k", usual),
            ],
            ["dpn92"] = [("mx_in1k", usual)],
            ["dpn98"] = [("mx_in1k", usual)],
            ["dpn131"] = [("mx_in1k", usual)],
            ["dpn107"] = [("mx_in1k", usual)],
        };
    }
}
