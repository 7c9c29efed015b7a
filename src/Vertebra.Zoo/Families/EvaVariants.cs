using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.EvaSpecs;
using static Vertebra.Zoo.Families.TransformerConfigs;

namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="Eva"/>: a variant a row, with the weights published for it, the default first. Facts as in timm's registry.</summary>
internal static class EvaVariants
{
    // Colours of the aerial images of SAT-493M.
    private static PretrainedConfig Satellite { get; } = ImageNet with { Mean = [0.430f, 0.411f, 0.296f], Std = [0.213f, 0.156f, 0.143f] };

    public static Family Family() => new(
        "eva",
        "Fang, Sun, Wang, Huang, Wang, Cao: EVA-02: a visual representation for neon genesis, arXiv:2303.11331; Fang et al.: EVA, CVPR 2023, arXiv:2211.07636",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "eva", r.Tags, "head", "patch_embed.proj", options => new Eva(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "A plain vision transformer learns to reconstruct what CLIP sees at masked patches, and scales to a billion parameters and more. EVA-02 and its kin use rotary positions, gated MLPs and further norms.",
    };

    private static (string Name, EvaSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows() =>
    [
        ("eva_giant_patch14_224", Giant(), [("clip_ft_in1k", Clip.Licence("mit"))]),
        ("eva_giant_patch14_336", Giant(),
        [
            ("clip_ft_in1k", Clip.Square(336).Crop(1).Squash().Licence("mit")),
            ("m30m_ft_in22k_in1k", ImageNet.Square(336).Crop(1).Squash().Licence("mit")),
        ]),
        ("eva_giant_patch14_560", Giant(), [("m30m_ft_in22k_in1k", ImageNet.Square(560).Crop(1).Squash().Licence("mit"))]),
        ("eva02_tiny_patch14_224", Eva02(14, 192, 12, 3), [("mim_in22k", Clip.Classes(0).Licence("mit"))]),
        ("eva02_small_patch14_224", Eva02(14, 384, 12, 6), [("mim_in22k", Clip.Classes(0).Licence("mit"))]),
        ("eva02_base_patch14_224", Eva02(14, 768, 12, 12).Scaled(), [("mim_in22k", Clip.Classes(0).Licence("mit"))]),
        ("eva02_large_patch14_224", Eva02(14, 1024, 24, 16).Scaled(),
        [
            ("mim_in22k", Clip.Classes(0).Licence("mit")), ("mim_m38m", Clip.Classes(0).Licence("mit")),
        ]),
        ("eva02_tiny_patch14_336", Eva02(14, 192, 12, 3), [("mim_in22k_ft_in1k", Clip.Square(336).Crop(1).Licence("mit"))]),
        ("eva02_small_patch14_336", Eva02(14, 384, 12, 6), [("mim_in22k_ft_in1k", Clip.Square(336).Crop(1).Licence("mit"))]),
        ("eva02_base_patch14_448", Eva02(14, 768, 12, 12).Scaled(),
        [
            ("mim_in22k_ft_in22k_in1k", Clip.Square(448).Crop(1).Squash().Licence("mit")),
            ("mim_in22k_ft_in1k", Clip.Square(448).Crop(1).Licence("mit")),
            ("mim_in22k_ft_in22k", Clip.Square(448).Crop(1).Squash().Classes(21841).Licence("mit")),
        ]),
        ("eva02_large_patch14_448", Eva02(14, 1024, 24, 16).Scaled(),
        [
            ("mim_in22k_ft_in22k_in1k", Clip.Square(448).Crop(1).Squash().Licence("mit")),
            ("mim_m38m_ft_in22k_in1k", Clip.Square(448).Crop(1).Squash().Licence("mit")),
            ("mim_in22k_ft_in1k", Clip.Square(448).Crop(1).Licence("mit")), ("mim_m38m_ft_in1k", Clip.Square(448).Crop(1).Licence("mit")),
            ("mim_in22k_ft_in22k", Clip.Square(448).Crop(1).Squash().Classes(21841).Licence("mit")),
            ("mim_m38m_ft_in22k", Clip.Square(448).Crop(1).Squash().Classes(21841).Licence("mit")),
        ]),
        ("eva_giant_patch14_clip_224", Giant().Token(), [("laion400m", Clip.Classes(1024).Licence("mit")), ("merged2b", Clip.Classes(1024).Licence("mit"))]),
        ("eva02_base_patch16_clip_224", Eva02(16, 768, 12, 12).Scaled().Clip(), [("merged2b", Clip.Classes(512).Licence("mit"))]),
        ("eva02_large_patch14_clip_224", Eva02(14, 1024, 24, 16).Scaled().Clip(), [("merged2b", Clip.Classes(768).Licence("mit"))]),
        ("eva02_large_patch14_clip_336", Eva02(14, 1024, 24, 16).Scaled().Clip(), [("merged2b", Clip.Square(336).Crop(1).Classes(768).Licence("mit"))]),
        ("eva02_enormous_patch14_clip_224", Vit(14, 1792, 64, 16).Ratio(15360.0 / 1792).Token() with { IsPostNorm = true },
        [
            ("laion2b", Clip.Classes(1024).Licence("mit")), ("laion2b_plus", Clip.Classes(1024).Licence("mit")),
            ("pretrain", Clip.Classes(0).Licence("mit").NotOnHub()),
        ]),
        ("vit_medium_patch16_rope_reg1_gap_256", Sbb(512, 12, 8, registers: 1), [("sbb_in1k", Inception.Square(256).Crop(0.95f).Licence("mit"))]),
        ("vit_mediumd_patch16_rope_reg1_gap_256", Sbb(512, 20, 8, registers: 1) with { Projections = EvaProjections.JointUnbiased },
        [
            ("sbb_in1k", Inception.Square(256).Crop(0.95f).Licence("mit")),
        ]),
        ("vit_betwixt_patch16_rope_reg4_gap_256", Sbb(640, 12, 10, registers: 4), [("sbb_in1k", Clip.Square(256).Crop(0.95f).Licence("mit"))]),
        ("vit_base_patch16_rope_reg1_gap_256", Sbb(768, 12, 12, registers: 1), [("sbb_in1k", Inception.Square(256).Crop(0.95f).Licence("mit"))]),
        ("vit_pe_core_tiny_patch16_384", Perception(16, 192, 12, 3, reference: 24).Core(), [("fb", Inception.Square(384).Crop(1).Classes(512))]),
        ("vit_pe_core_small_patch16_384", Perception(16, 384, 12, 6, reference: 24).Core(), [("fb", Inception.Square(384).Crop(1).Classes(512))]),
        ("vit_pe_core_base_patch16_224", Perception(16, 768, 12, 12, reference: 14).Core(), [("fb", Inception.Crop(1).Classes(1024))]),
        ("vit_pe_core_large_patch14_336", Perception(14, 1024, 24, 16, reference: 24).Core(), [("fb", Inception.Square(336).Crop(1).Classes(1024))]),
        ("vit_pe_core_gigantic_patch14_448", Perception(14, 1536, 50, 16, reference: 32).Gigantic().Core(),
        [
            ("fb", Inception.Square(448).Crop(1).Classes(1280)),
        ]),
        ("vit_pe_lang_large_patch14_448", Perception(14, 1024, 23, 16, reference: 32).Scale(0.1f),
        [
            ("fb", Inception.Square(448).Crop(1).Classes(0)), ("fb_tiling", Inception.Square(448).Crop(1).Classes(0)),
        ]),
        ("vit_pe_lang_gigantic_patch14_448", Perception(14, 1536, 47, 16, reference: 32).Gigantic().Scale(0.1f),
        [
            ("fb", Inception.Square(448).Crop(1).Classes(0)), ("fb_tiling", Inception.Square(448).Crop(1).Classes(0)),
        ]),
        ("vit_pe_spatial_tiny_patch16_512", Perception(16, 192, 12, 3, reference: 32), [("fb", Inception.Square(512).Crop(1).Classes(0))]),
        ("vit_pe_spatial_small_patch16_512", Perception(16, 384, 12, 6, reference: 32), [("fb", Inception.Square(512).Crop(1).Classes(0))]),
        ("vit_pe_spatial_base_patch16_512", Perception(16, 768, 12, 12, reference: 32), [("fb", Inception.Square(512).Crop(1).Classes(0))]),
        ("vit_pe_spatial_large_patch14_448", Perception(14, 1024, 24, 16, reference: 32), [("fb", Inception.Square(448).Crop(1).Classes(0))]),
        ("vit_pe_spatial_gigantic_patch14_448", Perception(14, 1536, 50, 16, reference: 32).Gigantic().Scale(0.1f),
        [
            ("fb", Inception.Square(448).Crop(1).Classes(0)),
        ]),
        ("vit_small_patch16_rope_224", Rope(384, 12, 6), [("naver_in1k", ImageNet)]),
        ("vit_base_patch16_rope_224", Rope(768, 12, 12), [("naver_in1k", ImageNet)]),
        ("vit_large_patch16_rope_224", Rope(1024, 24, 16), [("naver_in1k", ImageNet)]),
        ("vit_small_patch16_rope_mixed_224", Rope(384, 12, 6).Mixed(), [("naver_in1k", ImageNet)]),
        ("vit_base_patch16_rope_mixed_224", Rope(768, 12, 12).Mixed(), [("naver_in1k", ImageNet)]),
        ("vit_large_patch16_rope_mixed_224", Rope(1024, 24, 16).Mixed(), [("naver_in1k", ImageNet)]),
        ("vit_small_patch16_rope_ape_224", Rope(384, 12, 6).Placed(), [("naver_in1k", ImageNet)]),
        ("vit_base_patch16_rope_ape_224", Rope(768, 12, 12).Placed(), [("naver_in1k", ImageNet)]),
        ("vit_large_patch16_rope_ape_224", Rope(1024, 24, 16).Placed(), [("naver_in1k", ImageNet)]),
        ("vit_small_patch16_rope_mixed_ape_224", Rope(384, 12, 6).Mixed().Placed(), [("naver_in1k", ImageNet)]),
        ("vit_base_patch16_rope_mixed_ape_224", Rope(768, 12, 12).Mixed().Placed(), [("naver_in1k", ImageNet)]),
        ("vit_large_patch16_rope_mixed_ape_224", Rope(1024, 24, 16).Mixed().Placed(), [("naver_in1k", ImageNet)]),
        ("vit_tiny_patch16_dinov3_qkvb", Dino(192, 12, 3).QkvBias(),
        [
            ("eupe_lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("fair-noncommercial-research-license")),
        ]),
        ("vit_small_patch16_dinov3", Dino(384, 12, 6), [("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license"))]),
        ("vit_small_patch16_dinov3_qkvb", Dino(384, 12, 6).QkvBias(),
        [
            ("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license")),
            ("eupe_lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("fair-noncommercial-research-license")),
        ]),
        ("vit_small_plus_patch16_dinov3", Dino(384, 12, 6).Swish(8), [("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license"))]),
        ("vit_small_plus_patch16_dinov3_qkvb", Dino(384, 12, 6).QkvBias().Swish(8),
        [
            ("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license")),
        ]),
        ("vit_base_patch16_dinov3", Dino(768, 12, 12), [("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license"))]),
        ("vit_base_patch16_dinov3_qkvb", Dino(768, 12, 12).QkvBias(),
        [
            ("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license")),
            ("eupe_lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("fair-noncommercial-research-license")),
        ]),
        ("vit_large_patch16_dinov3", Dino(1024, 24, 16),
        [
            ("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license")),
            ("sat493m", Satellite.Square(256).Crop(1).Classes(0).Licence("dinov3-license")),
        ]),
        ("vit_large_patch16_dinov3_qkvb", Dino(1024, 24, 16).QkvBias(),
        [
            ("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license")),
            ("sat493m", Satellite.Square(256).Crop(1).Classes(0).Licence("dinov3-license")),
        ]),
        ("vit_huge_plus_patch16_dinov3", Dino(1280, 32, 20).Swish(8), [("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license"))]),
        ("vit_huge_plus_patch16_dinov3_qkvb", Dino(1280, 32, 20).QkvBias().Swish(8),
        [
            ("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license")),
        ]),
        ("vit_7b_patch16_dinov3", Dino(4096, 40, 32).Swish(64).Ratio(2),
        [
            ("lvd1689m", ImageNet.Square(256).Crop(1).Classes(0).Licence("dinov3-license")),
            ("sat493m", Satellite.Square(256).Crop(1).Classes(0).Licence("dinov3-license")),
        ]),
    ];
}

