using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for InceptionNeXt, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class InceptionNeXtWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { License = "apache-2.0" };
        return new()
        {
            ["inception_next_atto"] = [("sail_in1k", usual)],
            ["inception_next_tiny"] = [("sail_in1k", usual)],
            ["inception_next_small"] = [("sail_in1k", usual)],
            ["inception_next_base"] = [("sail_in1k", usual with { CropPct = 0.95f }), ("sail_in1k_384", usual.At(384) with { CropPct = 1 })],
        };
    }
}
