using Vertebra.Autograd;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Training.Distillation;

/// <summary>Inner maps of an eager pass: those of the traced pyramid in evaluation, and in training such that gradients flow.</summary>
public class FeatureForwardTests
{
    [Theory]
    [InlineData("resnet20_cifar", 32)]
    [InlineData("resnet18", 64)]
    [InlineData("mobilenetv3_small_050", 64)]
    [InlineData("convnext_atto", 64)]
    [InlineData("vit_tiny_patch16_224", 64)]
    [InlineData("deit_tiny_distilled_patch16_224", 64)]
    [InlineData("pit_ti_distilled_224", 64)]
    public void Maps_are_those_of_the_pyramid_and_teach_in_training(string name, int side)
    {
        var network = Models.Create(name, new() { NumClasses = 5, ImgSize = side });
        network.Initialise(1);
        var images = Images([2, side, side, 3]);
        var (logits, maps) = network.ForwardWithFeatures(images);
        Assert.Equal(network.Forward(images).ToArray<float>(), logits.ToArray<float>());
        var expected = new FeaturePyramid(network).Forward(images);
        Assert.Equal(expected.Length, maps.Length);
        foreach (var (map, reference) in maps.Zip(expected))
        {
            Assert.Equal(reference.Shape, map.Shape);
            Assert.Equal(reference.ToArray<float>(), map.ToArray<float>());
        }

        network.Train();
        using var random = TrainingRandom.Begin(1, 1);
        var last = network.ForwardWithFeatures(images).Maps[^1];
        last.Square().Mean().Backward();
        Assert.Contains(network.NamedParameters(), p => p.Tensor.Grad is { } g && g.ToArray<float>().Any(v => v != 0));
    }

    [Fact]
    public void A_watch_ends_and_says_what_has_not_run()
    {
        var network = Models.Create("resnet20_cifar", new() { NumClasses = 5 });
        using (var watch = new ModuleWatch(network["linear"]))
        {
            Assert.Contains("has not run", Assert.Throws<VertebraException>(() => watch[network["linear"]]).Message);
            var logits = network.Forward(Images([1, 32, 32, 3]));
            Assert.Same(logits, watch[network["linear"]]);
        }
        Assert.Null(Vertebra.Ops.OpRecording.Current);
    }

    private static Tensor Images(Shape shape)
    {
        var values = new float[shape.ElementCount];
        new Philox(3, 1).FillNormal(values);
        return Tensor.From(values, shape);
    }
}