/// <summary>The designs that the rows vary.</summary>
internal static class EvaSpecs
{
    private const int ReferenceSide = 16;

    public static EvaSpec Vit(int patch, int width, int depth, int heads) => new(patch, width, depth, heads);

    public static EvaSpec Giant() => Vit(14, 1408, 40, 16).Ratio(6144.0 / 1408);

    /// <summary>Rotary positions counted on a grid of 16 by 16, gated MLPs of the cost of plain ones.</summary>
    public static EvaSpec Eva02(int patch, int width, int depth, int heads) => Vit(patch, width, depth, heads).Ratio(4.0 * 2 / 3) with
    {
        IsGated = true,
        Rotary = new(10000) { ReferenceSide = ReferenceSide },
    };

    /// <summary>Rotary positions alone, registers, the mean of the patches.</summary>
    public static EvaSpec Sbb(int width, int depth, int heads, int registers) => Vit(16, width, depth, heads).Scale(1e-5f) with
    {
        HasClassToken = false,
        HasPositions = false,
        Registers = registers,
        Rotary = new(10000) { ReferenceSide = ReferenceSide },
    };

    public static EvaSpec Rope(int width, int depth, int heads) => Vit(16, width, depth, heads).Scale(1e-5f).Token() with
    {
        Projections = EvaProjections.Joint,
        HasPositions = false,
        Rotary = new(100) { StartsWithColumns = true },
    };

