using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="MobileNetV3"/>: a variant a row, with the weights published for it, the default first. Facts as in timm's registry.</summary>
internal static class MobileNetV3Variants
{
    private static readonly PretrainedConfig s_cfg = new() { License = "apache-2.0", Interpolation = "bilinear" };

    public static Family Family() => new(
        "mobilenetv3",
        "Howard et al.: Searching for MobileNetV3, ICCV 2019, arXiv:1905.02244",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "mobilenetv3", r.Tags, "classifier", "conv_stem", options => new MobileNetV3(r.Spec, options)))],
        Aliases())
    {
        Idea = "Search and hand design together choose inverted residuals, squeeze-and-excitation and hard-swish so that a phone is fast at them. The last stage is moved behind the global pool, where it costs next to nothing.",
    };

    // ---------------------------------------------------------------- designs

    // Hard swish, and gates of hard sigmoid; with a limit, widths of the attention are rounded to multiples of 8 and its inside is a ReLU.
    private static MobileSpec Hard(this MobileSpec spec) => spec.Act(ActivationKind.HardSwish)
        .Styled(s => s with { Gate = ActivationKind.HardSigmoid, AttentionOfExpanded = true });

    private static MobileSpec Hard(this MobileSpec spec, double? limit) =>
        spec.Hard().Styled(s => s with { AttentionAct = ActivationKind.Relu, AttentionRounding = limit });

    private static MobileSpec Fbnet(this MobileSpec spec, int stemWidth) => spec.Hard()
        .Styled(s => s with { AttentionOfExpanded = false, AttentionRounding = 0.95 }) with
    { StemWidth = stemWidth, HeadWidth = 1984, HasHeadBias = false, RoundingLimit = 0.95 };

    private static MobileSpec V4(this MobileSpec spec, int stemWidth, float? layerScale = null) => spec.Styled(s => s with { LayerScale = layerScale }) with
    { StemWidth = stemWidth, FixesStem = spec.Width < 1, HasHeadNorm = true };

    private static MobileSpec Rw() => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_nre_noskip", "ir_r1_k3_s2_e4_c24_nre ir_r1_k3_s1_e3_c24_nre", "ir_r3_k5_s2_e3_c40_se0.25_nre",
        "ir_r1_k3_s2_e6_c80 ir_r1_k3_s1_e2.5_c80 ir_r2_k3_s1_e2.3_c80", "ir_r2_k3_s1_e6_c112_se0.25", "ir_r3_k5_s2_e6_c160_se0.25", "cn_r1_k1_s1_c960")
        .Hard() with { StemWidth = 16, HasHeadBias = false };

    private static MobileSpec SmallMinimal() => new(
        "ds_r1_k3_s2_e1_c16", "ir_r1_k3_s2_e4.5_c24 ir_r1_k3_s1_e3.67_c24", "ir_r1_k3_s2_e4_c40 ir_r2_k3_s1_e6_c40", "ir_r2_k3_s1_e3_c48", "ir_r3_k3_s2_e6_c96",
        "cn_r1_k1_s1_c576") { StemWidth = 16, HeadWidth = 1024 };

    private static MobileSpec Small(double width) => new MobileSpec(
        "ds_r1_k3_s2_e1_c16_se0.25_nre", "ir_r1_k3_s2_e4.5_c24_nre ir_r1_k3_s1_e3.67_c24_nre", "ir_r1_k5_s2_e4_c40_se0.25 ir_r2_k5_s1_e6_c40_se0.25",
        "ir_r2_k5_s1_e3_c48_se0.25", "ir_r3_k5_s2_e6_c96_se0.25", "cn_r1_k1_s1_c576")
    { Width = width, StemWidth = 16, FixesStem = width < 0.75, HeadWidth = 1024 }.Hard(0.9);

    private static MobileSpec LargeMinimal() => new(
        "ds_r1_k3_s1_e1_c16", "ir_r1_k3_s2_e4_c24 ir_r1_k3_s1_e3_c24", "ir_r3_k3_s2_e3_c40", "ir_r1_k3_s2_e6_c80 ir_r1_k3_s1_e2.5_c80 ir_r2_k3_s1_e2.3_c80",
        "ir_r2_k3_s1_e6_c112", "ir_r3_k3_s2_e6_c160", "cn_r1_k1_s1_c960") { StemWidth = 16 };

    private static MobileSpec Large(double width, double depth = 1) => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_nre", "ir_r1_k3_s2_e4_c24_nre ir_r1_k3_s1_e3_c24_nre", "ir_r3_k5_s2_e3_c40_se0.25_nre",
        "ir_r1_k3_s2_e6_c80 ir_r1_k3_s1_e2.5_c80 ir_r2_k3_s1_e2.3_c80", "ir_r2_k3_s1_e6_c112_se0.25", "ir_r3_k5_s2_e6_c160_se0.25", "cn_r1_k1_s1_c960")
    { Width = width, Depth = depth, StemWidth = 16, FixesStem = width < 0.75 }.Hard(0.9);

    private static MobileSpec FbnetB() => new MobileSpec(
        "ds_r2_k3_s1_e1_c16", "ir_r1_k5_s2_e4_c24 ir_r3_k5_s1_e2_c24", "ir_r1_k5_s2_e5_c40_se0.25 ir_r4_k5_s1_e3_c40_se0.25",
        "ir_r1_k5_s2_e5_c72 ir_r4_k3_s1_e3_c72", "ir_r1_k3_s1_e5_c120_se0.25 ir_r5_k5_s1_e3_c120_se0.25",
        "ir_r1_k3_s2_e6_c184_se0.25 ir_r5_k5_s1_e4_c184_se0.25 ir_r1_k5_s1_e6_c224_se0.25", "cn_r1_k1_s1_c1344").Fbnet(16);

    private static MobileSpec FbnetD() => new MobileSpec(
        "ds_r2_k3_s1_e1_c16", "ir_r1_k3_s2_e5_c24 ir_r5_k3_s1_e2_c24", "ir_r1_k5_s2_e4_c40_se0.25 ir_r4_k3_s1_e3_c40_se0.25",
        "ir_r1_k3_s2_e5_c72 ir_r4_k3_s1_e3_c72", "ir_r1_k3_s1_e5_c128_se0.25 ir_r6_k5_s1_e3_c128_se0.25",
        "ir_r1_k3_s2_e6_c208_se0.25 ir_r5_k5_s1_e5_c208_se0.25 ir_r1_k5_s1_e6_c240_se0.25", "cn_r1_k1_s1_c1440").Fbnet(24);

    private static MobileSpec FbnetG() => new MobileSpec(
        "ds_r3_k3_s1_e1_c24", "ir_r1_k5_s2_e4_c40 ir_r4_k5_s1_e2_c40", "ir_r1_k5_s2_e4_c56_se0.25 ir_r4_k5_s1_e3_c56_se0.25",
        "ir_r1_k5_s2_e5_c104 ir_r4_k3_s1_e3_c104", "ir_r1_k3_s1_e5_c160_se0.25 ir_r8_k5_s1_e3_c160_se0.25",
        "ir_r1_k3_s2_e6_c264_se0.25 ir_r6_k5_s1_e5_c264_se0.25 ir_r2_k5_s1_e6_c288_se0.25", "cn_r1_k1_s1_c1728").Fbnet(32);

    private static MobileSpec Lc(double width) => new MobileSpec(
        "dsa_r1_k3_s1_c32", "dsa_r2_k3_s2_c64", "dsa_r2_k3_s2_c128", "dsa_r1_k3_s2_c256 dsa_r1_k5_s1_c256", "dsa_r4_k5_s1_c256", "dsa_r2_k5_s2_c512_se0.25")
    { Width = width, StemWidth = 16 }.Hard(null);

    private static MobileSpec V4HybridMedium(double width) => new MobileSpec(
        "er_r1_k3_s2_e4_c48", "uir_r1_a3_k5_s2_e4_c80 uir_r1_a3_k3_s1_e2_c80",
        "uir_r1_a3_k5_s2_e6_c160 uir_r1_a0_k0_s1_e2_c160 uir_r1_a3_k3_s1_e4_c160 uir_r1_a3_k5_s1_e4_c160 mqa_r1_k3_h4_s1_v2_d64_c160 "
            + "uir_r1_a3_k3_s1_e4_c160 mqa_r1_k3_h4_s1_v2_d64_c160 uir_r1_a3_k0_s1_e4_c160 mqa_r1_k3_h4_s1_v2_d64_c160 uir_r1_a3_k3_s1_e4_c160 "
            + "mqa_r1_k3_h4_s1_v2_d64_c160 uir_r1_a3_k0_s1_e4_c160",
        "uir_r1_a5_k5_s2_e6_c256 uir_r1_a5_k5_s1_e4_c256 uir_r2_a3_k5_s1_e4_c256 uir_r1_a0_k0_s1_e2_c256 uir_r1_a3_k5_s1_e2_c256 "
            + "uir_r1_a0_k0_s1_e2_c256 uir_r1_a0_k0_s1_e4_c256 mqa_r1_k3_h4_s1_d64_c256 uir_r1_a3_k0_s1_e4_c256 mqa_r1_k3_h4_s1_d64_c256 "
            + "uir_r1_a5_k5_s1_e4_c256 mqa_r1_k3_h4_s1_d64_c256 uir_r1_a5_k0_s1_e4_c256 mqa_r1_k3_h4_s1_d64_c256 uir_r1_a5_k0_s1_e4_c256",
        "cn_r1_k1_s1_c960") { Width = width }.V4(32, 1e-5f);

    private static MobileSpec V4HybridLarge(double width) => new MobileSpec(
        "er_r1_k3_s2_e4_c48", "uir_r1_a3_k5_s2_e4_c96 uir_r1_a3_k3_s1_e4_c96",
        "uir_r1_a3_k5_s2_e4_c192 uir_r3_a3_k3_s1_e4_c192 uir_r1_a3_k5_s1_e4_c192 uir_r2_a5_k3_s1_e4_c192 mqa_r1_k3_h8_s1_v2_d48_c192 "
            + "uir_r1_a5_k3_s1_e4_c192 mqa_r1_k3_h8_s1_v2_d48_c192 uir_r1_a5_k3_s1_e4_c192 mqa_r1_k3_h8_s1_v2_d48_c192 uir_r1_a5_k3_s1_e4_c192 "
            + "mqa_r1_k3_h8_s1_v2_d48_c192 uir_r1_a3_k0_s1_e4_c192",
        "uir_r4_a5_k5_s2_e4_c512 uir_r1_a5_k0_s1_e4_c512 uir_r1_a5_k3_s1_e4_c512 uir_r2_a5_k0_s1_e4_c512 uir_r1_a5_k3_s1_e4_c512 "
            + "uir_r1_a5_k5_s1_e4_c512 mqa_r1_k3_h8_s1_d64_c512 uir_r1_a5_k0_s1_e4_c512 mqa_r1_k3_h8_s1_d64_c512 uir_r1_a5_k0_s1_e4_c512 "
            + "mqa_r1_k3_h8_s1_d64_c512 uir_r1_a5_k0_s1_e4_c512 mqa_r1_k3_h8_s1_d64_c512 uir_r1_a5_k0_s1_e4_c512",
        "cn_r1_k1_s1_c960") { Width = width }.V4(24, 1e-5f).Act(ActivationKind.Gelu);

    private static MobileSpec V4Small(double width) => new MobileSpec(
        "cn_r1_k3_s2_e1_c32 cn_r1_k1_s1_e1_c32", "cn_r1_k3_s2_e1_c96 cn_r1_k1_s1_e1_c64",
        "uir_r1_a5_k5_s2_e3_c96 uir_r4_a0_k3_s1_e2_c96 uir_r1_a3_k0_s1_e4_c96",
        "uir_r1_a3_k3_s2_e6_c128 uir_r1_a5_k5_s1_e4_c128 uir_r1_a0_k5_s1_e4_c128 uir_r1_a0_k5_s1_e3_c128 uir_r2_a0_k3_s1_e4_c128", "cn_r1_k1_s1_c960")
    { Width = width }.V4(32);

    private static MobileSpec V4Medium() => new MobileSpec(
        "er_r1_k3_s2_e4_c48", "uir_r1_a3_k5_s2_e4_c80 uir_r1_a3_k3_s1_e2_c80",
        "uir_r1_a3_k5_s2_e6_c160 uir_r2_a3_k3_s1_e4_c160 uir_r1_a3_k5_s1_e4_c160 uir_r1_a3_k3_s1_e4_c160 uir_r1_a3_k0_s1_e4_c160 "
            + "uir_r1_a0_k0_s1_e2_c160 uir_r1_a3_k0_s1_e4_c160",
        "uir_r1_a5_k5_s2_e6_c256 uir_r1_a5_k5_s1_e4_c256 uir_r2_a3_k5_s1_e4_c256 uir_r1_a0_k0_s1_e4_c256 uir_r1_a3_k0_s1_e4_c256 "
            + "uir_r1_a3_k5_s1_e2_c256 uir_r1_a5_k5_s1_e4_c256 uir_r2_a0_k0_s1_e4_c256 uir_r1_a5_k0_s1_e2_c256",
        "cn_r1_k1_s1_c960").V4(32);

    private static MobileSpec V4Large() => new MobileSpec(
        "er_r1_k3_s2_e4_c48", "uir_r1_a3_k5_s2_e4_c96 uir_r1_a3_k3_s1_e4_c96",
        "uir_r1_a3_k5_s2_e4_c192 uir_r3_a3_k3_s1_e4_c192 uir_r1_a3_k5_s1_e4_c192 uir_r5_a5_k3_s1_e4_c192 uir_r1_a3_k0_s1_e4_c192",
        "uir_r4_a5_k5_s2_e4_c512 uir_r1_a5_k0_s1_e4_c512 uir_r1_a5_k3_s1_e4_c512 uir_r2_a5_k0_s1_e4_c512 uir_r1_a5_k3_s1_e4_c512 "
            + "uir_r1_a5_k5_s1_e4_c512 uir_r3_a5_k0_s1_e4_c512",
        "cn_r1_k1_s1_c960").V4(24);

    private static MobileSpec HardCoreA() => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_nre", "ir_r1_k5_s2_e3_c24_nre ir_r1_k5_s1_e3_c24_nre_se0.25", "ir_r1_k5_s2_e3_c40_nre ir_r1_k5_s1_e6_c40_nre_se0.25",
        "ir_r1_k5_s2_e6_c80_se0.25 ir_r1_k5_s1_e6_c80_se0.25", "ir_r1_k5_s1_e6_c112_se0.25 ir_r1_k5_s1_e6_c112_se0.25",
        "ir_r1_k5_s2_e6_c192_se0.25 ir_r1_k5_s1_e6_c192_se0.25", "cn_r1_k1_s1_c960").Hard(0.9);

    private static MobileSpec HardCoreB() => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_nre", "ir_r1_k5_s2_e3_c24_nre ir_r1_k5_s1_e3_c24_nre_se0.25 ir_r1_k3_s1_e3_c24_nre",
        "ir_r1_k5_s2_e3_c40_nre ir_r1_k5_s1_e3_c40_nre ir_r1_k5_s1_e3_c40_nre", "ir_r1_k5_s2_e3_c80 ir_r1_k5_s1_e3_c80 ir_r1_k3_s1_e3_c80 ir_r1_k3_s1_e3_c80",
        "ir_r1_k5_s1_e3_c112 ir_r1_k3_s1_e3_c112 ir_r1_k3_s1_e3_c112 ir_r1_k3_s1_e3_c112",
        "ir_r1_k5_s2_e6_c192_se0.25 ir_r1_k5_s1_e6_c192_se0.25 ir_r1_k3_s1_e3_c192_se0.25", "cn_r1_k1_s1_c960").Hard(0.9);

    private static MobileSpec HardCoreC() => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_nre", "ir_r1_k5_s2_e3_c24_nre ir_r1_k5_s1_e3_c24_nre_se0.25",
        "ir_r1_k5_s2_e3_c40_nre ir_r1_k5_s1_e3_c40_nre ir_r1_k5_s1_e3_c40_nre ir_r1_k5_s1_e3_c40_nre",
        "ir_r1_k5_s2_e4_c80 ir_r1_k5_s1_e6_c80_se0.25 ir_r1_k3_s1_e3_c80 ir_r1_k3_s1_e3_c80",
        "ir_r1_k5_s1_e6_c112_se0.25 ir_r1_k3_s1_e3_c112 ir_r1_k3_s1_e3_c112 ir_r1_k3_s1_e3_c112",
        "ir_r1_k5_s2_e6_c192_se0.25 ir_r1_k5_s1_e6_c192_se0.25 ir_r1_k3_s1_e3_c192_se0.25", "cn_r1_k1_s1_c960").Hard(0.9);

    private static MobileSpec HardCoreD() => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_nre", "ir_r1_k5_s2_e3_c24_nre_se0.25 ir_r1_k5_s1_e3_c24_nre_se0.25",
        "ir_r1_k5_s2_e3_c40_nre_se0.25 ir_r1_k5_s1_e4_c40_nre_se0.25 ir_r1_k3_s1_e3_c40_nre_se0.25",
        "ir_r1_k5_s2_e4_c80_se0.25 ir_r1_k3_s1_e3_c80_se0.25 ir_r1_k3_s1_e3_c80_se0.25 ir_r1_k3_s1_e3_c80_se0.25",
        "ir_r1_k3_s1_e4_c112_se0.25 ir_r1_k5_s1_e4_c112_se0.25 ir_r1_k3_s1_e3_c112_se0.25 ir_r1_k5_s1_e3_c112_se0.25",
        "ir_r1_k5_s2_e6_c192_se0.25 ir_r1_k5_s1_e6_c192_se0.25 ir_r1_k5_s1_e6_c192_se0.25 ir_r1_k3_s1_e6_c192_se0.25", "cn_r1_k1_s1_c960").Hard(0.9);

    private static MobileSpec HardCoreE() => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_nre", "ir_r1_k5_s2_e3_c24_nre_se0.25 ir_r1_k5_s1_e3_c24_nre_se0.25",
        "ir_r1_k5_s2_e6_c40_nre_se0.25 ir_r1_k5_s1_e4_c40_nre_se0.25 ir_r1_k5_s1_e4_c40_nre_se0.25 ir_r1_k3_s1_e3_c40_nre_se0.25",
        "ir_r1_k5_s2_e4_c80_se0.25 ir_r1_k3_s1_e6_c80_se0.25",
        "ir_r1_k5_s1_e6_c112_se0.25 ir_r1_k5_s1_e6_c112_se0.25 ir_r1_k5_s1_e6_c112_se0.25 ir_r1_k5_s1_e3_c112_se0.25",
        "ir_r1_k5_s2_e6_c192_se0.25 ir_r1_k5_s1_e6_c192_se0.25 ir_r1_k5_s1_e6_c192_se0.25 ir_r1_k3_s1_e6_c192_se0.25", "cn_r1_k1_s1_c960").Hard(0.9);

    private static MobileSpec HardCoreF() => new MobileSpec(
        "ds_r1_k3_s1_e1_c16_nre", "ir_r1_k5_s2_e3_c24_nre_se0.25 ir_r1_k5_s1_e3_c24_nre_se0.25", "ir_r1_k5_s2_e6_c40_nre_se0.25 ir_r1_k5_s1_e6_c40_nre_se0.25",
        "ir_r1_k5_s2_e6_c80_se0.25 ir_r1_k5_s1_e6_c80_se0.25 ir_r1_k3_s1_e3_c80_se0.25 ir_r1_k3_s1_e3_c80_se0.25",
        "ir_r1_k3_s1_e6_c112_se0.25 ir_r1_k5_s1_e6_c112_se0.25 ir_r1_k5_s1_e6_c112_se0.25 ir_r1_k3_s1_e3_c112_se0.25",
        "ir_r1_k5_s2_e6_c192_se0.25 ir_r1_k5_s1_e6_c192_se0.25 ir_r1_k3_s1_e6_c192_se0.25 ir_r1_k3_s1_e6_c192_se0.25", "cn_r1_k1_s1_c960").Hard(0.9);

    // ---------------------------------------------------------------- variants

    private static (string Name, MobileSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows() =>
    [
        ("mobilenetv3_large_075", Large(0.75), [("untrained", s_cfg)]),
        ("mobilenetv3_large_100", Large(1),
        [
            ("ra_in1k", s_cfg.Bicubic()), ("ra4_e3600_r224_in1k", s_cfg.Half().Bicubic().Crop(0.95f).TestAt(256, 1)), ("miil_in21k_ft_in1k", s_cfg.Raw()),
            ("miil_in21k", s_cfg.Raw().Classes(11221)),
        ]),
        ("mobilenetv3_large_150d", Large(1.5, 1.2), [("ra4_e3600_r256_in1k", s_cfg.At(256).Half().Crop(0.95f).TestAt(320, 1))]),
        ("mobilenetv3_small_050", Small(0.5), [("lamb_in1k", s_cfg.Bicubic())]),
        ("mobilenetv3_small_075", Small(0.75), [("lamb_in1k", s_cfg.Bicubic())]),
        ("mobilenetv3_small_100", Small(1), [("lamb_in1k", s_cfg.Bicubic())]),
        ("mobilenetv3_rw", Rw(), [("rmsp_in1k", s_cfg.Bicubic())]),
        ("tf_mobilenetv3_large_075", Large(0.75).Tf(), [("in1k", s_cfg.Half())]),
        ("tf_mobilenetv3_large_100", Large(1).Tf(), [("in1k", s_cfg.Half())]),
        ("tf_mobilenetv3_large_minimal_100", LargeMinimal().Tf(), [("in1k", s_cfg.Half())]),
        ("tf_mobilenetv3_small_075", Small(0.75).Tf(), [("in1k", s_cfg.Half())]),
        ("tf_mobilenetv3_small_100", Small(1).Tf(), [("in1k", s_cfg.Half())]),
        ("tf_mobilenetv3_small_minimal_100", SmallMinimal().Tf(), [("in1k", s_cfg.Half())]),
        ("fbnetv3_b", FbnetB(), [("ra2_in1k", s_cfg.Crop(0.95f).TestAt(256, null))]),
        ("fbnetv3_d", FbnetD(), [("ra2_in1k", s_cfg.Crop(0.95f).TestAt(256, null))]),
        ("fbnetv3_g", FbnetG(), [("ra2_in1k", s_cfg.At(240).Crop(0.95f).TestAt(288, null))]),
        ("lcnet_035", Lc(0.35), [("untrained", s_cfg)]),
        ("lcnet_050", Lc(0.5), [("ra2_in1k", s_cfg.Bicubic())]),
        ("lcnet_075", Lc(0.75), [("ra2_in1k", s_cfg.Bicubic())]),
        ("lcnet_100", Lc(1), [("ra2_in1k", s_cfg.Bicubic())]),
        ("lcnet_150", Lc(1.5), [("untrained", s_cfg)]),
        ("mobilenetv4_conv_small_035", V4Small(0.35), [("untrained", s_cfg.Half().Bicubic().TestAt(256, 0.95f))]),
        ("mobilenetv4_conv_small_050", V4Small(0.5), [("e3000_r224_in1k", s_cfg.Half().Bicubic().TestAt(256, 0.95f))]),
        ("mobilenetv4_conv_small", V4Small(1),
        [
            ("e2400_r224_in1k", s_cfg.Bicubic().TestAt(256, 0.95f)), ("e1200_r224_in1k", s_cfg.Bicubic().TestAt(256, 0.95f)),
            ("e3600_r256_in1k", s_cfg.At(256).Half().Bicubic().Crop(0.95f).TestAt(320, 1)),
        ]),
        ("mobilenetv4_conv_medium", V4Medium(),
        [
            ("e500_r256_in1k", s_cfg.At(256).Bicubic().Crop(0.95f).TestAt(320, 1)), ("e500_r224_in1k", s_cfg.Bicubic().Crop(0.95f).TestAt(256, 1)),
            ("e250_r384_in12k_ft_in1k", s_cfg.At(384).Bicubic().Crop(0.95f)), ("e180_r384_in12k", s_cfg.At(384).Bicubic().Crop(1).Classes(11821)),
            ("e180_ad_r384_in12k", s_cfg.At(384).Bicubic().Crop(1).Classes(11821)), ("e250_r384_in12k", s_cfg.At(384).Bicubic().Crop(1).Classes(11821)),
        ]),
        ("mobilenetv4_conv_large", V4Large(),
        [
            ("e600_r384_in1k", s_cfg.At(384).Bicubic().Crop(0.95f).TestAt(448, 1)), ("e500_r256_in1k", s_cfg.At(256).Bicubic().Crop(0.95f).TestAt(320, 1)),
        ]),
        ("mobilenetv4_hybrid_medium", V4HybridMedium(1),
        [
            ("e200_r256_in12k_ft_in1k", s_cfg.At(256).Bicubic().Crop(0.95f).TestAt(320, 1)),
            ("ix_e550_r256_in1k", s_cfg.At(256).Bicubic().Crop(0.95f).TestAt(320, 1)),
            ("ix_e550_r384_in1k", s_cfg.At(384).Bicubic().Crop(0.95f).TestAt(448, 1)), ("e500_r224_in1k", s_cfg.Bicubic().Crop(0.95f).TestAt(256, 1)),
            ("e200_r256_in12k", s_cfg.At(256).Bicubic().Crop(0.95f).Classes(11821).TestAt(320, 1)),
        ]),
        ("mobilenetv4_hybrid_large", V4HybridLarge(1),
        [
            ("ix_e600_r384_in1k", s_cfg.At(384).Bicubic().Crop(0.95f).TestAt(448, 1)), ("e600_r384_in1k", s_cfg.At(384).Bicubic().Crop(0.95f).TestAt(448, 1)),
        ]),
        ("mobilenetv4_conv_aa_medium", V4Medium().Styled(s => s with { AntiAliasing = AntiAliasing.Average }),
        [
            ("untrained", s_cfg.At(256).Bicubic().Crop(0.95f)),
        ]),
        ("mobilenetv4_conv_blur_medium", V4Medium().Styled(s => s with { AntiAliasing = AntiAliasing.BlurZeros }),
        [
            ("e500_r224_in1k", s_cfg.Bicubic().Crop(0.95f).TestAt(256, 1)),
        ]),
        ("mobilenetv4_conv_aa_large", V4Large().Styled(s => s with { AntiAliasing = AntiAliasing.Average }),
        [
            ("e230_r448_in12k_ft_in1k", s_cfg.At(448).Bicubic().Crop(0.95f).TestAt(544, 1)),
            ("e230_r384_in12k_ft_in1k", s_cfg.At(384).Bicubic().Crop(0.95f).TestAt(480, 1)),
            ("e600_r384_in1k", s_cfg.At(384).Bicubic().Crop(0.95f).TestAt(480, 1)),
            ("e230_r384_in12k", s_cfg.At(384).Bicubic().Crop(0.95f).Classes(11821).TestAt(448, 1)),
        ]),
        ("mobilenetv4_hybrid_medium_075", V4HybridMedium(0.75), [("untrained", s_cfg.Bicubic().Crop(0.95f))]),
        ("mobilenetv4_hybrid_large_075", V4HybridLarge(0.75), [("untrained", s_cfg.At(256).Bicubic().Crop(0.95f))]),
        ("hardcorenas_a", HardCoreA(), [("miil_green_in1k", s_cfg)]),
        ("hardcorenas_b", HardCoreB(), [("miil_green_in1k", s_cfg)]),
        ("hardcorenas_c", HardCoreC(), [("miil_green_in1k", s_cfg)]),
        ("hardcorenas_d", HardCoreD(), [("miil_green_in1k", s_cfg)]),
        ("hardcorenas_e", HardCoreE(), [("miil_green_in1k", s_cfg)]),
        ("hardcorenas_f", HardCoreF(), [("miil_green_in1k", s_cfg)]),
    ];

    private static Dictionary<string, string> Aliases() => new()
    {
        ["mobilenetv3_large_100_miil"] = "mobilenetv3_large_100.miil_in21k_ft_in1k",
        ["mobilenetv3_large_100_miil_in21k"] = "mobilenetv3_large_100.miil_in21k",
    };
}
