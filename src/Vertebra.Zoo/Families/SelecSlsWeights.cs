using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for SelecSLS, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class SelecSlsWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { PoolSize = [4, 4], License = "cc-by-4.0" };
        return new()
        {
            ["selecsls42"] = [("untrained", usual)],
            ["selecsls42b"] = [("in1k", usual)],
            ["selecsls60"] = [("in1k", usual)],
            ["selecsls60b"] = [("in1k", usual)],
            ["selecsls84"] = [("untrained", usual)],
        };
    }
}
