using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="ResNet"/>: a variant a row, with the weights published for it, the default first. Facts as in timm's registry.</summary>
internal static class ResNetVariants
{
    // How the published weights were made decides how images are prepared for them.
    private static readonly PretrainedConfig s_old = new() { Interpolation = "bilinear", License = "apache-2.0" };
    private static readonly PretrainedConfig s_bicubic = s_old with { Interpolation = "bicubic" };
    private static readonly PretrainedConfig s_timm = s_bicubic.TestAt(288, 0.95f);
    private static readonly PretrainedConfig s_timm256 = s_bicubic.At(256) with { CropPct = 0.95f };
    private static readonly PretrainedConfig s_timm320 = s_timm256.TestAt(320, 1);
    private static readonly PretrainedConfig s_rsb = (s_bicubic with { CropPct = 0.95f }).TestAt(288, 1);
    private static readonly PretrainedConfig s_rsb160 = (s_bicubic.At(160) with { CropPct = 0.95f }).TestAt(224, 0.95f);
    private static readonly PretrainedConfig s_rsb176 = (s_bicubic.At(176) with { CropPct = 0.9f }).TestAt(224, 1);
    private static readonly PretrainedConfig s_c3 = s_bicubic.At(176).TestAt(224, 0.95f);
    private static readonly PretrainedConfig s_ra4 = s_rsb with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.9f };
    private static readonly PretrainedConfig s_sw = (s_bicubic with { CropPct = 0.95f }).TestAt(288, 1);
    private static readonly PretrainedConfig s_sw12k = s_sw with { NumClasses = 11821 };
    private static readonly PretrainedConfig s_vision = s_old with { License = "bsd-3-clause" };
    private static readonly PretrainedConfig s_vision2 = s_vision.At(176).TestAt(224, 0.965f);
    private static readonly PretrainedConfig s_facebook = s_old with { License = "cc-by-nc-4.0" };

    private static ResNetSpec Basic(params int[] depths) => new(BlockKind.Basic, depths);

    private static ResNetSpec Bottleneck(params int[] depths) => new(BlockKind.Bottleneck, depths);

    private static ResNetSpec R18 { get; } = Basic(2, 2, 2, 2);

    private static ResNetSpec R34 { get; } = Basic(3, 4, 6, 3);

    private static ResNetSpec R26 { get; } = Bottleneck(2, 2, 2, 2);

    private static ResNetSpec R50 { get; } = Bottleneck(3, 4, 6, 3);

    private static ResNetSpec R101 { get; } = Bottleneck(3, 4, 23, 3);

    private static ResNetSpec R152 { get; } = Bottleneck(3, 8, 36, 3);

    private static ResNetSpec R200 { get; } = Bottleneck(3, 24, 36, 3);

    private static ResNetSpec R269 { get; } = Bottleneck(3, 30, 48, 8);

    // The letters of the names: a deep stem (C, S the wider), with averaging shortcuts too (D), and tiered (T).
    private static ResNetSpec C(this ResNetSpec spec) => spec with { Stem = StemKind.Deep, StemWidth = 32 };

    private static ResNetSpec S(this ResNetSpec spec) => spec with { Stem = StemKind.Deep };

    private static ResNetSpec D(this ResNetSpec spec) => spec.C() with { AveragesShortcut = true };

    private static ResNetSpec T(this ResNetSpec spec) => spec.D() with { Stem = StemKind.Tiered };

    private static ResNetSpec Next(this ResNetSpec spec, int cardinality, int width) => spec with { Cardinality = cardinality, BaseWidth = width };

    private static ResNetSpec Wide(this ResNetSpec spec) => spec with { BaseWidth = 128 };

    private static ResNetSpec Se(this ResNetSpec spec) => spec with { Attention = new(AttentionKind.SqueezeExcite) };

    private static ResNetSpec Eca(this ResNetSpec spec) => spec with { Attention = new(AttentionKind.EfficientChannel) };

    private static ResNetSpec Aa(this ResNetSpec spec) => spec with { AntiAliasing = AntiAliasing.Average };

    private static ResNetSpec Blur(this ResNetSpec spec) => spec with { AntiAliasing = AntiAliasing.Blur };

    private static ResNetSpec Rs(params int[] depths) =>
        Bottleneck(depths).D() with { ReplacesStemPool = true, Attention = new(AttentionKind.SqueezeExcite, 0.25) };

    private static PretrainedConfig RsAt(int side, float cropPct, int testSide) => (s_bicubic.At(side) with { CropPct = cropPct }).TestAt(testSide, null);

    private static PrunedWidths Pruned50 { get; } = new(
        [
            [47, 18, 52, 22, 64, 35],
            [85, 37, 107, 80, 120, 85, 125, 87],
            [198, 126, 255, 232, 256, 233, 253, 235, 256, 225, 256, 239],
            [492, 237, 512, 500, 512, 490],
        ],
        [19, 171, 818, 2022]);

    private static PrunedWidths Pruned101 { get; } = new(
        [
            [45, 25, 53, 20, 60, 27],
            [81, 24, 93, 49, 102, 54, 122, 78],
            [
                101, 25, 239, 160, 234, 156, 250, 176, 253, 191, 251, 175, 230, 128, 244, 154, 244, 159, 238, 97, 244, 149, 253, 181,
                245, 119, 255, 216, 256, 201, 253, 149, 254, 141, 256, 190, 256, 217, 255, 156, 256, 155, 256, 232, 256, 214,
            ],
            [499, 289, 512, 512, 512, 502],
        ],
        [26, 142, 278, 2042]);

    private static (string Name, ResNetSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows() =>
    [
        ("resnet10t", Basic(1, 1, 1, 1).T(), [("c3_in1k", s_c3)]),
        ("resnet14t", Bottleneck(1, 1, 1, 1).T(), [("c3_in1k", s_c3)]),
        ("resnet18", R18,
        [
            ("a1_in1k", s_rsb), ("a2_in1k", s_rsb), ("a3_in1k", s_rsb160), ("tv_in1k", s_vision),
            ("fb_ssl_yfcc100m_ft_in1k", s_facebook), ("fb_swsl_ig1b_ft_in1k", s_facebook), ("gluon_in1k", s_bicubic),
        ]),
        ("resnet18d", R18.D(), [("ra2_in1k", s_timm), ("ra4_e3600_r224_in1k", s_ra4)]),
        ("resnet34", R34,
        [
            ("a1_in1k", s_rsb), ("a2_in1k", s_rsb), ("a3_in1k", s_rsb160), ("bt_in1k", s_timm), ("ra4_e3600_r224_in1k", s_ra4),
            ("tv_in1k", s_vision), ("gluon_in1k", s_bicubic),
        ]),
        ("resnet34d", R34.D(), [("ra2_in1k", s_timm)]),
        ("resnet26", R26, [("bt_in1k", s_timm)]),
        ("resnet26d", R26.D(), [("bt_in1k", s_timm)]),
        ("resnet26t", R26.T(), [("ra2_in1k", (s_bicubic.At(256) with { CropPct = 0.94f }).TestAt(320, 1))]),
        ("resnet50", R50,
        [
            ("a1_in1k", s_rsb), ("a1h_in1k", s_rsb176), ("a2_in1k", s_rsb), ("a3_in1k", s_rsb160), ("b1k_in1k", s_rsb), ("b2k_in1k", s_rsb),
            ("c1_in1k", s_rsb), ("c2_in1k", s_rsb), ("d_in1k", s_rsb), ("ram_in1k", s_timm), ("am_in1k", s_bicubic), ("ra_in1k", s_timm),
            ("bt_in1k", s_timm), ("tv_in1k", s_vision), ("tv2_in1k", s_vision2), ("fb_ssl_yfcc100m_ft_in1k", s_facebook),
            ("fb_swsl_ig1b_ft_in1k", s_facebook), ("gluon_in1k", s_bicubic),
        ]),
        ("resnet50c", R50.C(), [("gluon_in1k", s_bicubic)]),
        ("resnet50d", R50.D(),
        [
            ("ra2_in1k", s_timm), ("ra4_e3600_r224_in1k", s_ra4 with { CropPct = 0.95f }), ("a1_in1k", s_rsb), ("a2_in1k", s_rsb),
            ("a3_in1k", s_rsb160), ("gluon_in1k", s_bicubic),
        ]),
        ("resnet50s", R50.S(), [("gluon_in1k", s_bicubic)]),
        ("resnet50t", R50.T(), [("untrained", s_timm)]),
        ("resnet101", R101,
        [
            ("a1h_in1k", s_rsb), ("a1_in1k", s_rsb), ("a2_in1k", s_rsb), ("a3_in1k", s_rsb160), ("tv_in1k", s_vision), ("tv2_in1k", s_vision2),
            ("gluon_in1k", s_bicubic),
        ]),
        ("resnet101c", R101.C(), [("gluon_in1k", s_bicubic)]),
        ("resnet101d", R101.D(), [("ra2_in1k", s_timm320), ("gluon_in1k", s_bicubic)]),
        ("resnet101s", R101.S(), [("gluon_in1k", s_bicubic)]),
        ("resnet152", R152,
        [
            ("a1h_in1k", s_rsb), ("a1_in1k", s_rsb), ("a2_in1k", s_rsb), ("a3_in1k", s_rsb160), ("tv_in1k", s_vision), ("tv2_in1k", s_vision2),
            ("gluon_in1k", s_bicubic),
        ]),
        ("resnet152c", R152.C(), [("gluon_in1k", s_bicubic)]),
        ("resnet152d", R152.D(), [("ra2_in1k", s_timm320), ("gluon_in1k", s_bicubic)]),
        ("resnet152s", R152.S(), [("gluon_in1k", s_bicubic)]),
        ("resnet200", R200, [("untrained", s_timm)]),
        ("resnet200d", R200.D(), [("ra2_in1k", s_timm320)]),
        ("wide_resnet50_2", R50.Wide(), [("racm_in1k", s_timm), ("tv_in1k", s_vision), ("tv2_in1k", s_vision2)]),
        ("wide_resnet101_2", R101.Wide(), [("tv_in1k", s_vision), ("tv2_in1k", s_vision2)]),
        ("resnet50_gn", R50 with { UsesGroupNorm = true }, [("a1h_in1k", s_timm with { CropPct = 0.94f })]),

        ("resnext50_32x4d", R50.Next(32, 4),
        [
            ("a1h_in1k", s_rsb), ("a1_in1k", s_rsb), ("a2_in1k", s_rsb), ("a3_in1k", s_rsb160), ("ra_in1k", s_timm), ("tv_in1k", s_vision),
            ("tv2_in1k", s_vision2), ("fb_ssl_yfcc100m_ft_in1k", s_facebook), ("fb_swsl_ig1b_ft_in1k", s_facebook), ("gluon_in1k", s_bicubic),
        ]),
        ("resnext50d_32x4d", R50.Next(32, 4).D(), [("bt_in1k", s_timm)]),
        ("resnext101_32x4d", R101.Next(32, 4),
        [
            ("fb_ssl_yfcc100m_ft_in1k", s_facebook), ("untrained", s_timm), ("fb_swsl_ig1b_ft_in1k", s_facebook), ("gluon_in1k", s_bicubic),
        ]),
        ("resnext101_32x8d", R101.Next(32, 8),
        [
            ("tv_in1k", s_vision), ("tv2_in1k", s_vision2), ("fb_wsl_ig1b_ft_in1k", s_facebook), ("fb_ssl_yfcc100m_ft_in1k", s_facebook),
            ("fb_swsl_ig1b_ft_in1k", s_facebook),
        ]),
        ("resnext101_32x16d", R101.Next(32, 16),
        [
            ("fb_wsl_ig1b_ft_in1k", s_facebook), ("fb_ssl_yfcc100m_ft_in1k", s_facebook), ("fb_swsl_ig1b_ft_in1k", s_facebook),
        ]),
        ("resnext101_32x32d", R101.Next(32, 32), [("fb_wsl_ig1b_ft_in1k", s_facebook)]),
        ("resnext101_64x4d", R101.Next(64, 4), [("c1_in1k", s_rsb), ("tv_in1k", s_vision), ("gluon_in1k", s_bicubic)]),

        ("ecaresnet26t", R26.T().Eca(), [("ra2_in1k", s_bicubic.At(256).TestAt(320, 0.95f))]),
        ("ecaresnetlight", Bottleneck(1, 1, 11, 3).Eca() with { StemWidth = 32, AveragesShortcut = true }, [("miil_in1k", s_timm)]),
        ("ecaresnet50d", R50.D().Eca(), [("miil_in1k", s_timm)]),
        ("ecaresnet50d_pruned", R50.D().Eca() with { PrunedWidths = Pruned50 }, [("miil_in1k", s_timm)]),
        ("ecaresnet50t", R50.T().Eca(),
        [
            ("ra2_in1k", s_bicubic.At(256).TestAt(320, 0.95f)), ("a1_in1k", s_rsb), ("a2_in1k", s_rsb), ("a3_in1k", s_rsb160),
        ]),
        ("ecaresnet101d", R101.D().Eca(), [("miil_in1k", s_timm)]),
        ("ecaresnet101d_pruned", R101.D().Eca() with { PrunedWidths = Pruned101 }, [("miil_in1k", s_timm)]),
        ("ecaresnet200d", R200.D().Eca(), [("untrained", s_timm256.TestAt(288, 0.95f))]),
        ("ecaresnet269d", R269.D().Eca(), [("ra2_in1k", s_timm256.At(320).TestAt(352, 1))]),
        ("ecaresnext26t_32x4d", R26.Next(32, 4).T().Eca(), [("untrained", s_bicubic)]),
        ("ecaresnext50t_32x4d", R26.Next(32, 4).T().Eca(), [("untrained", s_bicubic)]), // as deep as the 26, in timm too

        ("seresnet18", R18.Se(), [("untrained", s_timm)]),
        ("seresnet34", R34.Se(), [("untrained", s_timm)]),
        ("seresnet50", R50.Se(), [("a1_in1k", s_rsb), ("a2_in1k", s_rsb), ("a3_in1k", s_rsb160), ("ra2_in1k", s_timm)]),
        ("seresnet50t", R50.T().Se(), [("untrained", s_timm)]),
        ("seresnet101", R101.Se(), [("untrained", s_timm)]),
        ("seresnet152", R152.Se(), [("untrained", s_timm)]),
        ("seresnet152d", R152.D().Se(), [("ra2_in1k", s_timm320)]),
        ("seresnet200d", R200.D().Se(), [("untrained", s_timm.At(256))]),
        ("seresnet269d", R269.D().Se(), [("untrained", s_timm.At(256))]),
        ("seresnext26d_32x4d", R26.Next(32, 4).D().Se(), [("bt_in1k", s_timm)]),
        ("seresnext26t_32x4d", R26.Next(32, 4).T().Se(), [("bt_in1k", s_timm)]),
        ("seresnext50_32x4d", R50.Next(32, 4).Se(), [("racm_in1k", s_timm), ("gluon_in1k", s_bicubic)]),
        ("seresnext101_32x4d", R101.Next(32, 4).Se(), [("gluon_in1k", s_bicubic), ("untrained", s_timm)]),
        ("seresnext101_32x8d", R101.Next(32, 8).Se(), [("ah_in1k", s_rsb)]),
        ("seresnext101d_32x8d", R101.Next(32, 8).D().Se(), [("ah_in1k", s_rsb)]),
        ("seresnext101_64x4d", R101.Next(64, 4).Se(), [("gluon_in1k", s_bicubic)]),
        ("senet154", R152.Next(64, 4).S().Se() with { ShortcutKernel = 3, ReduceFirst = 2 }, [("gluon_in1k", s_bicubic)]),

        ("resnetblur18", R18.Blur(), [("untrained", s_timm)]),
        ("resnetblur50", R50.Blur(), [("bt_in1k", s_timm)]),
        ("resnetblur50d", R50.D().Blur(), [("untrained", s_timm)]),
        ("resnetblur101d", R101.D().Blur(), [("untrained", s_timm)]),
        ("resnetaa34d", R34.D().Aa(), [("untrained", s_timm)]),
        ("resnetaa50", R50.Aa(), [("a1h_in1k", s_rsb)]),
        ("resnetaa50d", R50.D().Aa(), [("sw_in12k_ft_in1k", s_sw), ("sw_in12k", s_sw12k), ("d_in12k", s_sw12k)]),
        ("resnetaa101d", R101.D().Aa(), [("sw_in12k_ft_in1k", s_sw), ("sw_in12k", s_sw12k)]),
        ("seresnetaa50d", R50.D().Aa().Se(), [("untrained", s_timm)]),
        ("seresnextaa101d_32x8d", R101.Next(32, 8).D().Aa().Se(),
        [
            ("sw_in12k_ft_in1k_288", s_sw.At(288).TestAt(320, 1)), ("sw_in12k_ft_in1k", s_bicubic.TestAt(288, 1)), ("sw_in12k", s_sw12k),
            ("ah_in1k", s_rsb),
        ]),
        ("seresnextaa201d_32x8d", Bottleneck(3, 24, 36, 4).Next(32, 8).S().Aa().Se() with { AveragesShortcut = true },
        [
            ("sw_in12k_ft_in1k_384", s_bicubic.At(384) with { CropPct = 1 }),
            ("sw_in12k", (s_bicubic.At(320) with { CropPct = 0.95f, NumClasses = 11821 }).TestAt(384, 1)),
        ]),

        ("resnetrs50", Rs(3, 4, 6, 3), [("tf_in1k", RsAt(160, 0.91f, 224))]),
        ("resnetrs101", Rs(3, 4, 23, 3), [("tf_in1k", RsAt(192, 0.94f, 288))]),
        ("resnetrs152", Rs(3, 8, 36, 3), [("tf_in1k", RsAt(256, 1, 320))]),
        ("resnetrs200", Rs(3, 24, 36, 3), [("tf_in1k", RsAt(256, 1, 320))]),
        ("resnetrs270", Rs(4, 29, 53, 4), [("tf_in1k", RsAt(256, 1, 352))]),
        ("resnetrs350", Rs(4, 36, 72, 4), [("tf_in1k", RsAt(288, 1, 384))]),
        ("resnetrs420", Rs(4, 44, 87, 4), [("tf_in1k", RsAt(320, 1, 416))]),

        ("test_resnet", Basic(1, 1, 1, 1).D() with
        {
            StemWidth = 16,
            Channels = [32, 48, 48, 96],
            Blocks = [BlockKind.Basic, BlockKind.Basic, BlockKind.Bottleneck, BlockKind.Basic],
        },
        [("r160_in1k", s_old.At(160) with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.95f })]),
    ];

    public static Family Family() => new(
        "resnet",
        "He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016, arXiv:1512.03385",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "resnet", r.Tags, "fc", r.Spec.FirstConv, options => new ResNet(r.Spec, options)))],
        Aliases())
    {
        Idea = "Each block learns a correction that is added to its input, so that gradients reach the first layers however deep the network is. Variants change the stem, the shortcut and the block's inner attention, and keep four stages that halve the map and double the channels.",
    };

    private static Dictionary<string, string> Aliases()
    {
        var aliases = new Dictionary<string, string> { ["seresnext26tn_32x4d"] = "seresnext26t_32x4d", ["gluon_senet154"] = "senet154.gluon_in1k" };
        foreach (var name in new[] { "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d" })
            aliases[$"tv_{name}"] = $"{name}.tv_in1k";
        foreach (var name in new[] { "resnet18", "resnet50", "resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_32x16d" })
        {
            aliases[$"ssl_{name}"] = $"{name}.fb_ssl_yfcc100m_ft_in1k";
            aliases[$"swsl_{name}"] = $"{name}.fb_swsl_ig1b_ft_in1k";
        }
        foreach (var width in new[] { 8, 16, 32 })
            aliases[$"ig_resnext101_32x{width}d"] = $"resnext101_32x{width}d.fb_wsl_ig1b_ft_in1k";
        foreach (var depth in new[] { 18, 34, 50, 101, 152 })
            aliases[$"gluon_resnet{depth}_v1b"] = $"resnet{depth}.gluon_in1k";
        foreach (var depth in new[] { 50, 101, 152 })
        {
            foreach (var letter in "cds")
                aliases[$"gluon_resnet{depth}_v1{letter}"] = $"resnet{depth}{letter}.gluon_in1k";
        }
        foreach (var name in new[] { "resnext50_32x4d", "resnext101_32x4d", "resnext101_64x4d", "seresnext50_32x4d", "seresnext101_32x4d", "seresnext101_64x4d" })
            aliases[$"gluon_{name}"] = $"{name}.gluon_in1k";
        return aliases;
    }
}
