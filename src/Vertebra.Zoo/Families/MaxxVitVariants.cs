using static Vertebra.Zoo.Families.MaxxVitBlockKind;

namespace Vertebra.Zoo.Families;

/// <summary>The table of CoAtNet and MaxViT variants.</summary>
internal static class MaxxVitVariants
{
    private static readonly IntList s_pico = [32, 64, 128, 256];
    private static readonly IntList s_nano = [64, 128, 256, 512];
    private static readonly IntList s_small = [96, 192, 384, 768];
    private static readonly IntList s_base = [128, 256, 512, 1024];
    private static readonly IntList s_large = [192, 384, 768, 1536];
    private static readonly IntList s_tinyDepths = [2, 2, 5, 2];
    private static readonly IntList s_nanoDepths = [3, 4, 6, 3];
    private static readonly IntList s_deepDepths = [2, 6, 14, 2];
    private static readonly IntList s_narrowStem = [32, 64];

    // timm's first own trainings, before the authors' code was out, expand less and leave out biases.
    private static readonly MaxxVitSpec s_own = new([], [], s_narrowStem)
    {
        ExpandsOutput = false,
        ExpandsFirst = false,
        OutputBias = false,
        ConvActivation = ActivationKind.Silu,
    };

    private static readonly MaxxVitSpec s_ownCoat = s_own with { Stride = StrideKind.Pool, ActivatesFirst = true, ExciteActivation = ActivationKind.Relu };

    private static readonly MaxxVitSpec s_ownMax = s_own with { ExciteRatio = 1.0 / 16, Blocks = All(Maxx) };

    private static readonly MaxxVitSpec s_next = s_own with
    {
        IsConvNeXt = true,
        OutputBias = true,
        ConvActivation = ActivationKind.Gelu,
        Scale = 1e-6f,
        Relative = RelativeKind.Mlp,
        Blocks = All(Maxx),
    };

    private static readonly MaxxVitSpec s_tensorFlow = new([], [], [64, 64])
    {
        StemBias = true,
        ConvEpsilon = 1e-3f,
        Epsilon = 1e-5f,
        ConvActivation = ActivationKind.GeluTanh,
        Activation = ActivationKind.GeluTanh,
        SamePadding = true,
        HeadFirst = false,
        Relative = RelativeKind.Lookup,
        Blocks = All(Maxx),
    };

    public static Family Family() => new(
        "maxxvit",
        "Dai, Liu, Le, Tan: CoAtNet, NeurIPS 2021, arXiv:2106.04803; Tu et al.: MaxViT: multi-axis vision transformer, ECCV 2022, arXiv:2204.01697",
        [.. Coat().Concat(Max()).Concat(TensorFlow()).Select(Row)],
        new Dictionary<string, string>())
    {
        Idea = "Convolutional blocks come first and attention later, as CoAtNet found best; MaxViT's blocks attend within windows and then along a grid that spans the image. Local and global exchange both stay linear in the number of pixels.",
    };

    private static ModelInfo Row((string Name, MaxxVitSpec Spec, (string Tag, PretrainedConfig Config)[] Tags) row)
    {
        var side = row.Tags[0].Config.InputSize.Height;
        return ModelInfo.Row(row.Name, "maxxvit", row.Tags, "head.fc", "stem.conv1", options => new MaxxVit(row.Spec, side, options));
    }

    private static readonly PretrainedConfig s_config = new()
    {
        FixedInputSize = true,
        Mean = PretrainedConfig.Half,
        Std = PretrainedConfig.Half,
        CropPct = 0.95f,
        License = "apache-2.0",
    };

    private static readonly PretrainedConfig s_config90 = s_config with { CropPct = 0.9f };
    private static readonly PretrainedConfig s_config12k = s_config with { NumClasses = 11821 };
    private static readonly PretrainedConfig s_config256 = s_config.At(256);
    private static readonly PretrainedConfig s_config384 = s_config.At(384) with { CropPct = 1, CropMode = "squash" };
    private static readonly PretrainedConfig s_config512 = s_config.At(512) with { CropPct = 1, CropMode = "squash" };
    private static readonly PretrainedConfig s_configColours = s_config with { Mean = PretrainedConfig.ImageNetMean, Std = PretrainedConfig.ImageNetStd };

    private static IReadOnlyList<MaxxVitBlockKind[]> All(MaxxVitBlockKind kind) => [[kind], [kind], [kind], [kind]];

    private static MaxxVitSpec Of(MaxxVitSpec design, IntList widths, IntList depths, IntList? stem = null) =>
        design with { Widths = widths, Depths = depths, StemWidths = stem ?? design.StemWidths };

