using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="ByobNet"/>, but for those with self-attention. Facts as in timm's registry.</summary>
internal static class ByobNetVariants
{
    private static readonly IReadOnlyList<float> s_clipMean = [0.48145466f, 0.4578275f, 0.40821073f];
    private static readonly IReadOnlyList<float> s_clipStd = [0.26862954f, 0.26130258f, 0.27577711f];

    private static readonly PretrainedConfig s_base = new() { Interpolation = "bilinear", License = "apache-2.0" };
    private static readonly PretrainedConfig s_rep = s_base with { License = "mit" };
    private static readonly PretrainedConfig s_one = s_base with { License = "mobileone-license" };
    private static readonly PretrainedConfig s_r = new PretrainedConfig { CropPct = 0.9f, License = "apache-2.0" }.At(256);
    private static readonly PretrainedConfig s_r288 = s_r.TestAt(288, 1);
    private static readonly PretrainedConfig s_z = s_r with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, CropPct = 0.94f };
    private static readonly PretrainedConfig s_clip = s_r with { Mean = s_clipMean, Std = s_clipStd, License = "mit" };

    public static Family Family() => new(
        "byobnet",
        "Lin, Chen, Sun, Li, Jin: Neural architecture design for GPU-efficient networks, 2020, arXiv:2006.14090; Ding et al.: RepVGG, CVPR 2021, arXiv:2101.03697; "
            + "Vasu et al.: MobileOne, CVPR 2023, arXiv:2206.04040; Mehta and Rastegari: MobileViT, ICLR 2022, arXiv:2110.02178",
        [.. Rows().Concat(ClipRows()).Concat(ByoaNetVariants.Rows()).Concat(MobileVit.Rows())
            .Select(r => ModelInfo.Row(r.Name, "byobnet", r.Tags, r.Spec.Classifier, r.Spec.FirstConv, options => new ByobNet(r.Spec, options)))],
        new Dictionary<string, string>(MobileVit.Aliases()))
    {
        Idea = "One frame builds networks from a table of stages and block types: RepVGG, GENet, MobileOne, halo and lambda attention, CLIP's ResNets and others. Blocks of RepVGG and MobileOne learn in several branches and fold into one convolution for use.",
    };

    private static IEnumerable<Row> Rows()
    {
        (string Name, ByobSpec Spec, string Tag, PretrainedConfig Config)[] rows =
        [
            ("gernet_l", GeNet(32, 2560, Basic(1, 128), Basic(2, 192), Bottle(6, 640, 2, 0, 0.25), Bottle(5, 640, 2, 1, 3), Bottle(4, 640, 1, 1, 3)), "idstcv_in1k", s_base.At(256)),
            ("gernet_m", GeNet(32, 2560, Basic(1, 128), Basic(2, 192), Bottle(6, 640, 2, 0, 0.25), Bottle(4, 640, 2, 1, 3), Bottle(1, 640, 1, 1, 3)), "idstcv_in1k", s_base),
            ("gernet_s", GeNet(13, 1920, Basic(1, 48), Basic(3, 48), Bottle(7, 384, 2, 0, 0.25), Bottle(2, 560, 2, 1, 3), Bottle(1, 256, 1, 1, 3)), "idstcv_in1k", s_base),
            ("repvgg_a0", RepVgg([2, 4, 14, 1], [0.75, 0.75, 0.75, 2.5]) with { Stem = [48] }, "rvgg_in1k", s_rep),
            ("repvgg_a1", RepVgg([2, 4, 14, 1], [1, 1, 1, 2.5]), "rvgg_in1k", s_rep),
            ("repvgg_a2", RepVgg([2, 4, 14, 1], [1.5, 1.5, 1.5, 2.75]), "rvgg_in1k", s_rep),
            ("repvgg_b0", RepVgg([4, 6, 16, 1], [1, 1, 1, 2.5]), "rvgg_in1k", s_rep),
            ("repvgg_b1", RepVgg([4, 6, 16, 1], [2, 2, 2, 4]), "rvgg_in1k", s_rep),
            ("repvgg_b1g4", RepVgg([4, 6, 16, 1], [2, 2, 2, 4], 4), "rvgg_in1k", s_rep),
            ("repvgg_b2", RepVgg([4, 6, 16, 1], [2.5, 2.5, 2.5, 5]), "rvgg_in1k", s_rep),
            ("repvgg_b2g4", RepVgg([4, 6, 16, 1], [2.5, 2.5, 2.5, 5], 4), "rvgg_in1k", s_rep),
            ("repvgg_b3", RepVgg([4, 6, 16, 1], [3, 3, 3, 5]), "rvgg_in1k", s_rep),
            ("repvgg_b3g4", RepVgg([4, 6, 16, 1], [3, 3, 3, 5], 4), "rvgg_in1k", s_rep),
            ("repvgg_d2se", RepVgg([8, 14, 24, 1], [2.5, 2.5, 2.5, 5]) with { Attention = new(AttentionKind.SqueezeExcite, 0.0625, 1) }, "rvgg_in1k", s_rep.At(320) with { CropPct = 1 }),
            ("resnet51q", Q([2, 4, 6, 4], 2) with { FirstConv = "stem.conv1" }, "ra2_in1k", s_base.At(256).TestAt(288, 1)),
            ("resnet61q", Q61, "ra2_in1k", s_r288),
            ("resnext26ts", ResNeXt26, "ra2_in1k", s_r288),
            ("gcresnext26ts", ResNeXt26 with { Attention = new(AttentionKind.GlobalContext) }, "ch_in1k", s_r288),
            ("seresnext26ts", ResNeXt26 with { Attention = new(AttentionKind.SqueezeExcite) }, "ch_in1k", s_r288),
            ("eca_resnext26ts", ResNeXt26 with { Attention = new(AttentionKind.EfficientChannel) }, "ch_in1k", s_r288),
            ("bat_resnext26ts", ResNeXt26 with { Attention = new(AttentionKind.Bilinear) { Block = 8 } }, "ch_in1k", s_r with { MinInputSize = new(3, 256, 256) }),
            ("resnet32ts", ResNet33 with { FinalWidth = 0 }, "ra2_in1k", s_r288),
            ("resnet33ts", ResNet33, "ra2_in1k", s_r288),
            ("gcresnet33ts", ResNet33 with { Attention = new(AttentionKind.GlobalContext) }, "ra2_in1k", s_r288),
            ("seresnet33ts", ResNet33 with { Attention = new(AttentionKind.SqueezeExcite) }, "ra2_in1k", s_r288),
            ("eca_resnet33ts", ResNet33 with { Attention = new(AttentionKind.EfficientChannel) }, "ra2_in1k", s_r288),
            ("gcresnet50t", Residual([3, 4, 6, 3], 0) with { Attention = new(AttentionKind.GlobalContext) }, "ra2_in1k", s_r288),
            ("gcresnext50ts",
                Residual([3, 4, 6, 3], 32) with { Activation = ActivationKind.Silu, StemPool = ByobPool.Max, Attention = new(AttentionKind.GlobalContext) },
                "ch_in1k", s_r288),
            ("regnetz_b16", RegNetZ([2, 6, 12, 2], 3), "ra3_in1k", s_z.At(224).TestAt(288, 1)),
            ("regnetz_c16", RegNetZ([2, 6, 12, 2], 4), "ra3_in1k", s_z.TestAt(320, 1)),
            ("regnetz_d32", RegNetZd(32), "ra3_in1k", s_z.TestAt(320, null) with { CropPct = 0.95f }),
            ("regnetz_d8", RegNetZd(8), "ra3_in1k", s_z.TestAt(320, 1)),
            ("regnetz_e8", RegNetZe, "ra3_in1k", s_z.TestAt(320, 1)),
            ("regnetz_b16_evos", RegNetZ([2, 6, 12, 2], 3) with { UsesEvoNorm = true }, "untrained", s_z.At(224).TestAt(288, null) with { CropPct = 0.95f }),
            ("regnetz_c16_evos", RegNetZ([2, 6, 12, 2], 4) with { UsesEvoNorm = true }, "ch_in1k", s_z.TestAt(320, null) with { CropPct = 0.95f }),
            ("regnetz_d8_evos", RegNetZd(8) with { UsesEvoNorm = true, Stem = [64, 64, 64] }, "ch_in1k", s_z.TestAt(320, 1) with { CropPct = 0.95f }),
            ("mobileone_s0", MobileOne([0.75, 1, 1, 2], 4) with { Stem = [48] }, "apple_in1k", s_one),
            ("mobileone_s1", MobileOne([1.5, 1.5, 2, 2.5]), "apple_in1k", s_one with { CropPct = 0.9f }),
            ("mobileone_s2", MobileOne([1.5, 2, 2.5, 4]), "apple_in1k", s_one with { CropPct = 0.9f }),
            ("mobileone_s3", MobileOne([2, 2.5, 3, 4]), "apple_in1k", s_one with { CropPct = 0.9f }),
            ("mobileone_s4", MobileOne([3, 3.5, 3.5, 4], 1, 0, 0, 5, 1), "apple_in1k", s_one with { CropPct = 0.9f }),
            ("resnet50_mlp", Clip([3, 4, 6, 3], 1, 0) with { Head = ByobHead.Hidden }, "untrained", s_r),
            ("test_byobnet", Tiny, "r160_in1k", s_r.At(160) with { CropPct = 0.95f }),
        ];
        return rows.Select(r => new Row(r.Name, r.Spec, [(r.Tag, r.Config)]));
    }

    // ---------------------------------------------------------------- stages

    internal static ByobStage Stage(ByobBlockKind kind, int depth, int channels, int stride, int groupSize, double ratio) =>
        new(stride, [.. Enumerable.Repeat(new ByobBlockSpec(kind, channels) { GroupSize = groupSize, Ratio = ratio }, depth)]);

    internal static ByobStage Bottle(int depth, int channels, int stride, int groupSize, double ratio) => Stage(ByobBlockKind.Bottleneck, depth, channels, stride, groupSize, ratio);

    private static ByobStage Basic(int depth, int channels) => Stage(ByobBlockKind.Basic, depth, channels, 2, 0, 1);

    // ---------------------------------------------------------------- kinds

    private static ByobSpec GeNet(int stem, int features, params ByobStage[] stages) => new(stages) { Stem = [stem], FinalWidth = features, FirstConv = "stem.conv" };

    private static ByobSpec RepVgg(int[] depths, double[] factors, int groups = 0)
    {
        var stages = Enumerable.Range(0, 4).Select(s =>
        {
            var width = Widths.Divisible((64 << s) * factors[s]);
            return new ByobStage(2, [.. Enumerable.Range(0, depths[s])
                .Select(i => new ByobBlockSpec(ByobBlockKind.Rep, width) { GroupSize = groups > 0 && i % 2 == 1 ? width / groups : 0 })]);
        });
        return new([.. stages]) { Stem = [64], StemKind = ByobStem.Rep, Shortcut = ByobShortcut.None, FirstConv = "stem.conv_kxk.conv,stem.conv_1x1.conv" };
    }

    // A depthwise and a pointwise block by turns; the last ones of some stages attend.
    private static ByobSpec MobileOne(double[] factors, int branches = 1, params int[] attending)
    {
        int[] depths = [2, 8, 10, 1];
        var (stages, former) = (new List<ByobStage>(), (int)Math.Min(64, 64 * factors[0]));
        for (var s = 0; s < 4; s++)
        {
            var (width, blocks) = (Widths.Divisible((64 << s) * factors[s]), new List<ByobBlockSpec>());
            for (var i = 0; i < depths[s]; i++)
            {
                var attends = attending.Length > 0 && i >= depths[s] - attending[s];
                blocks.Add(new(ByobBlockKind.One, former) { GroupSize = 1, Branches = branches, Attends = attends });
                blocks.Add(new(ByobBlockKind.One, width) { Kernel = 1, Branches = branches, Attends = attends });
                former = width;
            }
            stages.Add(new(2, blocks));
        }
        return new(stages)
        {
            Stem = [64],
            StemKind = ByobStem.One,
            Shortcut = ByobShortcut.None,
            Attention = attending.Length > 0 ? new(AttentionKind.SqueezeExcite) : default,
            FirstConv = "stem.conv_kxk.0.conv,stem.conv_scale.conv",
        };
    }

    /// <summary>Bottlenecks as in ResNet, with a tiered stem.</summary>
    internal static ByobSpec Residual(int[] depths, int groupSize, int third = 1024, int fourth = 2048) => new(
    [
        Bottle(depths[0], 256, 1, groupSize, 0.25), Bottle(depths[1], 512, 2, groupSize, 0.25),
        Bottle(depths[2], third, 2, groupSize, 0.25), Bottle(depths[3], fourth, 2, groupSize, 0.25),
    ]) { Stem = [24, 32, 64] };

    private static ByobSpec ResNeXt26 { get; } = Residual([2, 2, 2, 2], 32) with { Activation = ActivationKind.Silu, StemPool = ByobPool.Max };

    private static ByobSpec ResNet33 { get; } = Residual([2, 3, 3, 2], 0, 1536, 1536) with { Activation = ActivationKind.Silu, FinalWidth = 1280 };

    private static ByobSpec Q(int[] depths, int bareStemConvs) => new(
        [Bottle(depths[0], 256, 1, 32, 0.25), Bottle(depths[1], 512, 2, 32, 0.25), Bottle(depths[2], 1536, 2, 32, 0.25), Bottle(depths[3], 1536, 2, 1, 1)])
        { Stem = [16, 32, 64, 128], BareStemConvs = bareStemConvs, FinalWidth = 2048, Activation = ActivationKind.Silu };

    private static ByobSpec Q61 { get; } = Q([1, 4, 6, 4], 0) with
    {
        Stages =
        [
            Stage(ByobBlockKind.Edge, 1, 256, 1, 0, 1),
            .. Q([1, 4, 6, 4], 0).Stages.Skip(1).Select(s => s with { Blocks = [.. s.Blocks.Select(b => b with { HasExtraConv = true })] }),
        ],
    };

    internal static ByobSpec RegNetZ(int[] depths, int ratio) => Z(
        1536, Bottle(depths[0], 48, 2, 16, ratio), Bottle(depths[1], 96, 2, 16, ratio), Bottle(depths[2], 192, 2, 16, ratio), Bottle(depths[3], 288, 2, 16, ratio))
        with { FirstConv = "stem.conv" };

    private static ByobSpec RegNetZd(int groupSize) => Z(
        1792, Bottle(3, 64, 1, groupSize, 4), Bottle(6, 128, 2, groupSize, 4), Bottle(12, 256, 2, groupSize, 4), Bottle(3, 384, 2, groupSize, 4))
        with { Stem = [24, 32, 64] };

    private static ByobSpec RegNetZe { get; } = Z(2048, Bottle(3, 96, 1, 8, 4), Bottle(8, 192, 2, 8, 4), Bottle(16, 384, 2, 8, 4), Bottle(3, 512, 2, 8, 4))
        with { Stem = [24, 32, 64] };

    private static ByobSpec Z(int features, params ByobStage[] stages) => new(stages)
    {
        Shortcut = ByobShortcut.None,
        FinalWidth = features,
        Activation = ActivationKind.Silu,
        Attention = new(AttentionKind.SqueezeExcite, 0.25),
        WidensInput = true,
        EndsLinearly = true,
    };

    private static ByobSpec Tiny { get; } = new(
    [
        Stage(ByobBlockKind.Edge, 1, 32, 2, 0, 0.5), Stage(ByobBlockKind.Dark, 1, 64, 2, 0, 0.5), Stage(ByobBlockKind.Basic, 1, 128, 2, 32, 0.25),
        Bottle(1, 256, 2, 64, 0.25),
    ]) { Stem = [24], Shortcut = ByobShortcut.Average, Attention = new(AttentionKind.SqueezeExcite, 0.25), FirstConv = "stem.conv" };

    // ---------------------------------------------------------------- CLIP

    private static ByobSpec Clip(int[] depths, double factor, int side)
    {
        int Wide(int channels) => Widths.Divisible(channels * factor);
        return new(
        [
            Bottle(depths[0], Wide(256), 1, 0, 0.25), Bottle(depths[1], Wide(512), 2, 0, 0.25),
            Bottle(depths[2], Wide(1024), 2, 0, 0.25), Bottle(depths[3], Wide(2048), 2, 0, 0.25),
        ])
        {
            Stem = [(int)(32 * factor), (int)(32 * factor), (int)(64 * factor)],
            StemPool = ByobPool.Average,
            Shortcut = ByobShortcut.Average,
            AveragesStride = true,
            Head = side > 0 ? ByobHead.Attention : ByobHead.Linear,
            ImageSize = side > 0 ? side : null,
        };
    }

    private static IEnumerable<Row> ClipRows()
    {
        (string Name, int[] Depths, double Factor, int Side, int Outputs, string[] Tags)[] rows =
        [
            ("resnet50", [3, 4, 6, 3], 1, 224, 1024, ["openai", "cc12m", "yfcc15m"]),
            ("resnet101", [3, 4, 23, 3], 1, 224, 512, ["openai", "yfcc15m"]),
            ("resnet50x4", [4, 6, 10, 6], 1.25, 288, 640, ["openai"]),
            ("resnet50x16", [6, 8, 18, 8], 1.5, 384, 768, ["openai"]),
            ("resnet50x64", [3, 15, 36, 10], 2, 448, 1024, ["openai"]),
        ];
        foreach (var row in rows)
        {
            var config = s_clip.At(row.Side) with { NumClasses = row.Outputs, FixedInputSize = true };
            yield return new($"{row.Name}_clip", Clip(row.Depths, row.Factor, row.Side), row.Tags.Select(t => (t, config)));
        }
        foreach (var row in rows)
        {
            var config = s_clip.At(row.Side) with { NumClasses = 0 };
            yield return new($"{row.Name}_clip_gap", Clip(row.Depths, row.Factor, 0), row.Tags.Select(t => (t, config)));
        }
    }

    /// <summary>A variant.</summary>
    internal sealed record Row(string Name, ByobSpec Spec, IEnumerable<(string Tag, PretrainedConfig Config)> Tags);
}
