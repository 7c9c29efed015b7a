using static Vertebra.Zoo.Families.TransformerConfigs;
using static Vertebra.Zoo.Families.VitSpecs;

namespace Vertebra.Zoo.Families;

/// <summary>The rows of <see cref="VisionTransformer"/> whose weights were trained on images with texts: CLIP and its kin, SigLIP, AIMv2.</summary>
internal static class VisionTransformerClipVariants
{
    public static (string Name, VitSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows() =>
    [
        ("vit_xsmall_patch16_clip_224", Vit(16, 256, 10, 4).Clip(), [("tinyclip_yfcc15m", Clip.Classes(512).Licence("mit"))]),
        ("vit_medium_patch32_clip_224", Vit(32, 512, 12, 8).Clip(), [("tinyclip_laion400m", Clip.Classes(512).Licence("mit"))]),
        ("vit_medium_patch16_clip_224", Vit(16, 512, 12, 8).Clip(), [("tinyclip_yfcc15m", Clip.Classes(512).Licence("mit"))]),
        ("vit_betwixt_patch32_clip_224", Vit(32, 640, 12, 10).Clip(), [("tinyclip_laion400m", Clip.Classes(512).Licence("mit"))]),
        ("vit_base_patch32_clip_224", Base(32).Clip(),
        [
            ("laion2b_ft_in12k_in1k", Clip), ("openai_ft_in12k_in1k", Clip.NotOnHub()), ("laion2b_ft_in1k", Clip), ("openai_ft_in1k", Clip),
            ("laion2b", Clip.Classes(512)), ("laion400m_e32", Clip.Classes(512).Licence("mit")), ("datacompxl", Clip.Crop(1).Classes(512)),
            ("metaclip_2pt5b", Clip.Crop(1).Classes(512).Licence("cc-by-nc-4.0")),
            ("metaclip_400m", Clip.Crop(1).Classes(512).Licence("cc-by-nc-4.0")), ("openai", Clip.Classes(512)),
        ]),
        ("vit_base_patch32_clip_256", Base(32).Clip(), [("datacompxl", Clip.Square(256).Crop(1).Classes(512))]),
        ("vit_base_patch32_clip_384", Base(32).Clip(),
        [
            ("laion2b_ft_in12k_in1k", Clip.Square(384).Crop(1)), ("openai_ft_in12k_in1k", Clip.Square(384).Crop(0.95f).Squash()),
        ]),
        ("vit_base_patch32_clip_448", Base(32).Clip(), [("laion2b_ft_in12k_in1k", Clip.Square(448).Crop(1))]),
        ("vit_base_patch16_clip_224", Base(16).Clip(),
        [
            ("laion2b_ft_in12k_in1k", Clip.Crop(0.95f)), ("openai_ft_in12k_in1k", Clip.Crop(0.95f)), ("laion2b_ft_in1k", Clip.Crop(1)),
            ("openai_ft_in1k", Clip), ("laion2b_ft_in12k", Clip.Classes(11821)), ("openai_ft_in12k", Clip.Classes(11821)),
            ("laion2b", Clip.Crop(1).Classes(512)), ("laion400m_e32", Clip.Crop(1).Classes(512).Licence("mit")),
            ("datacompxl", Clip.Crop(1).Classes(512)), ("dfn2b", Clip.Crop(1).Classes(512).Licence("apple-ascl")),
            ("metaclip_2pt5b", Clip.Crop(1).Classes(512).Licence("cc-by-nc-4.0")),
            ("metaclip_400m", Clip.Crop(1).Classes(512).Licence("cc-by-nc-4.0")), ("openai", Clip.Classes(512)),
        ]),
        ("vit_base_patch16_clip_384", Base(16).Clip(),
        [
            ("laion2b_ft_in12k_in1k", Clip.Square(384).Crop(1).Squash()),
            ("openai_ft_in12k_in1k", Clip.Square(384).Crop(0.95f).Squash()),
            ("laion2b_ft_in1k", Clip.Square(384).Crop(1).Squash()), ("openai_ft_in1k", Clip.Square(384).Crop(1).Squash()),
        ]),
        ("vit_base_patch16_plus_clip_240", Vit(16, 896, 12, 14).Clip(), [("laion400m_e32", Clip.Square(240).Crop(1).Classes(640).Licence("mit"))]),
        ("vit_large_patch14_clip_224", Large(14).Clip(),
        [
            ("laion2b_ft_in12k_in1k", Inception.Crop(1)), ("openai_ft_in12k_in1k", Clip.Crop(1)), ("laion2b_ft_in1k", Inception.Crop(1)),
            ("openai_ft_in1k", Clip.Crop(1)), ("laion2b_ft_in12k", Inception.Crop(1).Classes(11821)), ("openai_ft_in12k", Clip.Crop(1).Classes(11821)),
            ("laion2b", Inception.Crop(1).Classes(768)), ("laion400m_e32", Clip.Crop(1).Classes(768).Licence("mit")),
            ("datacompxl", Clip.Crop(1).Classes(768)), ("dfn2b_s39b", Clip.Crop(1).Classes(768).Licence("apple-ascl")),
            ("dfn2b", Clip.Crop(1).Classes(768).Licence("apple-ascl")), ("metaclip_2pt5b", Clip.Crop(1).Classes(768).Licence("cc-by-nc-4.0")),
            ("metaclip_400m", Clip.Crop(1).Classes(768).Licence("cc-by-nc-4.0")), ("openai", Clip.Crop(1).Classes(768)),
            ("apple_mclip2_dfndr2b", Clip.Crop(1).Classes(768).Licence("apple-amlr")),
        ]),
        ("vit_large_patch14_clip_336", Large(14).Clip(),
        [
            ("laion2b_ft_in12k_in1k", Inception.Square(336).Crop(1).Squash()),
            ("openai_ft_in12k_in1k", Clip.Square(336).Crop(1).Squash()), ("laion2b_ft_in1k", Inception.Square(336).Crop(1).Squash()),
            ("openai", Clip.Square(336).Crop(1).Classes(768)),
        ]),
        ("vit_huge_patch14_clip_224", Huge(14).Clip(),
        [
            ("laion2b_ft_in12k_in1k", Clip.Crop(1)), ("laion2b_ft_in1k", Clip.Crop(1)), ("laion2b_ft_in12k", Clip.Crop(1).Classes(11821)),
            ("laion2b", Clip.Crop(1).Classes(1024)), ("dfn5b", Clip.Crop(1).Classes(1024).Licence("apple-ascl")),
            ("metaclip2_worldwide", Clip.Crop(1).Classes(1024).Licence("cc-by-nc-4.0")),
            ("metaclip_2pt5b", Clip.Crop(1).Classes(1024).Licence("cc-by-nc-4.0")),
            ("metaclip_altogether", Clip.Crop(1).Classes(1024).Licence("cc-by-nc-4.0")),
        ]),
        ("vit_huge_patch14_clip_336", Huge(14).Clip(),
        [
            ("laion2b_ft_in12k_in1k", Clip.Square(336).Crop(1).Squash()),
            ("laion2b_ft_in1k", Clip.Square(336).Crop(1).Squash().NotOnHub()),
        ]),
        ("vit_huge_patch14_clip_378", Huge(14).Clip(),
        [
            ("dfn5b", Clip.Square(378).Crop(1).Classes(1024).Licence("apple-ascl")),
            ("metaclip2_worldwide", Clip.Square(378).Crop(1).Classes(1024).Squash().Licence("cc-by-nc-4.0")),
        ]),
        ("vit_giant_patch14_clip_224", Vit(14, 1408, 40, 16).Clip().Ratio(48.0 / 11), [("laion2b", Clip.Crop(1).Classes(1024))]),
        ("vit_gigantic_patch14_clip_224", Vit(14, 1664, 48, 16).Clip().Ratio(64.0 / 13),
        [
            ("laion2b", Clip.Crop(1).Classes(1280)), ("metaclip2_worldwide", Clip.Crop(1).Classes(1280).Licence("cc-by-nc-4.0")),
            ("metaclip_2pt5b", Clip.Crop(1).Classes(1280).Licence("cc-by-nc-4.0")),
        ]),
        ("vit_gigantic_patch14_clip_378", Vit(14, 1664, 48, 16).Clip().Ratio(64.0 / 13),
        [
            ("metaclip2_worldwide", Clip.Square(378).Crop(1).Classes(1280).Squash().Licence("cc-by-nc-4.0")),
        ]),
        ("vit_base_patch32_clip_quickgelu_224", Base(32).Clip().Quick(),
        [
            ("laion400m_e32", Clip.Classes(512).Licence("mit").Hub("timm/vit_base_patch32_clip_224.laion400m_e32")),
            ("metaclip_2pt5b", Clip.Crop(1).Classes(512).Licence("cc-by-nc-4.0").Hub("timm/vit_base_patch32_clip_224.metaclip_2pt5b")),
            ("metaclip_400m", Clip.Crop(1).Classes(512).Licence("cc-by-nc-4.0").Hub("timm/vit_base_patch32_clip_224.metaclip_400m")),
            ("openai", Clip.Classes(512).Hub("timm/vit_base_patch32_clip_224.openai")),
        ]),
        ("vit_base_patch16_clip_quickgelu_224", Base(16).Clip().Quick(),
        [
            ("metaclip_2pt5b", Clip.Crop(1).Classes(512).Licence("cc-by-nc-4.0").Hub("timm/vit_base_patch16_clip_224.metaclip_2pt5b")),
            ("metaclip_400m", Clip.Crop(1).Classes(512).Licence("cc-by-nc-4.0").Hub("timm/vit_base_patch16_clip_224.metaclip_400m")),
            ("openai", Clip.Classes(512).Hub("timm/vit_base_patch16_clip_224.openai")),
        ]),
        ("vit_large_patch14_clip_quickgelu_224", Large(14).Clip().Quick(),
        [
            ("dfn2b", Clip.Crop(1).Classes(768).Licence("apple-ascl").Hub("timm/vit_large_patch14_clip_224.dfn2b")),
            ("metaclip_2pt5b", Clip.Crop(1).Classes(768).Licence("cc-by-nc-4.0").Hub("timm/vit_large_patch14_clip_224.metaclip_2pt5b")),
            ("metaclip_400m", Clip.Crop(1).Classes(768).Licence("cc-by-nc-4.0").Hub("timm/vit_large_patch14_clip_224.metaclip_400m")),
            ("openai", Clip.Crop(1).Classes(768).Hub("timm/vit_large_patch14_clip_224.openai")),
        ]),
        ("vit_large_patch14_clip_quickgelu_336", Large(14).Clip().Quick(),
        [
            ("openai", Clip.Square(336).Crop(1).Classes(768).Hub("timm/vit_large_patch14_clip_336.openai")),
        ]),
        ("vit_huge_patch14_clip_quickgelu_224", Huge(14).Clip().Quick(),
        [
            ("dfn5b", Clip.Crop(1).Classes(1024).Licence("apple-ascl").Hub("timm/vit_huge_patch14_clip_224.dfn5b")),
            ("metaclip2_worldwide", Clip.Crop(1).Classes(1024).Licence("cc-by-nc-4.0").Hub("timm/vit_huge_patch14_clip_224.metaclip2_worldwide")),
            ("metaclip_2pt5b", Clip.Crop(1).Classes(1024).Licence("cc-by-nc-4.0").Hub("timm/vit_huge_patch14_clip_224.metaclip_2pt5b")),
        ]),
        ("vit_huge_patch14_clip_quickgelu_378", Huge(14).Clip().Quick(),
        [
            ("dfn5b", Clip.Square(378).Crop(1).Classes(1024).Licence("apple-ascl").Hub("timm/vit_huge_patch14_clip_378.dfn5b")),
        ]),
        ("vit_gigantic_patch14_clip_quickgelu_224", Vit(14, 1664, 48, 16).Clip().Quick().Ratio(64.0 / 13),
        [
            ("metaclip_2pt5b", Clip.Crop(1).Classes(1280).Licence("cc-by-nc-4.0").Hub("timm/vit_gigantic_patch14_clip_224.metaclip_2pt5b")),
        ]),
        ("vit_base_patch32_siglip_256", Base(32).Map().Tanh(), [("v2_webli", Inception.Square(256).Classes(0))]),
        ("vit_base_patch16_siglip_224", Base(16).Map(), [("v2_webli", Inception.Classes(0)), ("webli", Inception.Classes(0))]),
        ("vit_base_patch16_siglip_256", Base(16).Map(),
        [
            ("v2_webli", Inception.Square(256).Classes(0)), ("webli", Inception.Square(256).Classes(0)), ("webli_i18n", Inception.Square(256).Classes(0)),
        ]),
        ("vit_base_patch16_siglip_384", Base(16).Map(), [("v2_webli", Inception.Square(384).Classes(0)), ("webli", Inception.Square(384).Classes(0))]),
        ("vit_base_patch16_siglip_512", Base(16).Map(), [("v2_webli", Inception.Square(512).Classes(0)), ("webli", Inception.Square(512).Classes(0))]),
        ("vit_large_patch16_siglip_256", Large(16).Map(), [("v2_webli", Inception.Square(256).Classes(0)), ("webli", Inception.Square(256).Classes(0))]),
        ("vit_large_patch16_siglip_384", Large(16).Map(), [("v2_webli", Inception.Square(384).Classes(0)), ("webli", Inception.Square(384).Classes(0))]),
        ("vit_large_patch16_siglip_512", Large(16).Map().Tanh(), [("v2_webli", Inception.Square(512).Classes(0))]),
        ("vit_so400m_patch14_siglip_224", Vit(14, 1152, 27, 16).Map().Ratio(3.7362), [("v2_webli", Inception.Classes(0)), ("webli", Inception.Classes(0))]),
        ("vit_so400m_patch14_siglip_378", Vit(14, 1152, 27, 16).Map().Ratio(3.7362),
        [
            ("v2_webli", Inception.Square(378).Classes(0)), ("webli", Inception.Square(378).Classes(0)),
            ("webli_ft_in1k", Inception.Square(378).Crop(1).Squash()),
        ]),
        ("vit_so400m_patch14_siglip_384", Vit(14, 1152, 27, 16).Map().Ratio(3.7362), [("webli", Inception.Square(384).Classes(0))]),
        ("vit_so400m_patch16_siglip_256", Vit(16, 1152, 27, 16).Map().Tanh().Ratio(3.7362),
        [
            ("v2_webli", Inception.Square(256).Classes(0)), ("webli_i18n", Inception.Square(256).Classes(0)),
        ]),
        ("vit_so400m_patch16_siglip_384", Vit(16, 1152, 27, 16).Map().Tanh().Ratio(3.7362), [("v2_webli", Inception.Square(384).Classes(0))]),
        ("vit_so400m_patch16_siglip_512", Vit(16, 1152, 27, 16).Map().Tanh().Ratio(3.7362), [("v2_webli", Inception.Square(512).Classes(0))]),
        ("vit_giantopt_patch16_siglip_256", Vit(16, 1536, 40, 16).Map().Tanh(), [("v2_webli", Inception.Square(256).Classes(0))]),
        ("vit_giantopt_patch16_siglip_384", Vit(16, 1536, 40, 16).Map().Tanh(), [("v2_webli", Inception.Square(384).Classes(0))]),
        ("vit_base_patch32_siglip_gap_256", Base(32).Mean().NormFirst().Tanh(), [("v2_webli", Inception.Square(256).Classes(0))]),
        ("vit_base_patch16_siglip_gap_224", Base(16).Mean().NormFirst(), [("v2_webli", Inception.Classes(0)), ("webli", Inception.Classes(0))]),
        ("vit_base_patch16_siglip_gap_256", Base(16).Mean().NormFirst(),
        [
            ("v2_webli", Inception.Square(256).Classes(0)), ("webli", Inception.Square(256).Classes(0)), ("webli_i18n", Inception.Square(256).Classes(0)),
        ]),
        ("vit_base_patch16_siglip_gap_384", Base(16).Mean().NormFirst(),
        [
            ("v2_webli", Inception.Square(384).Classes(0)), ("webli", Inception.Square(384).Classes(0)),
        ]),
        ("vit_base_patch16_siglip_gap_512", Base(16).Mean().NormFirst(),
        [
            ("v2_webli", Inception.Square(512).Classes(0)), ("webli", Inception.Square(512).Classes(0)),
        ]),
        ("vit_large_patch16_siglip_gap_256", Large(16).Mean().NormFirst(),
        [
            ("v2_webli", Inception.Square(256).Classes(0)), ("webli", Inception.Square(256).Classes(0)),
        ]),
        ("vit_large_patch16_siglip_gap_384", Large(16).Mean().NormFirst(),
        [
            ("v2_webli", Inception.Square(384).Classes(0)), ("webli", Inception.Square(384).Classes(0)),
        ]),
        ("vit_large_patch16_siglip_gap_512", Large(16).Mean().NormFirst().Tanh(), [("v2_webli", Inception.Square(512).Classes(0))]),
        ("vit_so400m_patch14_siglip_gap_224", Vit(14, 1152, 27, 16).Mean().NormFirst().Ratio(3.7362),
        [
            ("v2_webli", Inception.Classes(0)), ("webli", Inception.Classes(0)), ("pali_mix", Inception.Classes(0)), ("pali_pt", Inception.Classes(0)),
            ("pali2_3b_pt", Inception.Classes(0)), ("pali2_10b_pt", Inception.Classes(0)),
        ]),
        ("vit_so400m_patch14_siglip_gap_378", Vit(14, 1152, 27, 16).Mean().NormFirst().Ratio(3.7362),
        [
            ("v2_webli", Inception.Square(378).Classes(0)), ("webli", Inception.Square(378).Crop(1).Classes(0)),
            ("webli_ft_in1k", Inception.Square(378).Crop(1).Squash()),
        ]),
        ("vit_so400m_patch14_siglip_gap_384", Vit(14, 1152, 27, 16).Mean().NormFirst().Ratio(3.7362),
        [
            ("webli", Inception.Square(384).Crop(1).Classes(0)),
        ]),
        ("vit_so400m_patch14_siglip_gap_448", Vit(14, 1152, 27, 16).Mean().NormFirst().Ratio(3.7362),
        [
            ("pali_mix", Inception.Square(448).Crop(1).Classes(0)), ("pali_pt", Inception.Square(448).Crop(1).Classes(0)),
            ("pali_refcoco_seg", Inception.Square(448).Crop(1).Classes(0)), ("pali_ocrvqa", Inception.Square(448).Crop(1).Classes(0)),
            ("pali2_3b_pt", Inception.Square(448).Crop(1).Classes(0)), ("pali2_10b_pt", Inception.Square(448).Crop(1).Classes(0)),
            ("pali2_3b_docci", Inception.Square(448).Crop(1).Classes(0)), ("pali2_10b_docci", Inception.Square(448).Crop(1).Classes(0)),
        ]),
        ("vit_so400m_patch14_siglip_gap_896", Vit(14, 1152, 27, 16).Mean().NormFirst().Ratio(3.7362),
        [
            ("pali_pt", Inception.Square(896).Crop(1).Classes(0)), ("pali_refcoco_seg", Inception.Square(896).Crop(1).Classes(0)),
            ("pali_ocrvqa", Inception.Square(896).Crop(1).Classes(0)), ("pali2_3b_pt", Inception.Square(896).Crop(1).Classes(0)),
            ("pali2_10b_pt", Inception.Square(896).Crop(1).Classes(0)),
        ]),
        ("vit_so400m_patch16_siglip_gap_256", Vit(16, 1152, 27, 16).Mean().NormFirst().Tanh().Ratio(3.7362),
        [
            ("v2_webli", Inception.Square(256).Classes(0)), ("webli_i18n", Inception.Square(256).Classes(0)),
        ]),
        ("vit_so400m_patch16_siglip_gap_384", Vit(16, 1152, 27, 16).Mean().NormFirst().Tanh().Ratio(3.7362),
        [
            ("v2_webli", Inception.Square(384).Classes(0)),
        ]),
        ("vit_so400m_patch16_siglip_gap_512", Vit(16, 1152, 27, 16).Mean().NormFirst().Tanh().Ratio(3.7362),
        [
            ("v2_webli", Inception.Square(512).Classes(0)),
        ]),
        ("vit_giantopt_patch16_siglip_gap_256", Vit(16, 1536, 40, 16).Mean().NormFirst().Tanh(), [("v2_webli", Inception.Square(256).Classes(0))]),
        ("vit_giantopt_patch16_siglip_gap_384", Vit(16, 1536, 40, 16).Mean().NormFirst().Tanh(), [("v2_webli", Inception.Square(384).Classes(0))]),
        ("aimv2_large_patch14_224", Vit(14, 1024, 24, 8).Mean().Aim().NormFirst().Ratio(2.75),
        [
            ("apple_pt", Clip.Crop(1).Classes(0).Licence("apple-ascl")), ("apple_pt_dist", Clip.Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_huge_patch14_224", Vit(14, 1536, 24, 12).Mean().Aim().NormFirst().Ratio(2.6667),
        [
            ("apple_pt", Clip.Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_1b_patch14_224", Vit(14, 2048, 24, 16).Mean().Aim().NormFirst().Ratio(2.75),
        [
            ("apple_pt", Clip.Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_3b_patch14_224", Vit(14, 3072, 24, 24).Mean().Aim().NormFirst().Ratio(2.6667),
        [
            ("apple_pt", Clip.Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_large_patch14_336", Vit(14, 1024, 24, 8).Mean().Aim().NormFirst().Ratio(2.75),
        [
            ("apple_pt", Clip.Square(336).Crop(1).Classes(0).Licence("apple-ascl")),
            ("apple_pt_dist", Clip.Square(336).Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_huge_patch14_336", Vit(14, 1536, 24, 12).Mean().Aim().NormFirst().Ratio(2.6667),
        [
            ("apple_pt", Clip.Square(336).Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_1b_patch14_336", Vit(14, 2048, 24, 16).Mean().Aim().NormFirst().Ratio(2.75),
        [
            ("apple_pt", Clip.Square(336).Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_3b_patch14_336", Vit(14, 3072, 24, 24).Mean().Aim().NormFirst().Ratio(2.6667),
        [
            ("apple_pt", Clip.Square(336).Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_large_patch14_448", Vit(14, 1024, 24, 8).Mean().Aim().NormFirst().Ratio(2.75),
        [
            ("apple_pt", Clip.Square(448).Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_huge_patch14_448", Vit(14, 1536, 24, 12).Mean().Aim().NormFirst().Ratio(2.6667),
        [
            ("apple_pt", Clip.Square(448).Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_1b_patch14_448", Vit(14, 2048, 24, 16).Mean().Aim().NormFirst().Ratio(2.75),
        [
            ("apple_pt", Clip.Square(448).Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
        ("aimv2_3b_patch14_448", Vit(14, 3072, 24, 24).Mean().Aim().NormFirst().Ratio(2.6667),
        [
            ("apple_pt", Clip.Square(448).Crop(1).Classes(0).Licence("apple-ascl")),
        ]),
    ];
}