    public static EvaSpec Perception(int patch, int width, int depth, int heads, int reference) => Vit(patch, width, depth, heads) with
    {
        Projections = EvaProjections.Joint,
        Epsilon = 1e-5f,
        HasPreNorm = true,
        NormsTokens = false,
        NormsPooled = false,
        Rotary = new(10000) { StartsWithColumns = true, Offset = 1, ReferenceSide = reference },
    };

    public static EvaSpec Dino(int width, int depth, int heads) => Vit(16, width, depth, heads).Scale(1e-5f) with
    {
        Projections = EvaProjections.JointUnbiased,
        Epsilon = 1e-5f,
        HasPositions = false,
        Registers = 4,
        NormsPooled = false,
        IsDynamic = true,
        Rotary = new(100) { IsCentred = true, IsInterleaved = false },
    };

    public static EvaSpec Ratio(this EvaSpec spec, double ratio) => spec with { MlpRatio = ratio };

    public static EvaSpec Scale(this EvaSpec spec, float initial) => spec with { LayerScale = initial };

    /// <summary>The class token is classified.</summary>
    public static EvaSpec Token(this EvaSpec spec) => spec with { Pool = GlobalPool.Token };

    /// <summary>As the larger EVA-02 do: separate projections, and a normaliser within the MLP.</summary>
    public static EvaSpec Scaled(this EvaSpec spec) => spec with { Projections = EvaProjections.Separate, NormsHidden = true };

    /// <summary>As EVA-02 learned with texts: a normaliser within attention too.</summary>
    public static EvaSpec Clip(this EvaSpec spec) => spec.Token() with { NormsAttention = true };

    public static EvaSpec Mixed(this EvaSpec spec) => spec with { IsMixed = true, Rotary = new(10) };

    /// <summary>Learned positions beside the rotary ones.</summary>
    public static EvaSpec Placed(this EvaSpec spec) => spec with { HasPositions = true, HasPlacedPrefix = false };

    public static EvaSpec QkvBias(this EvaSpec spec) => spec with { Projections = EvaProjections.KeysUnbiased };

    public static EvaSpec Swish(this EvaSpec spec, int multiple) => spec with { IsGated = true, HiddenMultiple = multiple };

    /// <summary>No class token, hence places counted from 0.</summary>
    public static EvaSpec Gigantic(this EvaSpec spec) =>
        spec.Ratio(8960.0 / 1536) with { HasClassToken = false, Rotary = spec.Rotary! with { Offset = 0 } };

    /// <summary>Attention pooling after a normaliser.</summary>
    public static EvaSpec Core(this EvaSpec spec) => spec with { Pool = GlobalPool.Map, NormsTokens = null, NormsPooled = null };
}
