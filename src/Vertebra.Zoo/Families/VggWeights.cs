using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for VGG, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class VggWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig { Interpolation = "bilinear", License = "bsd-3-clause" };
        return new()
        {
            ["vgg11"] = [("tv_in1k", usual)],
            ["vgg11_bn"] = [("tv_in1k", usual)],
            ["vgg13"] = [("tv_in1k", usual)],
            ["vgg13_bn"] = [("tv_in1k", usual)],
            ["vgg16"] = [("tv_in1k", usual)],
            ["vgg16_bn"] = [("tv_in1k", usual)],
            ["vgg19"] = [("tv_in1k", usual)],
            ["vgg19_bn"] = [("tv_in1k", usual)],
        };
    }
}
