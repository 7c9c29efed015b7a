using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;

namespace Vertebra.Tests.Zoo;

/// <summary>Transformers built for other images and classes than their weights were published for; one of each construction.</summary>
public class TransformerOptionTests
{
    [Theory]
    [InlineData("eva02_tiny_patch14_224", 112)]
    [InlineData("vit_tiny_patch16_dinov3_qkvb", 128)]
    [InlineData("vit_small_patch16_rope_mixed_ape_224", 128)]
    [InlineData("vit_pe_core_tiny_patch16_384", 128)]
    [InlineData("vit_relpos_small_patch16_224", 128)]
    [InlineData("vit_relpos_medium_patch16_cls_224", 128)]
    [InlineData("vit_srelpos_small_patch16_224", 128)]
    [InlineData("vit_tiny_r_s16_p8_224", 128)]
    [InlineData("vit_small_resnet50d_s16_224", 128)]
    [InlineData("vit_base_mci_224", 128)]
    [InlineData("volo_d1_224", 112)]
    [InlineData("tnt_s_patch16_224", 128)]
    [InlineData("tnt_s_legacy_patch16_224", 128)]
    [InlineData("pit_ti_distilled_224", 128)]
    [InlineData("convit_tiny", 128)]
    [InlineData("crossvit_tiny_240", 120)]
    [InlineData("crossvit_9_dagger_240", 120)]
    [InlineData("crossvit_15_dagger_408", 204)]
    public void Size_channels_and_classes_can_be_chosen(string name, int side)
    {
        using var _ = Construction.Meta();
        var network = Models.Create(name, new() { ImgSize = side, InChans = 1, NumClasses = 10 });
        Assert.Equal([3, 10], Graph.Trace(network, OpenAxes.Batch, [1, side, side, 1]).At([3, side, side, 1]).Outputs[0].Shape);
        network.ResetClassifier(0);
        Assert.Equal([2, network.NumFeatures], network.Forward(Tensor.Meta([2, side, side, 1])).Shape);
        Assert.All(new FeaturePyramid(network).GraphFor([1, side, side, 1]).Outputs, level => Assert.Equal(4, level.Shape.Rank));
    }

    [Fact]
    public void DINOv3_takes_images_of_whole_patches()
    {
        using var _ = Construction.Meta();
        var network = Models.Create("vit_tiny_patch16_dinov3_qkvb", new() { NumClasses = 10 });
        Assert.Equal([1, 10], network.Forward(Tensor.Meta([1, 320, 192, 3])).Shape);
        Assert.Contains("16x16", Assert.Throws<VertebraException>(() => network.Forward(Tensor.Meta([1, 250, 256, 3]))).Message);
    }

    [Fact]
    public void Positions_that_belong_to_a_size_refuse_others()
    {
        using var _ = Construction.Meta();
        foreach (var name in new[] { "eva02_tiny_patch14_224", "vit_relpos_small_patch16_224", "volo_d1_224", "tnt_s_patch16_224", "pit_ti_224", "convit_tiny" })
            Assert.Contains("img_size", Assert.Throws<VertebraException>(() => Models.Create(name).Forward(Tensor.Meta([1, 448, 448, 3]))).Message);
    }

    [Fact]
    public void CrossViT_joins_the_tokens_of_its_branches()
    {
        var network = Models.Create("crossvit_tiny_240", new() { ImgSize = 120, NumClasses = 10 });
        var x = OpCases.Uniform([2, 100, 130, 3], 1);
        var features = network.ForwardFeatures(x);
        Assert.Equal([2, (101 * 96) + (50 * 192)], features.Shape);
        Assert.Equal(network.Forward(x).ToArray<float>(), network.ForwardHead(features).ToArray<float>());
        Assert.Equal([2, 96 + 192], network.ForwardHead(features, preLogits: true).Shape);
        Assert.Contains("take 120, 240 or 480", Assert.Throws<VertebraException>(() => Models.Create("crossvit_tiny_240", new() { ImgSize = 128 })).Message);
    }

    [Fact]
    public void CrossViT_takes_the_names_of_its_authors_and_resamples_positions()
    {
        var published = Models.Create("crossvit_tiny_240").State().ToDictionary(s => s.Name.Replace("embed_", "embed.", StringComparison.Ordinal).Replace("token_", "token.", StringComparison.Ordinal), s => s.Tensor);
        Assert.Contains("pos_embed.1", published.Keys);
        var network = Models.Create("crossvit_tiny_240", new() { ImgSize = 120 });
        Assert.Equal(
            ["pos_embed_0: resampled from 20x20 to 10x10 patches", "pos_embed_1: resampled from 14x14 to 7x7 patches"], network.LoadPretrained(published, "published"));
        Assert.Equal(published["cls_token.1"].ToArray<float>(), network.State().Single(s => s.Name == "cls_token_1").Tensor.ToArray<float>());
    }
}
