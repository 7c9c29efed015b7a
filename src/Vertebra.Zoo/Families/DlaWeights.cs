using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for DLA, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class DlaWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { Interpolation = "bilinear", License = "bsd-3-clause" };
        var unknown = usual with { License = "unknown" };
        return new()
        {
            ["dla60_res2net"] = [("in1k", unknown)],
            ["dla60_res2next"] = [("in1k", unknown)],
            ["dla34"] = [("in1k", usual)],
            ["dla46_c"] = [("in1k", usual)],
            ["dla46x_c"] = [("in1k", usual)],
            ["dla60x_c"] = [("in1k", usual)],
            ["dla60"] = [("in1k", usual)],
            ["dla60x"] = [("in1k", usual)],
            ["dla102"] = [("in1k", usual)],
            ["dla102x"] = [("in1k", usual)],
            ["dla102x2"] = [("in1k", usual)],
            ["dla169"] = [("in1k", usual)],
        };
    }
}