    private static IEnumerable<(string, MaxxVitSpec, (string, PretrainedConfig)[])> Coat()
    {
        (string, PretrainedConfig)[] untrained = [("untrained", s_config)];
        var coat = new MaxxVitSpec([], [], []).Blocks;
        // The small ones were trained last, with MaxViT's choices and biases.
        var late = s_ownMax with { OutputBias = true, ExciteRatio = 0.25, Blocks = coat };
        var early = s_ownCoat with { ExcitesEarly = true, ShortcutBias = false };
        var strided = s_ownCoat with { Stride = StrideKind.Depthwise };
        var strided2 = strided with { ExciteActivation = ActivationKind.Silu };
        var position = RelativeKind.Mlp;
        var rmlp2 = Of(strided2 with { Scale = 1e-6f, Relative = position }, s_base, s_deepDepths, [64, 128]);

        yield return ("coatnet_pico_rw_224", Of(late, s_nano, [2, 3, 5, 2]), untrained);
        yield return ("coatnet_nano_rw_224", Of(late with { Stride = StrideKind.Pool }, s_nano, s_nanoDepths), [("sw_in1k", s_config90)]);
        yield return ("coatnet_0_rw_224", Of(early, s_small, [2, 3, 7, 2]), [("sw_in1k", s_config)]);
        yield return ("coatnet_1_rw_224", Of(early with { Stride = StrideKind.Depthwise }, s_small, s_deepDepths), [("sw_in1k", s_config)]);
        yield return ("coatnet_2_rw_224", Of(strided2, s_base, s_deepDepths, [64, 128]), [("sw_in12k_ft_in1k", s_config), ("sw_in12k", s_config12k)]);
        yield return ("coatnet_3_rw_224", Of(strided2 with { Scale = 1e-6f }, s_large, s_deepDepths, [96, 192]), [("sw_in12k", s_config12k)]);
        yield return ("coatnet_bn_0_rw_224", Of(early with { Stride = StrideKind.Depthwise, BatchNorms = true }, s_small, [2, 3, 7, 2]), [("sw_in1k", s_configColours)]);
        yield return ("coatnet_rmlp_nano_rw_224", Of(late with { Relative = position, RelativeWidth = 384 }, s_nano, s_nanoDepths), [("sw_in1k", s_config90)]);
        yield return ("coatnet_rmlp_0_rw_224", Of(strided with { Relative = position }, s_small, [2, 3, 7, 2]), untrained);
        yield return ("coatnet_rmlp_1_rw_224", Of(early with { MaxPools = true, Relative = position, RelativeWidth = 384 }, s_small, s_deepDepths), [("sw_in1k", s_config)]);
        yield return ("coatnet_rmlp_1_rw2_224", Of(strided with { Relative = position }, s_small, s_deepDepths), [("sw_in12k_ft_in1k", s_config), ("sw_in12k", s_config12k)]);
        yield return ("coatnet_rmlp_2_rw_224", rmlp2, [("sw_in12k_ft_in1k", s_config), ("sw_in1k", s_config), ("sw_in12k", s_config12k)]);
        yield return ("coatnet_rmlp_2_rw_384", rmlp2, [("sw_in12k_ft_in1k", s_config384)]);
        yield return ("coatnet_rmlp_3_rw_224", Of(strided2 with { Scale = 1e-6f, Relative = position }, s_large, s_deepDepths, [96, 192]), untrained);
        MaxxVitBlockKind[] mixed = [Convolution, Transformer];
        yield return ("coatnet_nano_cc_224", Of(s_ownCoat with { Blocks = [[Convolution], [Convolution], mixed, mixed] }, s_nano, s_nanoDepths), untrained);
        var next = s_next with { Relative = RelativeKind.Table, ConvScale = 1e-5f, Scale = null, Blocks = coat };
        yield return ("coatnext_nano_rw_224", Of(next, s_nano, s_nanoDepths), [("sw_in1k", s_config90)]);

        (IntList Widths, IntList Depths, int Stem)[] paper =
        [
            (s_small, [2, 3, 5, 2], 64), (s_small, s_deepDepths, 64), (s_base, s_deepDepths, 128), (s_large, s_deepDepths, 192),
            (s_large, [2, 12, 28, 2], 192), ([256, 512, 1280, 2048], [2, 12, 28, 2], 192),
        ];
        for (var i = 0; i < paper.Length; i++)
            yield return ($"coatnet_{i}_224", new(paper[i].Widths, paper[i].Depths, [paper[i].Stem, paper[i].Stem]) { HeadWidth = paper[i].Widths[3] }, untrained);
    }

