using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for ConvMixer, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class ConvMixerWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { PoolSize = [], CropPct = 0.96f, License = "mit" };
        return new()
        {
            ["convmixer_1536_20"] = [("in1k", usual)],
            ["convmixer_768_32"] = [("in1k", usual)],
            ["convmixer_1024_20_ks9_p14"] = [("in1k", usual)],
        };
    }
}
