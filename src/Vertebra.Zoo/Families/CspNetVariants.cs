using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="CspNet"/>. Facts as in timm's registry.</summary>
internal static class CspNetVariants
{
    private static readonly PretrainedConfig s_base = new PretrainedConfig { Interpolation = "bilinear", CropPct = 0.887f, License = "apache-2.0" }.At(256);
    private static readonly PretrainedConfig s_bicubic = s_base with { Interpolation = "bicubic" };
    private static readonly PretrainedConfig s_c2 = s_bicubic.TestAt(288, 0.95f);
    private static readonly PretrainedConfig s_c2Full = s_bicubic.TestAt(288, 1);

    public static Family Family()
    {
        (string Name, CspSpec Spec, string Tag, PretrainedConfig Config)[] rows =
        [
            ("cspresnet50", Csp([64], 7, [128, 256, 512, 1024], new(0, 0) { Expansion = 2, BottleneckRatio = 0.5 }), "ra_in1k", s_base),
            ("cspresnet50d", Csp([32, 32, 64], 3, [128, 256, 512, 1024], new(0, 0) { Expansion = 2, BottleneckRatio = 0.5 }), "untrained", s_base),
            ("cspresnet50w", Csp([32, 32, 64], 3, [256, 512, 1024, 2048], new(0, 0) { BottleneckRatio = 0.25, BlockRatio = 0.5 }), "untrained", s_base),
            ("cspresnext50", Csp([64], 7, [256, 512, 1024, 2048], new(0, 0) { Groups = 32, BlockRatio = 0.5 }), "ra_in1k", s_base),
            ("cspdarknet53", CspDark53, "ra_in1k", s_base),
            ("darknet17", Dark(1, 1, 1, 1, 1), "untrained", s_base),
            ("darknet21", Dark(1, 1, 1, 2, 2), "untrained", s_base),
            ("sedarknet21", Dark(1, 1, 1, 2, 2).Se(), "untrained", s_base),
            ("darknet53", Dark(1, 2, 8, 8, 4), "c2ns_in1k", s_c2Full),
            ("darknetaa53", Dark(1, 2, 8, 8, 4).Averaging(), "c2ns_in1k", s_base.TestAt(288, 1)),
            ("cs3darknet_s", Cs3(0.5, 0.5), "untrained", s_bicubic),
            ("cs3darknet_m", Cs3(0.75, 0.67), "c2ns_in1k", s_c2),
            ("cs3darknet_l", Cs3(1, 1), "c2ns_in1k", s_c2),
            ("cs3darknet_x", Cs3(1.25, 1.33), "c2ns_in1k", s_c2Full with { CropPct = 0.95f }),
            ("cs3darknet_focus_s", Cs3(0.5, 0.5).Focus(), "ra4_e3600_r256_in1k",
                s_bicubic.TestAt(320, 1) with { Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half }),
            ("cs3darknet_focus_m", Cs3(0.75, 0.67).Focus(), "c2ns_in1k", s_c2),
            ("cs3darknet_focus_l", Cs3(1, 1).Focus(), "c2ns_in1k", s_c2),
            ("cs3darknet_focus_x", Cs3(1.25, 1.33).Focus(), "untrained", s_bicubic),
            ("cs3sedarknet_l", Cs3(1, 1).Se(0.25), "c2ns_in1k", s_c2),
            ("cs3sedarknet_x", Cs3(1.25, 1.33).Se(), "c2ns_in1k", s_c2Full),
            ("cs3sedarknet_xdw", CspXdw, "untrained", s_bicubic),
            ("cs3edgenet_x", Cs3(1.25, 1.33, CspBlockKind.Edge, 1.5), "c2_in1k", s_c2Full),
            ("cs3se_edgenet_x", Cs3(1.25, 1.33, CspBlockKind.Edge, 1.5).Se(0.25), "c2ns_in1k", s_bicubic.TestAt(320, 1) with { CropPct = 0.95f }),
        ];
        return new(
            "cspnet",
            "Wang, Liao, Wu, Chen, Hsieh, Yeh: CSPNet: A new backbone that can enhance learning capability of CNN, CVPRW 2020, arXiv:1911.11929",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "cspnet", [(r.Tag, r.Config)], "head.fc", "stem.conv1.conv", options => new CspNet(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Each stage splits its channels in two, and only one part passes through the blocks before both are joined again. This shortens the paths of repeated gradients and saves a good part of the arithmetic.",
        };
    }

    private static CspSpec CspDark53 { get; } = new(
        [32],
        [
            new(1, 64) { Block = CspBlockKind.Dark, Expansion = 2, BottleneckRatio = 0.5, DownGrows = true },
            .. Stages([2, 8, 8, 4], [128, 256, 512, 1024], new(0, 0) { Block = CspBlockKind.Dark, BlockRatio = 0.5, DownGrows = true }),
        ]) { StemStride = 1 };

    private static CspSpec CspXdw { get; } = new(
        [32, 64],
        [
            .. Stages([3, 6, 12, 4], [256, 512, 1024, 2048], new(0, 0) { BottleneckRatio = 0.5, BlockRatio = 0.5 })
                .Zip([1, 1, 256, 512], (stage, groups) => stage with { Groups = groups }),
        ]) { Activation = ActivationKind.Silu, Attention = new(AttentionKind.SqueezeExcite) };

    private static IEnumerable<CspStageSpec> Stages(int[] depths, int[] widths, CspStageSpec common) =>
        depths.Zip(widths, (depth, width) => common with { Depth = depth, OutChannels = width });

    private static CspSpec Csp(int[] stem, int kernel, int[] widths, CspStageSpec common) => new(
        stem,
        [.. Stages([3, 3, 5, 2], widths, common with { ExpandsLinearly = true }).Select((stage, i) => i == 0 ? stage with { Stride = 1 } : stage)])
        { StemKernel = kernel, StemStride = 4 };

    private static CspSpec Dark(params int[] depths) => new(
        [32],
        [.. Stages(depths, [64, 128, 256, 512, 1024], new(0, 0) { Kind = CspStageKind.Dark, Block = CspBlockKind.Dark, BottleneckRatio = 0.5 })]) { StemStride = 1 };

    private static CspSpec Cs3(double width, double depth, CspBlockKind block = CspBlockKind.Dark, double bottleneck = 1)
    {
        var common = new CspStageSpec(0, 0) { Kind = CspStageKind.Cross3, Block = block, BlockRatio = 0.5, BottleneckRatio = bottleneck };
        int[] depths = [.. new[] { 3, 6, 9, 3 }.Select(d => (int)(d * depth))];
        int[] widths = [.. new[] { 128, 256, 512, 1024 }.Select(w => Widths.Divisible(w * width))];
        return new([Widths.Divisible(32 * width), Widths.Divisible(64 * width)], [.. Stages(depths, widths, common)]) { Activation = ActivationKind.Silu };
    }

    // One 6x6 convolution, which sees what YOLO's focus layer rearranged.
    private static CspSpec Focus(this CspSpec spec) => spec with { Stem = [spec.Stem[^1]], StemKernel = 6, StemPadding = 2 };

    private static CspSpec Se(this CspSpec spec, double? ratio = null) => spec with { Attention = new(AttentionKind.SqueezeExcite, ratio) };

    private static CspSpec Averaging(this CspSpec spec) => spec with { Stages = [.. spec.Stages.Select(s => s with { AveragesDown = true })] };
}
