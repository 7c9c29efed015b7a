using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="EfficientNet"/>: a variant a row, with the weights published for it, the default first. Facts as in timm's registry.</summary>
internal static class EfficientNetVariants
{
    private static readonly PretrainedConfig s_apache = new() { License = "apache-2.0" };

    public static Family Family() => new(
        "efficientnet",
        "Tan, Le: EfficientNet: rethinking model scaling for convolutional neural networks, ICML 2019, arXiv:1905.11946",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "efficientnet", r.Tags, "classifier", "conv_stem", options => new EfficientNet(r.Spec, options)))],
        Aliases())
    {
        Idea = "Depth, width and image size are scaled together by one coefficient from a small network that was found by search. Its blocks are inverted residuals: expand, filter each channel on its own, squeeze and excite, project; later versions fuse the first steps where the map is large.",
    };

    // ---------------------------------------------------------------- designs

    private static MobileSpec MnasA1(double width) => new(
        "ds_r1_k3_s1_e1_c16_noskip", "ir_r2_k3_s2_e6_c24", "ir_r3_k5_s2_e3_c40_se0.25", "ir_r4_k3_s2_e6_c80", "ir_r2_k3_s1_e6_c112_se0.25",
        "ir_r3_k5_s2_e6_c160_se0.25", "ir_r1_k3_s1_e6_c320") { Width = width };

    private static MobileSpec MnasB1(double width) => new(
        "ds_r1_k3_s1_c16_noskip", "ir_r3_k3_s2_e3_c24", "ir_r3_k5_s2_e3_c40", "ir_r3_k5_s2_e6_c80", "ir_r2_k3_s1_e6_c96",
        "ir_r4_k5_s2_e6_c192", "ir_r1_k3_s1_e6_c320_noskip") { Width = width };

    private static MobileSpec MnasSmall() => new(
        "ds_r1_k3_s1_c8", "ir_r1_k3_s2_e3_c16", "ir_r2_k3_s2_e6_c16", "ir_r4_k5_s2_e6_c32_se0.25", "ir_r3_k3_s1_e6_c32_se0.25",
        "ir_r3_k5_s2_e6_c88_se0.25", "ir_r1_k3_s1_e6_c144") { StemWidth = 8 };

    private static MobileSpec MobileV1(double width, bool hasHead = false)
    {
        var spec = new MobileSpec("dsa_r1_k3_s1_c64", "dsa_r2_k3_s2_c128", "dsa_r2_k3_s2_c256", "dsa_r6_k3_s2_c512", "dsa_r2_k3_s2_c1024") { Width = width };
        return spec.Act(ActivationKind.Relu6) with { HeadWidth = hasHead ? Math.Max(1024, spec.Round(1024)) : 0 };
    }

    private static MobileSpec MobileV2(double width, double depth = 1, bool fixesEnds = false)
    {
        var spec = new MobileSpec(
            "ds_r1_k3_s1_c16", "ir_r2_k3_s2_e6_c24", "ir_r3_k3_s2_e6_c32", "ir_r4_k3_s2_e6_c64", "ir_r3_k3_s1_e6_c96", "ir_r3_k3_s2_e6_c160",
            "ir_r1_k3_s1_e6_c320") { Width = width, Depth = depth, FixesStem = fixesEnds, FixesEnds = fixesEnds };
        return spec.Act(ActivationKind.Relu6) with { HeadWidth = fixesEnds ? 1280 : Math.Max(1280, spec.Round(1280)) };
    }

    private static MobileSpec FbnetC() => new(
        "ir_r1_k3_s1_e1_c16", "ir_r1_k3_s2_e6_c24 ir_r2_k3_s1_e1_c24", "ir_r1_k5_s2_e6_c32 ir_r1_k5_s1_e3_c32 ir_r1_k5_s1_e6_c32 ir_r1_k3_s1_e6_c32",
        "ir_r1_k5_s2_e6_c64 ir_r1_k5_s1_e3_c64 ir_r2_k5_s1_e6_c64", "ir_r3_k5_s1_e6_c112 ir_r1_k5_s1_e3_c112", "ir_r4_k5_s2_e6_c184",
        "ir_r1_k3_s1_e6_c352") { StemWidth = 16, HeadWidth = 1984 };

    private static MobileSpec Spnas() => new(
        "ds_r1_k3_s1_c16_noskip", "ir_r3_k3_s2_e3_c24", "ir_r1_k5_s2_e6_c40 ir_r3_k3_s1_e3_c40", "ir_r1_k5_s2_e6_c80 ir_r3_k3_s1_e3_c80",
        "ir_r1_k5_s1_e6_c96 ir_r3_k5_s1_e3_c96", "ir_r4_k5_s2_e6_c192", "ir_r1_k3_s1_e6_c320_noskip");

    private static MobileSpec B(double width, double depth, int divisor = 8) => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_se0.25", "ir_r2_k3_s2_e6_c24_se0.25", "ir_r2_k5_s2_e6_c40_se0.25", "ir_r3_k3_s2_e6_c80_se0.25",
        "ir_r3_k5_s1_e6_c112_se0.25", "ir_r4_k5_s2_e6_c192_se0.25", "ir_r1_k3_s1_e6_c320_se0.25") { Width = width, Depth = depth, Divisor = divisor }
        .Act(ActivationKind.Silu).ScalesHead(1280);

    private static MobileSpec CondConv(double depth, int experts) => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_se0.25", "ir_r2_k3_s2_e6_c24_se0.25", "ir_r2_k5_s2_e6_c40_se0.25", "ir_r3_k3_s2_e6_c80_se0.25",
        "ir_r3_k5_s1_e6_c112_se0.25_cc4", "ir_r4_k5_s2_e6_c192_se0.25_cc4", "ir_r1_k3_s1_e6_c320_se0.25_cc4") { Depth = depth, ExpertsFactor = experts }
        .Act(ActivationKind.Silu);

    private static MobileSpec Tiny(double width, double depth)
    {
        var spec = B(width, depth) with { FixesStem = true, RoundsDepth = true };
        return spec with { HeadWidth = Math.Max(1280, spec.Round(1280)) };
    }

    // The stem's width is given to the first block, which would expand from the narrower one.
    private static MobileSpec Edge(double width, double depth) => new MobileSpec(
        "er_r1_k3_s1_e4_c24_fc24_noskip", "er_r2_k3_s2_e8_c32", "er_r4_k3_s2_e8_c48", "ir_r5_k5_s2_e8_c96", "ir_r4_k5_s1_e8_c144",
        "ir_r2_k5_s2_e8_c192") { Width = width, Depth = depth }.ScalesHead(1280);

    private static MobileSpec Lite(double width, double depth) => new MobileSpec(
        "ds_r1_k3_s1_e1_c16", "ir_r2_k3_s2_e6_c24", "ir_r2_k5_s2_e6_c40", "ir_r3_k3_s2_e6_c80", "ir_r3_k5_s1_e6_c112", "ir_r4_k5_s2_e6_c192",
        "ir_r1_k3_s1_e6_c320") { Width = width, Depth = depth, FixesEnds = true, FixesStem = true }.Act(ActivationKind.Relu6);

    private static MobileSpec V2Base(double width, double depth) => new MobileSpec(
        "cn_r1_k3_s1_e1_c16_skip", "er_r2_k3_s2_e4_c32", "er_r2_k3_s2_e4_c48", "ir_r3_k3_s2_e4_c96_se0.25", "ir_r5_k3_s1_e6_c112_se0.25",
        "ir_r8_k3_s2_e6_c192_se0.25") { Width = width, Depth = depth, RoundingLimit = 0 }.Act(ActivationKind.Silu).ScalesHead(1280);

    private static MobileSpec V2Small(double width = 1, double depth = 1) => new MobileSpec(
        "cn_r2_k3_s1_e1_c24_skip", "er_r4_k3_s2_e4_c48", "er_r4_k3_s2_e4_c64", "ir_r6_k3_s2_e4_c128_se0.25", "ir_r9_k3_s1_e6_c160_se0.25",
        "ir_r15_k3_s2_e6_c256_se0.25") { Width = width, Depth = depth, StemWidth = 24 }.Act(ActivationKind.Silu).ScalesHead(1280);

    // Made after a figure of the paper, before its code was published.
    private static MobileSpec V2Rw(double width) => new MobileSpec(
        "er_r2_k3_s1_e1_c24", "er_r4_k3_s2_e4_c48", "er_r4_k3_s2_e4_c64", "ir_r6_k3_s2_e4_c128_se0.25", "ir_r9_k3_s1_e6_c160_se0.25",
        "ir_r15_k3_s2_e6_c272_se0.25") { Width = width, StemWidth = 24 }.Act(ActivationKind.Silu).ScalesHead(1792);

    private static MobileSpec V2Medium() => new MobileSpec(
        "cn_r3_k3_s1_e1_c24_skip", "er_r5_k3_s2_e4_c48", "er_r5_k3_s2_e4_c80", "ir_r7_k3_s2_e4_c160_se0.25", "ir_r14_k3_s1_e6_c176_se0.25",
        "ir_r18_k3_s2_e6_c304_se0.25", "ir_r5_k3_s1_e6_c512_se0.25") { StemWidth = 24 }.Act(ActivationKind.Silu);

    private static MobileSpec V2Large() => new MobileSpec(
        "cn_r4_k3_s1_e1_c32_skip", "er_r7_k3_s2_e4_c64", "er_r7_k3_s2_e4_c96", "ir_r10_k3_s2_e4_c192_se0.25", "ir_r19_k3_s1_e6_c224_se0.25",
        "ir_r25_k3_s2_e6_c384_se0.25", "ir_r7_k3_s1_e6_c640_se0.25").Act(ActivationKind.Silu);

    private static MobileSpec V2ExtraLarge() => new MobileSpec(
        "cn_r4_k3_s1_e1_c32_skip", "er_r8_k3_s2_e4_c64", "er_r8_k3_s2_e4_c96", "ir_r16_k3_s2_e4_c192_se0.25", "ir_r24_k3_s1_e6_c256_se0.25",
        "ir_r32_k3_s2_e6_c512_se0.25", "ir_r8_k3_s1_e6_c640_se0.25").Act(ActivationKind.Silu);

    private static MobileSpec X(double width, double depth, int expansion = 6) => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_se0.25_d1", $"er_r2_k3_s2_e{expansion}_c24_se0.25_nre", $"er_r2_k5_s2_e{expansion}_c40_se0.25_nre",
        $"ir_r3_k3_s2_e{expansion}_c80_se0.25", "ir_r3_k5_s1_e6_c112_se0.25", "ir_r4_k5_s2_e6_c192_se0.25",
        "ir_r1_k3_s1_e6_c320_se0.25") { Width = width, Depth = depth }.Act(ActivationKind.Silu).ScalesHead(1280);

    private static MobileSpec MixSmall() => new(
        "ds_r1_k3_s1_e1_c16",
        "ir_r1_k3_a1.1_p1.1_s2_e6_c24 ir_r1_k3_a1.1_p1.1_s1_e3_c24",
        "ir_r1_k3.5.7_s2_e6_c40_se0.5_nsw ir_r3_k3.5_a1.1_p1.1_s1_e6_c40_se0.5_nsw",
        "ir_r1_k3.5.7_p1.1_s2_e6_c80_se0.25_nsw ir_r2_k3.5_p1.1_s1_e6_c80_se0.25_nsw",
        "ir_r1_k3.5.7_a1.1_p1.1_s1_e6_c120_se0.5_nsw ir_r2_k3.5.7.9_a1.1_p1.1_s1_e3_c120_se0.5_nsw",
        "ir_r1_k3.5.7.9.11_s2_e6_c200_se0.5_nsw ir_r2_k3.5.7.9_p1.1_s1_e6_c200_se0.5_nsw") { StemWidth = 16, HeadWidth = 1536 };

    private static MobileSpec Mix(double width, double depth = 1) => new(
        "ds_r1_k3_s1_e1_c24",
        "ir_r1_k3.5.7_a1.1_p1.1_s2_e6_c32 ir_r1_k3_a1.1_p1.1_s1_e3_c32",
        "ir_r1_k3.5.7.9_s2_e6_c40_se0.5_nsw ir_r3_k3.5_a1.1_p1.1_s1_e6_c40_se0.5_nsw",
        "ir_r1_k3.5.7_s2_e6_c80_se0.25_nsw ir_r3_k3.5.7.9_a1.1_p1.1_s1_e6_c80_se0.25_nsw",
        "ir_r1_k3_s1_e6_c120_se0.5_nsw ir_r3_k3.5.7.9_a1.1_p1.1_s1_e3_c120_se0.5_nsw",
        "ir_r1_k3.5.7.9_s2_e6_c200_se0.5_nsw ir_r3_k3.5.7.9_p1.1_s1_e6_c200_se0.5_nsw")
    { Width = width, Depth = depth, RoundsDepth = true, StemWidth = 24, HeadWidth = 1536 };

    private static MobileSpec MobileEdge() => new(
        "cn_r1_k1_s1_c16", "er_r1_k3_s2_e8_c32 er_r3_k3_s1_e4_c32", "er_r1_k3_s2_e8_c48 er_r3_k3_s1_e4_c48", "ir_r1_k3_s2_e8_c96 ir_r3_k3_s1_e4_c96",
        "ir_r1_k3_s1_e8_c96_noskip ir_r3_k3_s1_e4_c96", "ir_r1_k5_s2_e8_c160 ir_r3_k5_s1_e4_c160", "ir_r1_k3_s1_e8_c192");

    private static MobileSpec MobileEdgeV2(int group, params int[] c) => new(
        $"cn_r1_k1_s1_c{c[0]}",
        $"er_r1_k3_s2_e8_c{c[1]} er_r1_k3_s1_e4_gs{group}_c{c[1]}",
        $"er_r1_k3_s2_e8_c{c[2]} er_r1_k3_s1_e4_gs{group}_c{c[2]} er_r1_k3_s1_e4_c{c[2]} er_r1_k3_s1_e4_gs{group}_c{c[2]}",
        $"er_r1_k3_s2_e8_c{c[3]} ir_r3_k3_s1_e4_c{c[3]}",
        $"ir_r1_k3_s1_e8_c{c[4]} ir_r3_k3_s1_e4_c{c[4]}",
        $"ir_r1_k3_s2_e8_c{c[5]} ir_r3_k3_s1_e4_c{c[5]}",
        $"ir_r1_k3_s1_e8_c{c[6]}") { StemWidth = 64, StemKernel = 5 };

    private static MobileSpec Test() => new MobileSpec(
        "cn_r1_k3_s1_e1_c16_skip", "er_r1_k3_s2_e4_c24", "er_r1_k3_s2_e4_c32", "ir_r1_k3_s2_e4_c48_se0.25", "ir_r1_k3_s2_e4_c64_se0.25")
    { RoundingLimit = 0, StemWidth = 24 }.Act(ActivationKind.Silu).ScalesHead(256);

    // ---------------------------------------------------------------- variants

    private static (string Name, MobileSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows() =>
    [
        ("mnasnet_050", MnasB1(0.5), [("untrained", s_apache)]),
        ("mnasnet_075", MnasB1(0.75), [("untrained", s_apache)]),
        ("mnasnet_100", MnasB1(1), [("rmsp_in1k", s_apache)]),
        ("mnasnet_140", MnasB1(1.4), [("untrained", s_apache)]),
        ("semnasnet_050", MnasA1(0.5), [("untrained", s_apache)]),
        ("semnasnet_075", MnasA1(0.75), [("rmsp_in1k", s_apache)]),
        ("semnasnet_100", MnasA1(1), [("rmsp_in1k", s_apache)]),
        ("semnasnet_140", MnasA1(1.4), [("untrained", s_apache)]),
        ("mnasnet_small", MnasSmall(), [("lamb_in1k", s_apache)]),
        ("mobilenetv1_100", MobileV1(1), [("ra4_e3600_r224_in1k", s_apache.Half().TestAt(256, 0.95f))]),
        ("mobilenetv1_100h", MobileV1(1, hasHead: true), [("ra4_e3600_r224_in1k", s_apache.Half().TestAt(256, 0.95f))]),
        ("mobilenetv1_125", MobileV1(1.25), [("ra4_e3600_r224_in1k", s_apache.Half().Crop(0.9f).TestAt(256, 1))]),
        ("mobilenetv2_035", MobileV2(0.35), [("untrained", s_apache)]),
        ("mobilenetv2_050", MobileV2(0.5), [("lamb_in1k", s_apache)]),
        ("mobilenetv2_075", MobileV2(0.75), [("untrained", s_apache)]),
        ("mobilenetv2_100", MobileV2(1), [("ra_in1k", s_apache)]),
        ("mobilenetv2_110d", MobileV2(1.1, 1.2, fixesEnds: true), [("ra_in1k", s_apache)]),
        ("mobilenetv2_120d", MobileV2(1.2, 1.4, fixesEnds: true), [("ra_in1k", s_apache)]),
        ("mobilenetv2_140", MobileV2(1.4), [("ra_in1k", s_apache)]),
        ("fbnetc_100", FbnetC(), [("rmsp_in1k", s_apache.Bilinear() with { BnEps = 1e-3f })]),
        ("spnasnet_100", Spnas(), [("rmsp_in1k", s_apache.Bilinear())]),
        ("efficientnet_b0", B(1, 1), [("ra_in1k", s_apache), ("ra4_e3600_r224_in1k", s_apache.Half().Crop(0.9f).TestAt(256, 1))]),
        ("efficientnet_b1", B(1, 1.1), [("ra4_e3600_r240_in1k", s_apache.At(240).Half().Crop(0.9f).TestAt(288, 1)), ("ft_in1k", s_apache.TestAt(256, 1))]),
        ("efficientnet_b2", B(1.1, 1.2), [("ra_in1k", s_apache.At(256).TestAt(288, 1))]),
        ("efficientnet_b3", B(1.2, 1.4), [("ra2_in1k", s_apache.At(288).TestAt(320, 1))]),
        ("efficientnet_b4", B(1.4, 1.8), [("ra2_in1k", s_apache.At(320).TestAt(384, 1))]),
        ("efficientnet_b5", B(1.6, 2.2), [("sw_in12k_ft_in1k", s_apache.At(448).Crop(1).Squash()), ("sw_in12k", s_apache.At(416).Crop(0.95f).Classes(11821))]),
        ("efficientnet_b6", B(1.8, 2.6), [("untrained", s_apache.At(528).Crop(0.942f))]),
        ("efficientnet_b7", B(2, 3.1), [("untrained", s_apache.At(600).Crop(0.949f))]),
        ("efficientnet_b8", B(2.2, 3.6), [("untrained", s_apache.At(672).Crop(0.954f))]),
        ("efficientnet_l2", B(4.3, 5.3), [("untrained", s_apache.At(800).Crop(0.961f))]),
        ("efficientnet_b0_gn", B(1, 1).GroupNormed(8), [("untrained", s_apache)]),
        ("efficientnet_b0_g8_gn", B(1, 1).GroupNormed(8) with { GroupSize = 8 }, [("untrained", s_apache)]),
        ("efficientnet_b0_g16_evos", B(1, 1, divisor: 16) with { GroupSize = 16 }, [("untrained", s_apache)]),
        ("efficientnet_b3_gn", B(1.2, 1.4, divisor: 16).GroupNormed(16), [("untrained", s_apache.At(288).Crop(1).TestAt(320, null))]),
        ("efficientnet_b3_g8_gn", B(1.2, 1.4, divisor: 16).GroupNormed(16) with { GroupSize = 8 }, [("untrained", s_apache.At(288).Crop(1).TestAt(320, null))]),
        ("efficientnet_blur_b0", B(1, 1).Styled(s => s with { AntiAliasing = AntiAliasing.BlurZeros }), [("untrained", s_apache)]),
        ("efficientnet_h_b5", X(1.92, 2.2, expansion: 4), [("sw_r448_e450_in1k", s_apache.At(448).Crop(1).Squash().TestAt(576, null))]),
        ("efficientnet_x_b3", X(1.2, 1.4), [("untrained", s_apache.At(288).Crop(0.95f))]),
        ("efficientnet_x_b5", X(1.6, 2.2), [("sw_r448_e450_in1k", s_apache.At(448).Crop(1).Squash().TestAt(576, null))]),
        ("efficientnet_es", Edge(1, 1), [("ra_in1k", s_apache)]),
        ("efficientnet_em", Edge(1, 1.1), [("ra2_in1k", s_apache.At(240).Crop(0.882f))]),
        ("efficientnet_el", Edge(1.2, 1.4), [("ra_in1k", s_apache.At(300).Crop(0.904f))]),
        ("efficientnet_es_pruned", Edge(1, 1), [("in1k", s_apache)]),
        ("efficientnet_el_pruned", Edge(1.2, 1.4), [("in1k", s_apache.At(300).Crop(0.904f))]),
        ("efficientnet_cc_b0_4e", CondConv(1, 1), [("untrained", s_apache)]),
        ("efficientnet_cc_b0_8e", CondConv(1, 2), [("untrained", s_apache)]),
        ("efficientnet_cc_b1_8e", CondConv(1.1, 2), [("untrained", s_apache.At(240).Crop(0.882f))]),
        ("efficientnet_lite0", Lite(1, 1), [("ra_in1k", s_apache)]),
        ("efficientnet_lite1", Lite(1, 1.1), [("untrained", s_apache.At(240).Crop(0.882f))]),
        ("efficientnet_lite2", Lite(1.1, 1.2), [("untrained", s_apache.At(260).Crop(0.89f))]),
        ("efficientnet_lite3", Lite(1.2, 1.4), [("untrained", s_apache.At(300).Crop(0.904f))]),
        ("efficientnet_lite4", Lite(1.4, 1.8), [("untrained", s_apache.At(380).Crop(0.922f))]),
        ("efficientnet_b1_pruned", B(1, 1.1).Tf() with { Pruned = PrunedEfficientNets.B1 }, [("in1k", s_apache.At(240).Half().Crop(0.882f))]),
        ("efficientnet_b2_pruned", B(1.1, 1.2).Tf() with { Pruned = PrunedEfficientNets.B2 }, [("in1k", s_apache.At(260).Half().Crop(0.89f))]),
        ("efficientnet_b3_pruned", B(1.2, 1.4).Tf() with { Pruned = PrunedEfficientNets.B3 }, [("in1k", s_apache.At(300).Half().Crop(0.904f))]),
        ("efficientnetv2_rw_t", V2Small(0.8, 0.9), [("ra2_in1k", s_apache.Crop(1).TestAt(288, null))]),
        ("gc_efficientnetv2_rw_t", V2Small(0.8, 0.9).Styled(s => s with { Attention = MobileAttention.GlobalContext }),
        [
            ("agc_in1k", s_apache.Crop(1).TestAt(288, null)),
        ]),
        ("efficientnetv2_rw_s", V2Rw(1), [("ra2_in1k", s_apache.At(288).Crop(1).TestAt(384, null))]),
        ("efficientnetv2_rw_m", V2Rw(1.2) with { Depths = [1.2, 1.2, 1.2, 1.2, 1.6, 1.6] }, [("agc_in1k", s_apache.At(320).Crop(1).TestAt(416, null))]),
        ("efficientnetv2_s", V2Small(), [("untrained", s_apache.At(288).Crop(1).TestAt(384, null))]),
        ("efficientnetv2_m", V2Medium(), [("untrained", s_apache.At(320).Crop(1).TestAt(416, null))]),
        ("efficientnetv2_l", V2Large(), [("untrained", s_apache.At(384).Crop(1).TestAt(480, null))]),
        ("efficientnetv2_xl", V2ExtraLarge(), [("untrained", s_apache.At(384).Crop(1).TestAt(512, null))]),
        ("tf_efficientnet_b0", B(1, 1).Tf(), [("ns_jft_in1k", s_apache), ("ap_in1k", s_apache.Half()), ("aa_in1k", s_apache), ("in1k", s_apache)]),
        ("tf_efficientnet_b1", B(1, 1.1).Tf(),
        [
            ("ns_jft_in1k", s_apache.At(240).Crop(0.882f)), ("ap_in1k", s_apache.At(240).Half().Crop(0.882f)), ("aa_in1k", s_apache.At(240).Crop(0.882f)),
            ("in1k", s_apache.At(240).Crop(0.882f)),
        ]),
        ("tf_efficientnet_b2", B(1.1, 1.2).Tf(),
        [
            ("ns_jft_in1k", s_apache.At(260).Crop(0.89f)), ("ap_in1k", s_apache.At(260).Half().Crop(0.89f)), ("aa_in1k", s_apache.At(260).Crop(0.89f)),
            ("in1k", s_apache.At(260).Crop(0.89f)),
        ]),
        ("tf_efficientnet_b3", B(1.2, 1.4).Tf(),
        [
            ("ns_jft_in1k", s_apache.At(300).Crop(0.904f)), ("ap_in1k", s_apache.At(300).Half().Crop(0.904f)), ("aa_in1k", s_apache.At(300).Crop(0.904f)),
            ("in1k", s_apache.At(300).Crop(0.904f)),
        ]),
        ("tf_efficientnet_b4", B(1.4, 1.8).Tf(),
        [
            ("ns_jft_in1k", s_apache.At(380).Crop(0.922f)), ("ap_in1k", s_apache.At(380).Half().Crop(0.922f)), ("aa_in1k", s_apache.At(380).Crop(0.922f)),
            ("in1k", s_apache.At(380).Crop(0.922f)),
        ]),
        ("tf_efficientnet_b5", B(1.6, 2.2).Tf(),
        [
            ("ns_jft_in1k", s_apache.At(456).Crop(0.934f)), ("ap_in1k", s_apache.At(456).Half().Crop(0.934f)), ("ra_in1k", s_apache.At(456).Crop(0.934f)),
            ("aa_in1k", s_apache.At(456).Crop(0.934f)), ("in1k", s_apache.At(456).Crop(0.934f)),
        ]),
        ("tf_efficientnet_b6", B(1.8, 2.6).Tf(),
        [
            ("ns_jft_in1k", s_apache.At(528).Crop(0.942f)), ("ap_in1k", s_apache.At(528).Half().Crop(0.942f)), ("aa_in1k", s_apache.At(528).Crop(0.942f)),
        ]),
        ("tf_efficientnet_b7", B(2, 3.1).Tf(),
        [
            ("ns_jft_in1k", s_apache.At(600).Crop(0.949f)), ("ap_in1k", s_apache.At(600).Half().Crop(0.949f)), ("ra_in1k", s_apache.At(600).Crop(0.949f)),
            ("aa_in1k", s_apache.At(600).Crop(0.949f)),
        ]),
        ("tf_efficientnet_l2", B(4.3, 5.3).Tf(), [("ns_jft_in1k_475", s_apache.At(475).Crop(0.936f)), ("ns_jft_in1k", s_apache.At(800).Crop(0.96f))]),
        ("tf_efficientnet_b8", B(2.2, 3.6).Tf(), [("ap_in1k", s_apache.At(672).Half().Crop(0.954f)), ("ra_in1k", s_apache.At(672).Crop(0.954f))]),
        ("tf_efficientnet_es", Edge(1, 1).Tf(), [("in1k", s_apache.Half())]),
        ("tf_efficientnet_em", Edge(1, 1.1).Tf(), [("in1k", s_apache.At(240).Half().Crop(0.882f))]),
        ("tf_efficientnet_el", Edge(1.2, 1.4).Tf(), [("in1k", s_apache.At(300).Half().Crop(0.904f))]),
        ("tf_efficientnet_cc_b0_4e", CondConv(1, 1).Tf(), [("in1k", s_apache.Half())]),
        ("tf_efficientnet_cc_b0_8e", CondConv(1, 2).Tf(), [("in1k", s_apache.Half())]),
        ("tf_efficientnet_cc_b1_8e", CondConv(1.1, 2).Tf(), [("in1k", s_apache.At(240).Half().Crop(0.882f))]),
        ("tf_efficientnet_lite0", Lite(1, 1).Tf(), [("in1k", s_apache.Half())]),
        ("tf_efficientnet_lite1", Lite(1, 1.1).Tf(), [("in1k", s_apache.At(240).Half().Crop(0.882f))]),
        ("tf_efficientnet_lite2", Lite(1.1, 1.2).Tf(), [("in1k", s_apache.At(260).Half().Crop(0.89f))]),
        ("tf_efficientnet_lite3", Lite(1.2, 1.4).Tf(), [("in1k", s_apache.At(300).Half().Bilinear().Crop(0.904f))]),
        ("tf_efficientnet_lite4", Lite(1.4, 1.8).Tf(), [("in1k", s_apache.At(380).Half().Bilinear().Crop(0.92f))]),
        ("tf_efficientnetv2_s", V2Small().Tf(),
        [
            ("in21k_ft_in1k", s_apache.At(300).Half().Crop(1).TestAt(384, null)), ("in1k", s_apache.At(300).Half().Crop(1).TestAt(384, null)),
            ("in21k", s_apache.At(300).Half().Crop(1).Classes(21843).TestAt(384, null)),
        ]),
        ("tf_efficientnetv2_m", V2Medium().Tf(),
        [
            ("in21k_ft_in1k", s_apache.At(384).Half().Crop(1).Squash().TestAt(480, null)), ("in1k", s_apache.At(384).Half().Crop(1).Squash().TestAt(480, null)),
            ("in21k", s_apache.At(384).Half().Crop(1).Squash().Classes(21843).TestAt(480, null)),
        ]),
        ("tf_efficientnetv2_l", V2Large().Tf(),
        [
            ("in21k_ft_in1k", s_apache.At(384).Half().Crop(1).Squash().TestAt(480, null)), ("in1k", s_apache.At(384).Half().Crop(1).Squash().TestAt(480, null)),
            ("in21k", s_apache.At(384).Half().Crop(1).Squash().Classes(21843).TestAt(480, null)),
        ]),
        ("tf_efficientnetv2_xl", V2ExtraLarge().Tf(),
        [
            ("in21k_ft_in1k", s_apache.At(384).Half().Crop(1).Squash().TestAt(512, null)),
            ("in21k", s_apache.At(384).Half().Crop(1).Squash().Classes(21843).TestAt(512, null)),
        ]),
        ("tf_efficientnetv2_b0", V2Base(1, 1).Tf(), [("in1k", s_apache.At(192).TestAt(224, null))]),
        ("tf_efficientnetv2_b1", V2Base(1, 1.1).Tf(), [("in1k", s_apache.At(192).Crop(0.882f).TestAt(240, null))]),
        ("tf_efficientnetv2_b2", V2Base(1.1, 1.2).Tf(), [("in1k", s_apache.At(208).Crop(0.89f).TestAt(260, null))]),
        ("tf_efficientnetv2_b3", V2Base(1.2, 1.4).Tf(),
        [
            ("in21k_ft_in1k", s_apache.At(240).Half().Crop(0.9f).Squash().TestAt(300, null)), ("in1k", s_apache.At(240).Crop(0.904f).TestAt(300, null)),
            ("in21k", s_apache.At(240).Half().Crop(0.904f).Classes(21843).TestAt(300, null)),
        ]),
        ("mixnet_s", MixSmall(), [("ft_in1k", s_apache)]),
        ("mixnet_m", Mix(1), [("ft_in1k", s_apache)]),
        ("mixnet_l", Mix(1.3), [("ft_in1k", s_apache)]),
        ("mixnet_xl", Mix(1.6, 1.2), [("ra_in1k", s_apache)]),
        ("mixnet_xxl", Mix(2.4, 1.3), [("untrained", s_apache)]),
        ("tf_mixnet_s", MixSmall().Tf(), [("in1k", s_apache)]),
        ("tf_mixnet_m", Mix(1).Tf(), [("in1k", s_apache)]),
        ("tf_mixnet_l", Mix(1.3).Tf(), [("in1k", s_apache)]),
        ("tinynet_a", Tiny(1, 1.2), [("in1k", s_apache.At(192))]),
        ("tinynet_b", Tiny(0.75, 1.1), [("in1k", s_apache.At(188))]),
        ("tinynet_c", Tiny(0.54, 0.85), [("in1k", s_apache.At(184))]),
        ("tinynet_d", Tiny(0.54, 0.695), [("in1k", s_apache.At(152))]),
        ("tinynet_e", Tiny(0.51, 0.6), [("in1k", s_apache.At(106))]),
        ("mobilenet_edgetpu_100", MobileEdge(), [("untrained", s_apache.Crop(0.9f))]),
        ("mobilenet_edgetpu_v2_xs", MobileEdgeV2(64, 16, 32, 48, 96, 144, 160, 192) with { StemWidth = 32, StemKernel = 3 },
        [
            ("untrained", s_apache.Crop(0.9f)),
        ]),
        ("mobilenet_edgetpu_v2_s", MobileEdgeV2(64, 24, 48, 64, 128, 160, 192, 256), [("untrained", s_apache.Crop(0.9f))]),
        ("mobilenet_edgetpu_v2_m", MobileEdgeV2(64, 32, 64, 80, 160, 192, 240, 320) with { HeadWidth = 1344 },
        [
            ("ra4_e3600_r224_in1k", s_apache.Half().Crop(0.9f).TestAt(256, 0.95f)),
        ]),
        ("mobilenet_edgetpu_v2_l", MobileEdgeV2(128, 32, 64, 96, 192, 240, 256, 384) with { StemKernel = 7, HeadWidth = 1408 },
        [
            ("untrained", s_apache.Crop(0.9f)),
        ]),
        ("test_efficientnet", Test(), [("r160_in1k", s_apache.At(160).Crop(0.95f))]),
        ("test_efficientnet_ln", Test().Styled(s => s with { Norm = MobileNorm.Layer }), [("r160_in1k", s_apache.At(160).Crop(0.95f))]),
        ("test_efficientnet_gn", Test().GroupNormed(8), [("r160_in1k", s_apache.At(160).Half().Crop(0.95f))]),
        ("test_efficientnet_evos", Test().Styled(s => s with { Norm = MobileNorm.Evo, NormGroup = 8 }), [("r160_in1k", s_apache.At(160).Half().Crop(0.95f))]),
    ];

    private static Dictionary<string, string> Aliases() => new()
    {
        ["tf_efficientnet_b0_ap"] = "tf_efficientnet_b0.ap_in1k",
        ["tf_efficientnet_b1_ap"] = "tf_efficientnet_b1.ap_in1k",
        ["tf_efficientnet_b2_ap"] = "tf_efficientnet_b2.ap_in1k",
        ["tf_efficientnet_b3_ap"] = "tf_efficientnet_b3.ap_in1k",
        ["tf_efficientnet_b4_ap"] = "tf_efficientnet_b4.ap_in1k",
        ["tf_efficientnet_b5_ap"] = "tf_efficientnet_b5.ap_in1k",
        ["tf_efficientnet_b6_ap"] = "tf_efficientnet_b6.ap_in1k",
        ["tf_efficientnet_b7_ap"] = "tf_efficientnet_b7.ap_in1k",
        ["tf_efficientnet_b8_ap"] = "tf_efficientnet_b8.ap_in1k",
        ["tf_efficientnet_b0_ns"] = "tf_efficientnet_b0.ns_jft_in1k",
        ["tf_efficientnet_b1_ns"] = "tf_efficientnet_b1.ns_jft_in1k",
        ["tf_efficientnet_b2_ns"] = "tf_efficientnet_b2.ns_jft_in1k",
        ["tf_efficientnet_b3_ns"] = "tf_efficientnet_b3.ns_jft_in1k",
        ["tf_efficientnet_b4_ns"] = "tf_efficientnet_b4.ns_jft_in1k",
        ["tf_efficientnet_b5_ns"] = "tf_efficientnet_b5.ns_jft_in1k",
        ["tf_efficientnet_b6_ns"] = "tf_efficientnet_b6.ns_jft_in1k",
        ["tf_efficientnet_b7_ns"] = "tf_efficientnet_b7.ns_jft_in1k",
        ["tf_efficientnet_l2_ns_475"] = "tf_efficientnet_l2.ns_jft_in1k_475",
        ["tf_efficientnet_l2_ns"] = "tf_efficientnet_l2.ns_jft_in1k",
        ["tf_efficientnetv2_s_in21ft1k"] = "tf_efficientnetv2_s.in21k_ft_in1k",
        ["tf_efficientnetv2_m_in21ft1k"] = "tf_efficientnetv2_m.in21k_ft_in1k",
        ["tf_efficientnetv2_l_in21ft1k"] = "tf_efficientnetv2_l.in21k_ft_in1k",
        ["tf_efficientnetv2_xl_in21ft1k"] = "tf_efficientnetv2_xl.in21k_ft_in1k",
        ["tf_efficientnetv2_s_in21k"] = "tf_efficientnetv2_s.in21k",
        ["tf_efficientnetv2_m_in21k"] = "tf_efficientnetv2_m.in21k",
        ["tf_efficientnetv2_l_in21k"] = "tf_efficientnetv2_l.in21k",
        ["tf_efficientnetv2_xl_in21k"] = "tf_efficientnetv2_xl.in21k",
        ["efficientnet_b2a"] = "efficientnet_b2",
        ["efficientnet_b3a"] = "efficientnet_b3",
        ["mnasnet_a1"] = "semnasnet_100",
        ["mnasnet_b1"] = "mnasnet_100",
    };
}
