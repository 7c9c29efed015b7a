namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="FastVit"/>. Facts as in timm's registry.</summary>
internal static class FastVitVariants
{
    private static readonly PretrainedConfig s_base = new PretrainedConfig { CropPct = 0.9f, License = "fastvit-license" }.At(256);

    private static readonly PretrainedConfig s_clip = s_base.Raw() with { CropPct = 0.95f, NumClasses = 512, License = "apple-amlr" };

    private static readonly PretrainedConfig s_large = s_clip with { Mean = PretrainedConfig.ClipMean, Std = PretrainedConfig.ClipStd, NumClasses = 768, PoolSize = [4, 4] };

    public static Family Family() => new(
        "fastvit",
        "Vasu et al.: FastViT: a fast hybrid vision transformer using structural reparameterization, ICCV 2023, arXiv:2303.14189; "
            + "Vasu et al.: MobileCLIP, CVPR 2024, arXiv:2311.17049",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "fastvit", r.Tags, "head.fc", r.Spec.FirstConv, options => new FastVit(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Skip connections and branches that help in training fold into plain convolutions for use, which spares memory traffic. Mixers of large depthwise kernels serve the early stages, and attention, where there is any, the last.",
    };

    private static (string Name, FastVitSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows() =>
    [
        ("fastvit_t8", new([2, 2, 4, 2], [48, 96, 192, 384], 3), Apple(s_base)),
        ("fastvit_t12", new([2, 2, 6, 2], [64, 128, 256, 512], 3), Apple(s_base)),
        ("fastvit_s12", new([2, 2, 6, 2], [64, 128, 256, 512], 4), Apple(s_base)),
        ("fastvit_sa12", Attending([2, 2, 6, 2]), Apple(s_base)),
        ("fastvit_sa24", Attending([4, 4, 12, 4]), Apple(s_base)),
        ("fastvit_sa36", Attending([6, 6, 18, 6]), Apple(s_base)),
        ("fastvit_ma36", Attending([6, 6, 18, 6]) with { Widths = [76, 152, 304, 608] }, Apple(s_base.Crop(0.95f))),
        ("fastvit_mci0", Clip([2, 6, 10, 2], 64), [("apple_mclip", s_clip.Hub("apple/mobileclip_s0_timm")), ("apple_mclip2_dfndr2b", s_clip.Crop(1))]),
        ("fastvit_mci1", Clip([4, 12, 20, 4], 64), [("apple_mclip", s_clip.Hub("apple/mobileclip_s1_timm"))]),
        ("fastvit_mci2", Clip([4, 12, 24, 4], 80), [("apple_mclip", s_clip.Hub("apple/mobileclip_s2_timm")), ("apple_mclip2_dfndr2b", s_clip)]),
        ("fastvit_mci3", LargeClip([2, 12, 24, 4, 2], 96), [("apple_mclip2_dfndr2b", s_large)]),
        ("fastvit_mci4", LargeClip([2, 12, 24, 4, 4], 128), [("apple_mclip2_dfndr2b", s_large)]),
    ];

    private static (string Tag, PretrainedConfig Config)[] Apple(PretrainedConfig config) => [("apple_in1k", config), ("apple_dist_in1k", config)];

    private static FastVitSpec Attending(IntList depths) => new(depths, [64, 128, 256, 512], 4) { FirstAttention = 3 };

    private static FastVitSpec Clip(IntList depths, int width) =>
        new(depths, [width, 2 * width, 4 * width, 8 * width], 3) { FirstAttention = 3, FirstExcitation = 2, HalvingActivates = true };

    private static FastVitSpec LargeClip(IntList depths, int width) => new(depths, [width, 2 * width, 4 * width, 8 * width, 16 * width], 4)
    {
        FirstAttention = 3,
        HalvingActivates = true,
        StemScales = false,
        UsesLayerNorm = true,
    };
}
