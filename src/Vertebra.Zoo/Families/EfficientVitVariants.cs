namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="EfficientVit"/>. Facts as in timm's registry.</summary>
internal static class EfficientVitVariants
{
    public const string Classifier = "head.classifier.4";
    public const string FirstConv = "stem.in_conv.conv";

    private static readonly PretrainedConfig s_config = new() { CropPct = 0.95f, License = "apache-2.0" };

    public static Family Family() => new(
        "efficientvit",
        "Cai, Li, Hu, Gan, Han: EfficientViT: lightweight multi-scale attention for high-resolution dense prediction, ICCV 2023, arXiv:2205.14756",
        [.. Rows().Select(r => ModelInfo.Row(
            $"efficientvit_{r.Name}", "efficientvit", r.Sides.Select(side => Weights(side, r.Spec.IsLarge)), Classifier, FirstConv, options => new EfficientVit(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Softmax is replaced by a ReLU kernel, so that attention is a product of two small matrices and its cost grows linearly with the pixels. Depthwise convolutions aggregate neighbouring tokens at several scales and give back the locality that this loses.",
    };

    private static (string Tag, PretrainedConfig Config) Weights(int side, bool isLarge) =>
        ($"r{side}_in1k", side > 224 || isLarge ? s_config.At(side) with { CropPct = 1 } : s_config);

    private static (string Name, EfficientVitSpec Spec, int[] Sides)[] Rows() =>
    [
        ("b0", new([8, 16, 32, 64, 128], [1, 2, 2, 2, 2], [1024, 1280]) { HeadWidth = 16 }, [224]),
        ("b1", new([16, 32, 64, 128, 256], [1, 2, 3, 3, 4], [1536, 1600]) { HeadWidth = 16 }, [224, 256, 288]),
        ("b2", new([24, 48, 96, 192, 384], [1, 3, 4, 4, 6], [2304, 2560]), [224, 256, 288]),
        ("b3", new([32, 64, 128, 256, 512], [1, 4, 6, 6, 9], [2304, 2560]), [224, 256, 288]),
        ("l1", new([32, 64, 128, 256, 512], [1, 1, 1, 6, 6], [3072, 3200]) { IsLarge = true }, [224]),
        ("l2", new([32, 64, 128, 256, 512], [1, 2, 2, 8, 8], [3072, 3200]) { IsLarge = true }, [224, 256, 288, 384]),
        ("l3", new([64, 128, 256, 512, 1024], [1, 2, 2, 8, 8], [6144, 6400]) { IsLarge = true }, [224, 256, 320, 384]),
    ];
}
