using static Vertebra.Zoo.Families.TransformerConfigs;
using static Vertebra.Zoo.Families.VitSpecs;

namespace Vertebra.Zoo.Families;

/// <summary>Data-efficient image transformers: vision transformers trained on ImageNet alone, some with a distillation token, and DeiT-3 with layer scale. Facts as in timm's registry.</summary>
internal static class Deit
{
    public static Family Family { get; } = new(
        "deit",
        "Touvron, Cord, Douze et al.: Training data-efficient image transformers & distillation through attention, ICML 2021, arXiv:2012.12877; DeiT III, arXiv:2204.07118",
        [.. Rows().Select(r => VitSpecs.Row("deit", r))],
        Aliases())
    {
        Idea = "A vision transformer learns from ImageNet alone when augmentation and regularisation are strong, and better when a convolutional teacher is distilled through a token of its own. DeiT III shows that a simpler recipe with layer scale does without the teacher.",
    };

    private static (string Name, VitSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows() =>
    [
        ("deit_tiny_patch16_224", Tiny(16), [("fb_in1k", ImageNet)]),
        ("deit_small_patch16_224", Small(16), [("fb_in1k", ImageNet)]),
        ("deit_base_patch16_224", Base(16), [("fb_in1k", ImageNet)]),
        ("deit_base_patch16_384", Base(16), [("fb_in1k", ImageNet.Square(384).Crop(1))]),
        ("deit_tiny_distilled_patch16_224", Tiny(16) with { IsDistilled = true }, [("fb_in1k", ImageNet)]),
        ("deit_small_distilled_patch16_224", Small(16) with { IsDistilled = true }, [("fb_in1k", ImageNet)]),
        ("deit_base_distilled_patch16_224", Base(16) with { IsDistilled = true }, [("fb_in1k", ImageNet)]),
        ("deit_base_distilled_patch16_384", Base(16) with { IsDistilled = true }, [("fb_in1k", ImageNet.Square(384).Crop(1))]),
        ("deit3_small_patch16_224", Small(16).Unplaced().Scale(1e-6f), [("fb_in1k", ImageNet), ("fb_in22k_ft_in1k", ImageNet.Crop(1))]),
        ("deit3_small_patch16_384", Small(16).Unplaced().Scale(1e-6f),
        [
            ("fb_in1k", ImageNet.Square(384).Crop(1)), ("fb_in22k_ft_in1k", ImageNet.Square(384).Crop(1)),
        ]),
        ("deit3_medium_patch16_224", Vit(16, 512, 12, 8).Unplaced().Scale(1e-6f), [("fb_in1k", ImageNet), ("fb_in22k_ft_in1k", ImageNet.Crop(1))]),
        ("deit3_base_patch16_224", Base(16).Unplaced().Scale(1e-6f), [("fb_in1k", ImageNet), ("fb_in22k_ft_in1k", ImageNet.Crop(1))]),
        ("deit3_base_patch16_384", Base(16).Unplaced().Scale(1e-6f),
        [
            ("fb_in1k", ImageNet.Square(384).Crop(1)), ("fb_in22k_ft_in1k", ImageNet.Square(384).Crop(1)),
        ]),
        ("deit3_large_patch16_224", Large(16).Unplaced().Scale(1e-6f), [("fb_in1k", ImageNet), ("fb_in22k_ft_in1k", ImageNet.Crop(1))]),
        ("deit3_large_patch16_384", Large(16).Unplaced().Scale(1e-6f),
        [
            ("fb_in1k", ImageNet.Square(384).Crop(1)), ("fb_in22k_ft_in1k", ImageNet.Square(384).Crop(1)),
        ]),
        ("deit3_huge_patch14_224", Huge(14).Unplaced().Scale(1e-6f), [("fb_in1k", ImageNet), ("fb_in22k_ft_in1k", ImageNet.Crop(1))]),
    ];

    private static Dictionary<string, string> Aliases() => new()
    {
        ["deit3_small_patch16_224_in21ft1k"] = "deit3_small_patch16_224.fb_in22k_ft_in1k",
        ["deit3_small_patch16_384_in21ft1k"] = "deit3_small_patch16_384.fb_in22k_ft_in1k",
        ["deit3_medium_patch16_224_in21ft1k"] = "deit3_medium_patch16_224.fb_in22k_ft_in1k",
        ["deit3_base_patch16_224_in21ft1k"] = "deit3_base_patch16_224.fb_in22k_ft_in1k",
        ["deit3_base_patch16_384_in21ft1k"] = "deit3_base_patch16_384.fb_in22k_ft_in1k",
        ["deit3_large_patch16_224_in21ft1k"] = "deit3_large_patch16_224.fb_in22k_ft_in1k",
        ["deit3_large_patch16_384_in21ft1k"] = "deit3_large_patch16_384.fb_in22k_ft_in1k",
        ["deit3_huge_patch14_224_in21ft1k"] = "deit3_huge_patch14_224.fb_in22k_ft_in1k",
    };
}
