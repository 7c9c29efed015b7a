using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;
using static Vertebra.Zoo.Families.VitSpecs;

namespace Vertebra.Zoo.Families;

/// <summary>The rows of <see cref="VisionTransformer"/> that cut patches of a convolutional network's map. Facts as in timm's vision_transformer_hybrid.</summary>
internal static class VisionTransformerHybridVariants
{
    // The whole network becomes a stem: without classifier and pool its result is its last map.
    private static readonly ModelOptions s_bare = new() { NumClasses = 0, GlobalPool = GlobalPool.None };

    public static (string Name, VitSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows() =>
    [
        ("vit_tiny_r_s16_p8_224", Tiny(32) with { Stem = BitStem() }, [("augreg_in21k_ft_in1k", Inception), ("augreg_in21k", Inception.Classes(21843))]),
        ("vit_tiny_r_s16_p8_384", Tiny(32) with { Stem = BitStem() }, [("augreg_in21k_ft_in1k", Inception.Square(384).Crop(1))]),
        ("vit_small_r26_s32_224", Small(32) with { Stem = Bit(2, 2, 2, 2) }, [("augreg_in21k_ft_in1k", Inception), ("augreg_in21k", Inception.Classes(21843))]),
        ("vit_small_r26_s32_384", Small(32) with { Stem = Bit(2, 2, 2, 2) }, [("augreg_in21k_ft_in1k", Inception.Square(384).Crop(1))]),
        ("vit_base_r26_s32_224", Base(32) with { Stem = Bit(2, 2, 2, 2) }, [("untrained", Inception)]),
        ("vit_base_r50_s16_224", Base(16) with { Stem = Bit(3, 4, 9) }, [("orig_in21k", Inception.Classes(0))]),
        ("vit_base_r50_s16_384", Base(16) with { Stem = Bit(3, 4, 9) }, [("orig_in21k_ft_in1k", Inception.Square(384).Crop(1))]),
        ("vit_large_r50_s32_224", Large(32) with { Stem = Bit(3, 4, 6, 3) }, [("augreg_in21k_ft_in1k", Inception), ("augreg_in21k", Inception.Classes(21843))]),
        ("vit_large_r50_s32_384", Large(32) with { Stem = Bit(3, 4, 6, 3) }, [("augreg_in21k_ft_in1k", Inception.Square(384).Crop(1))]),
        ("vit_small_resnet26d_224", Vit(32, 768, 8, 8).Ratio(3) with { Stem = Deep(2, 2, 2, 2) }, [("untrained", ImageNet)]),
        ("vit_small_resnet50d_s16_224", Vit(16, 768, 8, 8).Ratio(3) with { Stem = Deep(3, 4, 6) }, [("untrained", ImageNet)]),
        ("vit_base_resnet26d_224", Base(32) with { Stem = Deep(2, 2, 2, 2) }, [("untrained", ImageNet)]),
        ("vit_base_resnet50d_224", Base(32) with { Stem = Deep(3, 4, 6, 3) }, [("untrained", ImageNet)]),
        ("vit_base_mci_224", Base(16).Unplaced() with { Stem = new(Convolutions, 768, 16, "0.conv", IsProjected: false) },
        [
            ("apple_mclip_lt", Raw.Classes(512).Licence("apple-amlr").Hub("apple/mobileclip_b_lt_timm")),
            ("apple_mclip", Raw.Classes(512).Licence("apple-amlr").Hub("apple/mobileclip_b_timm")),
            ("apple_mclip2_dfndr2b", Raw.Classes(512).Licence("apple-amlr")),
        ]),
    ];

    private static ResNetV2Spec BitSpec(params int[] depths) => new(BlockKind.Bottleneck, depths)
    {
        Norm = NormKind.Group,
        StandardisedEpsilon = 1e-8f,
        ActivatesLast = true,
        PadsAsTensorFlow = true,
    };

    private static HybridStem Bit(params int[] depths) =>
        new(inChans => new ResNetV2(BitSpec(depths), s_bare with { InChans = inChans }), 128 << depths.Length, 2 << depths.Length, "stem.conv");

    private static HybridStem BitStem() => new(inChans => new Sequential(ResNetV2.MakeStem(BitSpec(), inChans)), 64, 4, "conv");

    private static HybridStem Deep(params int[] depths)
    {
        var spec = new ResNetSpec(BlockKind.Bottleneck, depths) { Stem = StemKind.Deep, StemWidth = 32, AveragesShortcut = true };
        return new(inChans => new ResNet(spec, s_bare with { InChans = inChans }), 128 << depths.Length, 2 << depths.Length, spec.FirstConv);
    }

    // The stem of MobileCLIP: three convolutions without overlap.
    private static Sequential Convolutions(int inChans) => new(
        new ConvNormAct(inChans, 192, 4, 4, ActivationKind.Gelu, padding: 0),
        new ConvNormAct(192, 192, 2, 2, ActivationKind.Gelu, padding: 0),
        new Sequential([("conv", new Conv2d(192, 768, 2, 2))]));
}
