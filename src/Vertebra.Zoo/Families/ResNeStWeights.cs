using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for the ResNeSt, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class ResNeStWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { Interpolation = "bilinear", License = "apache-2.0" };
        var bicubic = usual with { Interpolation = "bicubic" };
        return new()
        {
            ["resnest14d"] = [("gluon_in1k", usual)],
            ["resnest26d"] = [("gluon_in1k", usual)],
            ["resnest50d"] = [("in1k", usual)],
            ["resnest101e"] = [("in1k", usual.At(256))],
            ["resnest200e"] = [("in1k", usual.At(320) with { CropPct = 0.909f, Interpolation = "bicubic" })],
            ["resnest269e"] = [("in1k", usual.At(416) with { CropPct = 0.928f, Interpolation = "bicubic" })],
            ["resnest50d_4s2x40d"] = [("in1k", bicubic)],
            ["resnest50d_1s4x24d"] = [("in1k", bicubic)],
        };
    }
}
