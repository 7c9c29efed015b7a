namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="Levit"/>. Facts as in timm's registry.</summary>
internal static class LevitVariants
{
    public const string FirstConv = "stem.conv1.linear";

    private static readonly PretrainedConfig s_config = new() { FixedInputSize = true, PoolSize = [], CropPct = 0.9f, License = "apache-2.0" };

    public static Family Family() => new(
        "levit",
        "Graham et al.: LeViT: a vision transformer in ConvNet's clothing for faster inference, ICCV 2021, arXiv:2104.01136",
        [.. Rows(usesConv: false), .. Rows(usesConv: true)],
        new Dictionary<string, string>())
    {
        Idea = "Convolutions make the patches, and a transformer with shrinking maps attends with small keys and learned biases by offset. Batch norms in place of layer norms fold into the linear layers for inference.",
    };

    private static IEnumerable<ModelInfo> Rows(bool usesConv)
    {
        foreach (var (size, row) in Specs())
        {
            var spec = row with { UsesConv = usesConv };
            var name = usesConv ? $"levit_conv_{size}" : $"levit_{size}";
            var isPublished = spec.Activation == ActivationKind.HardSwish;
            var config = isPublished && usesConv ? s_config with { PoolSize = [4, 4] } : s_config;
            yield return ModelInfo.Row(
                name, "levit", [(isPublished ? "fb_dist_in1k" : "untrained", config)], spec.Classifier, FirstConv, options => new Levit(spec, options));
        }
    }

    private static (string Size, LevitSpec Spec)[] Specs() =>
    [
        ("128s", new([128, 256, 384], 16, [4, 6, 8], [2, 3, 4])),
        ("128", new([128, 256, 384], 16, [4, 8, 12], [4, 4, 4])),
        ("192", new([192, 288, 384], 32, [3, 5, 6], [4, 4, 4])),
        ("256", new([256, 384, 512], 32, [4, 6, 8], [4, 4, 4])),
        ("384", new([384, 512, 768], 32, [6, 9, 12], [4, 4, 4])),
        ("384_s8", Experiment(new([384, 512, 768], 32, [6, 9, 12], [4, 4, 4]), 8) with { IsDistilled = true }),
        ("512_s8", Experiment(new([512, 640, 896], 64, [8, 10, 14], [4, 4, 4]), 8)),
        ("512", Experiment(new([512, 768, 1024], 64, [8, 12, 16], [4, 4, 4]))),
        ("256d", Experiment(new([256, 384, 512], 32, [4, 6, 8], [4, 8, 6]))),
        ("512d", Experiment(new([512, 640, 768], 64, [8, 10, 12], [4, 8, 6]))),
    ];

    private static LevitSpec Experiment(LevitSpec spec, int stemStride = 16) =>
        spec with { Activation = ActivationKind.Silu, StemStride = stemStride, IsDistilled = false, Classifier = "head.linear" };
}
