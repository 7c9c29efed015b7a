using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>The table of <see cref="NfNet"/>. Facts as in timm's registry.</summary>
internal static class NfNetVariants
{
    private static readonly PretrainedConfig s_base = new() { CropPct = 0.9f, License = "apache-2.0" };

    public static Family Family() => new(
        "nfnet",
        "Brock, De, Smith, Simonyan: High-performance large-scale image recognition without normalization, ICML 2021, arXiv:2102.06171",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "nfnet", [(r.Tag, r.Config)], "head.fc", r.Spec.FirstConv, options => new NfNet(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Convolutions standardise their weights and residual branches are scaled by what their variance is known to be, so that no batch norm is needed. Adaptive clipping of gradients then allows large batches and strong augmentation.",
    };

    private static IEnumerable<(string Name, NfSpec Spec, string Tag, PretrainedConfig Config)> Rows()
    {
        int[] sides = [192, 224, 256, 320, 384, 416, 448, 480];
        int[] testSides = [256, 320, 352, 416, 512, 544, 576, 608];
        float[] crops = [0.9f, 0.91f, 0.92f, 0.94f, 0.951f, 0.954f, 0.956f];
        for (var i = 0; i < 7; i++)
            yield return ($"dm_nfnet_f{i}", DeepMind(F(i + 1)), "dm_in1k", s_base.At(sides[i]).TestAt(testSides[i], null) with { CropPct = crops[i], CropMode = "squash" });
        for (var i = 0; i < 8; i++)
            yield return ($"nfnet_f{i}", F(i + 1), "", s_base.At(sides[i]).TestAt(testSides[i], null));
        yield return ("nfnet_l0", L(1, 1.5, new(AttentionKind.SqueezeExcite, 0.25)), "ra2_in1k", s_base.TestAt(288, 1));
        yield return ("eca_nfnet_l0", L(1, 1.5, new(AttentionKind.EfficientChannel)), "ra2_in1k", s_base.TestAt(288, 1));
        yield return ("eca_nfnet_l1", L(2, 2, new(AttentionKind.EfficientChannel)), "ra2_in1k", s_base.At(256).TestAt(320, 1));
        yield return ("eca_nfnet_l2", L(3, 2, new(AttentionKind.EfficientChannel)), "ra3_in1k", s_base.At(320).TestAt(384, 1));
        yield return ("eca_nfnet_l3", L(4, 2, new(AttentionKind.EfficientChannel)), "", s_base.At(352).TestAt(448, 1));
        yield return ("nf_regnet_b0", RegNet([1, 3, 6, 6], 48, 104, 208, 440), "", s_base.At(192).TestAt(256, null));
        yield return ("nf_regnet_b1", RegNet([2, 4, 7, 7], 48, 104, 208, 440), "ra2_in1k", s_base.At(256).TestAt(288, null));
        yield return ("nf_regnet_b2", RegNet([2, 4, 8, 8], 56, 112, 232, 488), "", s_base.At(240).TestAt(272, null));
        yield return ("nf_regnet_b3", RegNet([2, 5, 9, 9], 56, 128, 248, 528), "", s_base.At(288).TestAt(320, null));
        yield return ("nf_regnet_b4", RegNet([2, 6, 11, 11], 64, 144, 288, 616), "", s_base.At(320).TestAt(384, null));
        yield return ("nf_regnet_b5", RegNet([3, 7, 14, 14], 80, 168, 336, 704), "", s_base.At(384).TestAt(456, null));
        (string Prefix, AttentionSpec Attention)[] kinds =
            [("", default), ("se", new(AttentionKind.SqueezeExcite, 1.0 / 16)), ("eca", new(AttentionKind.EfficientChannel))];
        foreach (var (prefix, attention) in kinds)
        {
            yield return ($"nf_{prefix}resnet26", ResNet(attention, 2, 2, 2, 2), "", s_base);
            var trained = s_base.At(256).TestAt(288, null) with { CropPct = 0.94f };
            yield return ($"nf_{prefix}resnet50", ResNet(attention, 3, 4, 6, 3), prefix == "" ? "ra2_in1k" : "", prefix == "" ? trained : s_base);
            yield return ($"nf_{prefix}resnet101", ResNet(attention, 3, 4, 23, 3), "", s_base);
        }
        var tiny = L(1, 1.5, new(AttentionKind.SqueezeExcite, 0.25)) with { Depths = [1, 1, 1, 1], Channels = [32, 64, 96, 128], GroupSize = 8, FinalWidth = 192 };
        yield return ("test_nfnet", tiny, "r160_in1k", s_base.At(160) with { CropPct = 0.95f, Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half });
    }

    private static NfSpec F(int depth) => new([depth, 2 * depth, 6 * depth, 3 * depth], [256, 512, 1536, 1536])
    {
        StemWidth = 128,
        GroupSize = 128,
        HasExtraConv = true,
        FinalWidth = 3072,
        Activation = ActivationKind.Gelu,
        Attention = new(AttentionKind.SqueezeExcite, 0.5),
    };

    private static NfSpec DeepMind(NfSpec spec) => spec with { ScalesActivation = true, PadsAsTensorFlow = true, HasSkipGain = true };

    private static NfSpec L(int depth, double features, AttentionSpec attention) => F(depth) with
    {
        GroupSize = 64,
        BottleneckRatio = 0.25,
        FinalWidth = (int)(1536 * features),
        Activation = ActivationKind.Silu,
        Attention = attention,
    };

    private static NfSpec RegNet(int[] depths, params int[] channels) => new(depths, channels)
    {
        Stem = NfStem.Conv3,
        GroupSize = 8,
        WidthFactor = 0.75,
        BottleneckRatio = 2.25,
        FinalWidth = 1280 * channels[^1] / 440,
        IsRegNet = true,
        Attention = new(AttentionKind.SqueezeExcite, 0.5),
    };

    private static NfSpec ResNet(AttentionSpec attention, params int[] depths) => new(depths, [256, 512, 1024, 2048])
    {
        Stem = NfStem.Conv7Pool,
        StemWidth = 64,
        BottleneckRatio = 0.25,
        Activation = ActivationKind.Relu,
        Attention = attention,
    };
}