    private static IEnumerable<(string, MaxxVitSpec, (string, PretrainedConfig)[])> Max()
    {
        (string, PretrainedConfig)[] untrained256 = [("untrained", s_config256)];
        (string, PretrainedConfig)[] trained256 = [("sw_in1k", s_config256)];
        var position = s_ownMax with { Relative = RelativeKind.Mlp };
        var tiny = Of(s_ownMax, s_nano, s_tinyDepths);
        var small = Of(position with { Scale = 1e-6f }, s_small, s_tinyDepths);
        var large = Of(position with { HeadWidth = 768 }, s_small, s_deepDepths);
        IntList nano = [1, 2, 3, 1];
        var second = s_next with { OnlyGrid = true };
        var second2 = Of(second, s_base, [2, 6, 12, 2], [64, 128]);
        (string, PretrainedConfig)[] tuned = [("sw_in12k_ft_in1k", s_config), ("sw_in12k", s_config12k)];
        (string, PretrainedConfig)[] tuned384 = [("sw_in12k_ft_in1k", s_config384)];
        return
        [
            ("maxvit_pico_rw_256", Of(s_ownMax, s_pico, s_tinyDepths, [24, 32]), untrained256),
            ("maxvit_nano_rw_256", Of(s_ownMax, s_nano, nano), trained256),
            ("maxvit_tiny_rw_224", tiny, [("sw_in1k", s_config)]),
            ("maxvit_tiny_rw_256", tiny, untrained256),
            ("maxvit_tiny_pm_256", tiny with { Blocks = All(ParallelMaxx) }, untrained256),
            ("maxvit_rmlp_pico_rw_256", Of(position, s_pico, s_tinyDepths, [24, 32]), trained256),
            ("maxvit_rmlp_nano_rw_256", Of(position, s_nano, nano), trained256),
            ("maxvit_rmlp_tiny_rw_256", Of(position, s_nano, s_tinyDepths), trained256),
            ("maxvit_rmlp_small_rw_224", small, [("sw_in1k", s_config90)]),
            ("maxvit_rmlp_small_rw_256", small, untrained256),
            ("maxvit_rmlp_base_rw_224", large, tuned),
            ("maxvit_rmlp_base_rw_384", large, tuned384),
            ("maxxvit_rmlp_nano_rw_256", Of(s_next, s_nano, nano), trained256),
            ("maxxvit_rmlp_tiny_rw_256", Of(s_next, s_nano, s_tinyDepths), untrained256),
            ("maxxvit_rmlp_small_rw_256", Of(s_next, s_small, s_tinyDepths, [48, 96]), trained256),
            ("maxxvitv2_nano_rw_256", Of(second with { Relative = RelativeKind.Table }, s_small, nano, [48, 96]), trained256),
            ("maxxvitv2_rmlp_base_rw_224", second2, tuned),
            ("maxxvitv2_rmlp_base_rw_384", second2, tuned384),
            ("maxxvitv2_rmlp_large_rw_224", Of(second with { HeadWidth = 1280 }, [160, 320, 640, 1280], [2, 6, 16, 2], [80, 160]), [("untrained", s_config)]),
        ];
    }

    private static IEnumerable<(string, MaxxVitSpec, (string, PretrainedConfig)[])> TensorFlow()
    {
        (string Size, IntList Widths, IntList Depths, int Stem)[] sizes =
        [
            ("tiny", s_nano, s_tinyDepths, 64), ("small", s_small, s_tinyDepths, 64), ("base", s_small, s_deepDepths, 64),
            ("large", s_base, s_deepDepths, 128), ("xlarge", s_large, s_deepDepths, 192),
        ];
        foreach (var (size, widths, depths, stem) in sizes)
        {
            var spec = Of(s_tensorFlow with { HeadWidth = widths[3] }, widths, depths, [stem, stem]);
            foreach (var (side, config) in new[] { (224, s_configColours), (384, s_config384), (512, s_config512) })
            {
                List<(string, PretrainedConfig)> tags = [];
                if (size != "xlarge")
                    tags.Add(("in1k", config));
                if (size is "base" or "large" or "xlarge")
                    tags.Add(side == 224 ? ("in21k", s_config with { NumClasses = 21843 }) : ("in21k_ft_in1k", (size, side) == ("large", 512) ? config with { PoolSize = [7, 7] } : config));
                yield return ($"maxvit_{size}_tf_{side}", spec, [.. tags]);
            }
        }
    }
}
