using Row = (string Tag, Vertebra.Zoo.PretrainedConfig Config);

namespace Vertebra.Zoo.Families;

/// <summary>The weights published for the Inception networks, the default first, and how images are prepared for them. Facts as in timm's registry.</summary>
internal static class InceptionWeights
{
    public static Dictionary<string, Row[]> Tags()
    {
        var usual = new PretrainedConfig().At(299) with { PoolSize = [8, 8], Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, License = "apache-2.0" };
        var crop89p8 = usual with { CropPct = 0.8975f };
        return new()
        {
            ["inception_v3"] =
            [
                ("tv_in1k", usual), ("tf_in1k", usual), ("tf_adv_in1k", usual),
                ("gluon_in1k", usual with { Mean = PretrainedConfig.ImageNetMean, Std = PretrainedConfig.ImageNetStd }),
            ],
            ["inception_v4"] = [("tf_in1k", usual)],
            ["inception_resnet_v2"] = [("tf_in1k", crop89p8), ("tf_ens_adv_in1k", crop89p8)],
        };
    }

    public static Dictionary<string, string> Aliases() => new()
    {
        ["tf_inception_v3"] = "inception_v3.tf_in1k",
        ["adv_inception_v3"] = "inception_v3.tf_adv_in1k",
        ["gluon_inception_v3"] = "inception_v3.gluon_in1k",
        ["ens_adv_inception_resnet_v2"] = "inception_resnet_v2.tf_ens_adv_in1k",
    };
}
