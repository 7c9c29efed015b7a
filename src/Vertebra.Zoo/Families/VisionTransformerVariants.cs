using static Vertebra.Zoo.Families.TransformerConfigs;
using static Vertebra.Zoo.Families.VitSpecs;

namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="VisionTransformer"/>: a variant a row, with the weights published for it, the default first. Facts as in timm's registry. Networks of image and text are in VisionTransformerClipVariants.cs.</summary>
internal static class VisionTransformerVariants
{
    public static Family Family() => new(
        "vit",
        "Dosovitskiy, Beyer, Kolesnikov et al.: An image is worth 16x16 words: transformers for image recognition at scale, ICLR 2021, arXiv:2010.11929",
        [.. Rows().Concat(VisionTransformerClipVariants.Rows()).Concat(VisionTransformerHybridVariants.Rows()).Select(r => VitSpecs.Row("vit", r))],
        Aliases())
    {
        Idea = "An image is cut into square patches that are embedded as tokens, and a plain transformer encoder attends between all of them at one resolution. Almost nothing in it is made for images, so it lives from pre-training on many of them; a class token or the mean of all tokens is classified.",
    };

    private static (string Name, VitSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows() =>
    [
        ("vit_tiny_patch16_224", Tiny(16), [("augreg_in21k_ft_in1k", Inception), ("augreg_in21k", Inception.Classes(21843))]),
        ("vit_tiny_patch16_384", Tiny(16), [("augreg_in21k_ft_in1k", Inception.Square(384).Crop(1))]),
        ("vit_small_patch32_224", Small(32), [("augreg_in21k_ft_in1k", Inception), ("augreg_in21k", Inception.Classes(21843))]),
        ("vit_small_patch32_384", Small(32), [("augreg_in21k_ft_in1k", Inception.Square(384).Crop(1))]),
        ("vit_small_patch16_224", Small(16),
        [
            ("augreg_in21k_ft_in1k", Inception), ("augreg_in1k", Inception), ("augreg_in21k", Inception.Classes(21843)), ("dino", ImageNet.Classes(0)),
        ]),
        ("vit_small_patch16_384", Small(16), [("augreg_in21k_ft_in1k", Inception.Square(384).Crop(1)), ("augreg_in1k", Inception.Square(384).Crop(1))]),
        ("vit_small_patch8_224", Small(8), [("dino", ImageNet.Classes(0))]),
        ("vit_base_patch32_224", Base(32),
        [
            ("augreg_in21k_ft_in1k", Inception), ("augreg_in1k", Inception), ("orig_in21k", Inception.Classes(0)), ("augreg_in21k", Inception.Classes(21843)),
            ("sam_in1k", Inception),
        ]),
        ("vit_base_patch32_384", Base(32), [("augreg_in21k_ft_in1k", Inception.Square(384).Crop(1)), ("augreg_in1k", Inception.Square(384).Crop(1))]),
        ("vit_base_patch16_224", Base(16),
        [
            ("augreg2_in21k_ft_in1k", Inception), ("augreg_in21k_ft_in1k", Inception), ("orig_in21k_ft_in1k", Inception), ("augreg_in1k", Inception),
            ("orig_in21k", Inception.Classes(0)), ("augreg_in21k", Inception.Classes(21843)), ("sam_in1k", Inception), ("dino", ImageNet.Classes(0)),
            ("mae", ImageNet.Classes(0).Licence("cc-by-nc-4.0")),
        ]),
        ("vit_base_patch16_384", Base(16),
        [
            ("augreg_in21k_ft_in1k", Inception.Square(384).Crop(1)), ("orig_in21k_ft_in1k", Inception.Square(384).Crop(1)),
            ("augreg_in1k", Inception.Square(384).Crop(1)),
        ]),
        ("vit_base_patch8_224", Base(8),
        [
            ("augreg2_in21k_ft_in1k", Inception), ("augreg_in21k_ft_in1k", Inception), ("augreg_in21k", Inception.Classes(21843)), ("dino", ImageNet.Classes(0)),
        ]),
        ("vit_large_patch32_224", Large(32), [("orig_in21k", Inception.Classes(0))]),
        ("vit_large_patch32_384", Large(32), [("orig_in21k_ft_in1k", Inception.Square(384).Crop(1))]),
        ("vit_large_patch16_224", Large(16),
        [
            ("augreg_in21k_ft_in1k", Inception), ("orig_in21k", Inception.Classes(0)), ("augreg_in21k", Inception.Classes(21843)),
            ("mae", ImageNet.Classes(0).Licence("cc-by-nc-4.0")),
        ]),
        ("vit_large_patch16_384", Large(16), [("augreg_in21k_ft_in1k", Inception.Square(384).Crop(1))]),
        ("vit_large_patch14_224", Large(14), [("untrained", Inception)]),
        ("vit_huge_patch14_224", Huge(14),
        [
            ("orig_in21k", Inception.Classes(0)), ("untrained", Inception), ("mae", ImageNet.Classes(0).Licence("cc-by-nc-4.0")),
        ]),
        ("vit_giant_patch14_224", Vit(14, 1408, 40, 16).Ratio(48.0 / 11), [("untrained", Inception)]),
        ("vit_gigantic_patch14_224", Vit(14, 1664, 48, 16).Ratio(64.0 / 13), [("untrained", Inception)]),
        ("vit_base_patch16_224_miil", Base(16).NoQkvBias(),
        [
            ("in21k", Raw.Crop(0.875f).Classes(11221).Bilinear()), ("in21k_ft_in1k", Raw.Crop(0.875f).Bilinear()),
        ]),
        ("vit_medium_patch16_gap_240", Vit(16, 512, 12, 8).Mean().NormFirst().NoQkvBias().Scale(1e-6f),
        [
            ("sw_in12k", Inception.Square(240).Crop(0.95f).Classes(11821)),
        ]),
        ("vit_medium_patch16_gap_256", Vit(16, 512, 12, 8).Mean().NormFirst().NoQkvBias().Scale(1e-6f),
        [
            ("sw_in12k_ft_in1k", Inception.Square(256).Crop(0.95f)),
        ]),
        ("vit_medium_patch16_gap_384", Vit(16, 512, 12, 8).Mean().NormFirst().NoQkvBias().Scale(1e-6f),
        [
            ("sw_in12k_ft_in1k", Inception.Square(384).Crop(0.95f).Squash()),
        ]),
        ("vit_betwixt_patch16_gap_256", Vit(16, 640, 12, 10).Mean().NormFirst().NoQkvBias().Scale(1e-6f),
        [
            ("untrained", Inception.Square(256).Crop(0.95f)),
        ]),
        ("vit_base_patch16_gap_224", Vit(16, 768, 12, 16).Mean().NormFirst(), [("untrained", Inception)]),
        ("vit_huge_patch14_gap_224", Huge(14).Mean().NormFirst(),
        [
            ("in1k_ijepa", ImageNet.Classes(0).Licence("cc-by-nc-4.0").NotOnHub()),
            ("in22k_ijepa", ImageNet.Classes(0).Licence("cc-by-nc-4.0").NotOnHub()),
        ]),
        ("vit_huge_patch16_gap_448", Huge(16).Mean().NormFirst(),
        [
            ("in1k_ijepa", ImageNet.Square(448).Crop(1).Classes(0).Licence("cc-by-nc-4.0").NotOnHub()),
        ]),
        ("vit_giant_patch16_gap_224", Vit(16, 1408, 40, 16).Mean().NormFirst().Ratio(48.0 / 11),
        [
            ("in22k_ijepa", ImageNet.Classes(0).Licence("cc-by-nc-4.0").NotOnHub()),
        ]),
        ("vit_base_patch32_plus_256", Vit(32, 896, 12, 14).Scale(1e-5f), [("untrained", Inception.Square(256).Crop(0.95f))]),
        ("vit_base_patch16_plus_240", Vit(16, 896, 12, 14).Scale(1e-5f), [("untrained", Inception.Square(240).Crop(0.95f))]),
        ("vit_base_patch16_rpn_224", Base(16).Mean().NoQkvBias().Scale(1e-5f) with { BlockKind = VitBlockKind.PostNorm }, [("sw_in1k", Inception)]),
        ("vit_small_patch16_36x1_224", Vit(16, 384, 36, 6).Scale(1e-5f), [("untrained", Inception)]),
        ("vit_small_patch16_18x2_224", Vit(16, 384, 18, 6).Scale(1e-5f) with { BlockKind = VitBlockKind.Twofold }, [("untrained", Inception)]),
        ("vit_base_patch16_18x2_224", Vit(16, 768, 18, 12).Scale(1e-5f) with { BlockKind = VitBlockKind.Twofold }, [("untrained", Inception)]),
        ("eva_large_patch14_196", Large(14) with { Pool = GlobalPool.Avg },
        [
            ("in22k_ft_in22k_in1k", Clip.Square(196).Crop(1).Licence("mit")), ("in22k_ft_in1k", Clip.Square(196).Crop(1).Licence("mit")),
        ]),
        ("eva_large_patch14_336", Large(14) with { Pool = GlobalPool.Avg },
        [
            ("in22k_ft_in22k_in1k", Clip.Square(336).Crop(1).Squash().Licence("mit")),
            ("in22k_ft_in1k", Clip.Square(336).Crop(1).Squash().Licence("mit")),
        ]),
        ("flexivit_small", Small(16).Unplaced(),
        [
            ("1200ep_in1k", Inception.Square(240).Crop(0.95f)), ("600ep_in1k", Inception.Square(240).Crop(0.95f)), ("300ep_in1k", Inception.Square(240).Crop(0.95f)),
        ]),
        ("flexivit_base", Base(16).Unplaced(),
        [
            ("1200ep_in1k", Inception.Square(240).Crop(0.95f)), ("600ep_in1k", Inception.Square(240).Crop(0.95f)), ("300ep_in1k", Inception.Square(240).Crop(0.95f)),
            ("1000ep_in21k", Inception.Square(240).Crop(0.95f).Classes(21843)), ("300ep_in21k", Inception.Square(240).Crop(0.95f).Classes(21843)),
            ("patch16_in21k", Inception.Square(240).Crop(0.95f).Classes(21843)), ("patch30_in21k", Inception.Square(240).Crop(0.95f).Classes(21843)),
        ]),
        ("flexivit_large", Large(16).Unplaced(),
        [
            ("1200ep_in1k", Inception.Square(240).Crop(0.95f)), ("600ep_in1k", Inception.Square(240).Crop(0.95f)), ("300ep_in1k", Inception.Square(240).Crop(0.95f)),
        ]),
        ("vit_base_patch16_xp_224", Base(16).Unplaced().NoQkvBias().Xp(), [("untrained", Inception)]),
        ("vit_large_patch14_xp_224", Large(14).Unplaced().NoQkvBias().Xp(), [("untrained", Inception)]),
        ("vit_huge_patch14_xp_224", Huge(14).Unplaced().NoQkvBias().Xp(), [("untrained", Inception)]),
        ("vit_small_patch14_dinov2", Small(14).Scale(1e-5f), [("lvd142m", ImageNet.Square(518).Crop(1).Classes(0))]),
        ("vit_base_patch14_dinov2", Base(14).Scale(1e-5f), [("lvd142m", ImageNet.Square(518).Crop(1).Classes(0))]),
        ("vit_large_patch14_dinov2", Large(14).Scale(1e-5f), [("lvd142m", ImageNet.Square(518).Crop(1).Classes(0))]),
        ("vit_giant_patch14_dinov2", Vit(14, 1536, 40, 24).Swish().Scale(1e-5f), [("lvd142m", ImageNet.Square(518).Crop(1).Classes(0))]),
        ("vit_small_patch14_reg4_dinov2", Small(14).Unplaced().Registers(4).Scale(1e-5f), [("lvd142m", ImageNet.Square(518).Crop(1).Classes(0))]),
        ("vit_base_patch14_reg4_dinov2", Base(14).Unplaced().Registers(4).Scale(1e-5f), [("lvd142m", ImageNet.Square(518).Crop(1).Classes(0))]),
        ("vit_large_patch14_reg4_dinov2", Large(14).Unplaced().Registers(4).Scale(1e-5f), [("lvd142m", ImageNet.Square(518).Crop(1).Classes(0))]),
        ("vit_giant_patch14_reg4_dinov2", Vit(14, 1536, 40, 24).Unplaced().Swish().Registers(4).Scale(1e-5f),
        [
            ("lvd142m", ImageNet.Square(518).Crop(1).Classes(0)),
        ]),
        ("vit_base_patch14_reg1_tipsv2", Base(14).Unplaced().Registers(1).Scale(1), [("webli", Raw.Square(448).Crop(1).Classes(0))]),
        ("vit_large_patch14_reg1_tipsv2", Large(14).Unplaced().Registers(1).Scale(1), [("webli", Raw.Square(448).Crop(1).Classes(0))]),
        ("vit_so400m_patch14_reg1_tipsv2", Vit(14, 1152, 27, 16).Unplaced().Registers(1).Scale(1).Ratio(4304.0 / 1152),
        [
            ("webli", Raw.Square(448).Crop(1).Classes(0)),
        ]),
        ("vit_giant_patch14_reg1_tipsv2", Vit(14, 1536, 40, 24).Unplaced().Swish().Registers(1).Scale(1),
        [
            ("webli", Raw.Square(448).Crop(1).Classes(0)),
        ]),
        ("vit_wee_patch16_reg1_gap_256", Vit(16, 256, 14, 4).Mean().Unplaced().Registers(1).Scale(1e-5f).Ratio(5),
        [
            ("sbb_in1k", Inception.Square(256).Crop(0.95f)),
        ]),
        ("vit_dwee_patch16_reg1_gap_256", Vit(16, 256, 14, 4).Mean().Unplaced().Registers(1).Scale(1e-5f).Ratio(5) with { IsDifferential = true },
        [
            ("sbb_nadamuon_in1k", Inception.Square(256).Crop(0.95f)), ("sbb_in1k", Inception.Square(256).Crop(0.95f)),
        ]),
        ("vit_pwee_patch16_reg1_gap_256", Vit(16, 256, 16, 4).Mean().Unplaced().Registers(1).Scale(1e-5f).Ratio(5) with { BlockKind = VitBlockKind.Joint },
        [
            ("sbb_in1k", Inception.Square(256).Crop(0.95f)),
        ]),
        ("vit_dpwee_patch16_reg1_gap_256", Vit(16, 256, 16, 4).Mean().Unplaced().Registers(1).Scale(1e-5f).Ratio(5) with { BlockKind = VitBlockKind.Joint, IsDifferential = true },
        [
            ("sbb_nadamuon_in1k", Inception.Square(256).Crop(0.95f)), ("sbb_in1k", Inception.Square(256).Crop(0.95f)),
        ]),
        ("vit_little_patch16_reg1_gap_256", Vit(16, 320, 14, 5).Mean().Unplaced().Registers(1).Scale(1e-5f).Ratio(5.6),
        [
            ("sbb_in12k_ft_in1k", Inception.Square(256).Crop(0.95f)), ("sbb_in12k", Inception.Square(256).Crop(0.95f).Classes(11821)),
        ]),
        ("vit_dlittle_patch16_reg1_gap_256", Vit(16, 320, 14, 5).Mean().Unplaced().Registers(1).Scale(1e-5f).Ratio(5.6) with { IsDifferential = true },
        [
            ("sbb_nadamuon_in1k", Inception.Square(256).Crop(0.95f)),
        ]),
        ("vit_little_patch16_reg4_gap_256", Vit(16, 320, 14, 5).Mean().Unplaced().Registers(4).Scale(1e-5f).Ratio(5.6),
        [
            ("sbb_in1k", Inception.Square(256).Crop(0.95f)),
        ]),
        ("vit_medium_patch16_reg1_gap_256", Vit(16, 512, 12, 8).Mean().Unplaced().Registers(1).Scale(1e-5f),
        [
            ("sbb_in1k", Inception.Square(256).Crop(0.95f)),
        ]),
        ("vit_medium_patch16_reg4_gap_256", Vit(16, 512, 12, 8).Mean().Unplaced().Registers(4).Scale(1e-5f),
        [
            ("sbb_in12k_ft_in1k", Inception.Square(256).Crop(0.95f)), ("sbb_in1k", Inception.Square(256).Crop(0.95f)),
            ("sbb_in12k", Inception.Square(256).Crop(0.95f).Classes(11821)),
        ]),
        ("vit_mediumd_patch16_reg4_gap_256", Vit(16, 512, 20, 8).Mean().Unplaced().Registers(4).Scale(1e-5f),
        [
            ("sbb2_e200_in12k_ft_in1k", Inception.Square(256).Crop(0.95f)), ("sbb_in12k_ft_in1k", Inception.Square(256).Crop(0.95f)),
            ("sbb2_e200_in12k", Inception.Square(256).Crop(0.95f).Classes(11821)), ("sbb_in12k", Inception.Square(256).Crop(0.95f).Classes(11821)),
        ]),
        ("vit_mediumd_patch16_reg4_gap_384", Vit(16, 512, 20, 8).Mean().Unplaced().Registers(4).Scale(1e-5f),
        [
            ("sbb2_e200_in12k_ft_in1k", Inception.Square(384).Crop(1)),
        ]),
        ("vit_betwixt_patch16_reg1_gap_256", Vit(16, 640, 12, 10).Mean().Unplaced().Registers(1).Scale(1e-5f),
        [
            ("sbb_in1k", Inception.Square(256).Crop(0.95f)),
        ]),
        ("vit_betwixt_patch16_reg4_gap_256", Vit(16, 640, 12, 10).Mean().Unplaced().Registers(4).Scale(1e-5f),
        [
            ("sbb2_e200_in12k_ft_in1k", Inception.Square(256).Crop(0.95f)), ("sbb_in12k_ft_in1k", Inception.Square(256).Crop(0.95f)),
            ("sbb_in1k", Inception.Square(256).Crop(0.95f)), ("sbb2_e200_in12k", Inception.Square(256).Crop(0.95f).Classes(11821)),
            ("sbb_in12k", Inception.Square(256).Crop(0.95f).Classes(11821)),
        ]),
        ("vit_betwixt_patch16_reg4_gap_384", Vit(16, 640, 12, 10).Mean().Unplaced().Registers(4).Scale(1e-5f),
        [
            ("sbb2_e200_in12k_ft_in1k", Inception.Square(384).Crop(1)),
        ]),
        ("vit_base_patch16_reg4_gap_256", Base(16).Mean().Unplaced().Registers(4), [("untrained", Inception.Square(256))]),
        ("vit_so150m_patch16_reg4_map_256", Vit(16, 896, 18, 14).Map().Registers(4).Ratio(2.572), [("untrained", Inception.Square(256))]),
        ("vit_so150m_patch16_reg4_gap_256", Vit(16, 896, 18, 14).Mean().NormFirst().Registers(4).Ratio(2.572),
        [
            ("sbb_e250_in12k_ft_in1k", Inception.Square(256).Crop(0.95f)), ("sbb_e250_in12k", Inception.Square(256).Crop(0.95f).Classes(11821)),
        ]),
        ("vit_so150m_patch16_reg4_gap_384", Vit(16, 896, 18, 14).Mean().NormFirst().Registers(4).Ratio(2.572),
        [
            ("sbb_e250_in12k_ft_in1k", Inception.Square(384).Crop(1)),
        ]),
        ("vit_so150m2_patch16_reg1_gap_256", Vit(16, 832, 21, 13).Mean().NoQkvBias().Registers(1).Scale(1e-5f).Ratio(34.0 / 13),
        [
            ("sbb_e200_in12k_ft_in1k", Inception.Square(256).Crop(1)), ("sbb_e200_in12k", Inception.Square(256).Crop(1).Classes(11821)),
        ]),
        ("vit_so150m2_patch16_reg1_gap_384", Vit(16, 832, 21, 13).Mean().NoQkvBias().Registers(1).Scale(1e-5f).Ratio(34.0 / 13),
        [
            ("sbb_e200_in12k_ft_in1k", Inception.Square(384).Crop(1)),
        ]),
        ("vit_so150m2_patch16_reg1_gap_448", Vit(16, 832, 21, 13).Mean().NoQkvBias().Registers(1).Scale(1e-5f).Ratio(34.0 / 13),
        [
            ("sbb_e200_in12k_ft_in1k", Inception.Square(448).Crop(1).Squash()),
        ]),
        ("vit_intern300m_patch14_448", Large(14).Scale(0.1f) with { HasFinalNorm = false, IsDynamic = true },
        [
            ("ogvl_dist", ImageNet.Square(448).Crop(1).Classes(0).Licence("mit")), ("ogvl_2pt5", ImageNet.Square(448).Crop(1).Classes(0)),
        ]),
        ("test_vit", Vit(16, 64, 6, 2).Ratio(3) with { IsDynamic = true }, [("r160_in1k", Inception.Square(160).Crop(0.95f))]),
        ("test_vit2", Vit(16, 64, 8, 2).Mean().Registers(1).Scale(1e-5f).Ratio(3) with { IsDynamic = true },
        [
            ("r160_in1k", Inception.Square(160).Crop(0.95f)),
        ]),
        ("test_vit3", Vit(16, 96, 9, 3).Map().Registers(1).Scale(1e-5f).Ratio(2) with { PoolsPrefix = true },
        [
            ("r160_in1k", Inception.Square(160).Crop(0.95f)),
        ]),
        ("test_vit4", Vit(16, 96, 9, 3).Mean().Registers(1).Scale(1e-5f).Ratio(3) with { IsRms = true, IsDynamic = true },
        [
            ("r160_in1k", Inception.Square(160).Crop(0.95f).NotOnHub()),
        ]),
        ("beit3_base_patch16_224", Base(16).Beit3(),
        [
            ("in22k_ft_in1k", ImageNet.Crop(1)), ("indomain_in22k_ft_in1k", ImageNet.Crop(1)), ("pt", ImageNet.Crop(1).Classes(0)),
            ("indomain_pt", ImageNet.Crop(1).Classes(0)),
        ]),
        ("beit3_large_patch16_224", Large(16).Beit3(),
        [
            ("in22k_ft_in1k", ImageNet.Crop(1)), ("indomain_in22k_ft_in1k", ImageNet.Crop(1)), ("pt", ImageNet.Crop(1).Classes(0)),
            ("indomain_pt", ImageNet.Crop(1).Classes(0)),
        ]),
        ("beit3_giant_patch14_224", Vit(14, 1408, 40, 16).Beit3().Ratio(4.3637), [("untrained", ImageNet.Crop(1))]),
        ("beit3_giant_patch14_336", Vit(14, 1408, 40, 16).Beit3().Ratio(4.3637), [("untrained", ImageNet.Square(336).Crop(1))]),
    ];

    private static Dictionary<string, string> Aliases() => new()
    {
        ["vit_tiny_patch16_224_in21k"] = "vit_tiny_patch16_224.augreg_in21k",
        ["vit_small_patch32_224_in21k"] = "vit_small_patch32_224.augreg_in21k",
        ["vit_small_patch16_224_in21k"] = "vit_small_patch16_224.augreg_in21k",
        ["vit_base_patch32_224_in21k"] = "vit_base_patch32_224.augreg_in21k",
        ["vit_base_patch16_224_in21k"] = "vit_base_patch16_224.augreg_in21k",
        ["vit_base_patch8_224_in21k"] = "vit_base_patch8_224.augreg_in21k",
        ["vit_large_patch32_224_in21k"] = "vit_large_patch32_224.orig_in21k",
        ["vit_large_patch16_224_in21k"] = "vit_large_patch16_224.augreg_in21k",
        ["vit_huge_patch14_224_in21k"] = "vit_huge_patch14_224.orig_in21k",
        ["vit_tiny_r_s16_p8_224_in21k"] = "vit_tiny_r_s16_p8_224.augreg_in21k",
        ["vit_small_r26_s32_224_in21k"] = "vit_small_r26_s32_224.augreg_in21k",
        ["vit_base_r50_s16_224_in21k"] = "vit_base_r50_s16_224.orig_in21k",
        ["vit_base_resnet50_224_in21k"] = "vit_base_r50_s16_224.orig_in21k",
        ["vit_large_r50_s32_224_in21k"] = "vit_large_r50_s32_224.augreg_in21k",
        ["vit_base_resnet50_384"] = "vit_base_r50_s16_384.orig_in21k_ft_in1k",
        ["vit_base_patch32_224_sam"] = "vit_base_patch32_224.sam_in1k",
        ["vit_base_patch16_224_sam"] = "vit_base_patch16_224.sam_in1k",
        ["vit_small_patch16_224_dino"] = "vit_small_patch16_224.dino",
        ["vit_small_patch8_224_dino"] = "vit_small_patch8_224.dino",
        ["vit_base_patch16_224_dino"] = "vit_base_patch16_224.dino",
        ["vit_base_patch8_224_dino"] = "vit_base_patch8_224.dino",
        ["vit_base_patch16_224_miil_in21k"] = "vit_base_patch16_224_miil.in21k",
        ["vit_base_patch32_224_clip_laion2b"] = "vit_base_patch32_clip_224.laion2b",
        ["vit_large_patch14_224_clip_laion2b"] = "vit_large_patch14_clip_224.laion2b",
        ["vit_huge_patch14_224_clip_laion2b"] = "vit_huge_patch14_clip_224.laion2b",
        ["vit_giant_patch14_224_clip_laion2b"] = "vit_giant_patch14_clip_224.laion2b",
    };
}
