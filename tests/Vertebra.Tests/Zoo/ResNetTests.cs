using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Zoo;

public class ResNetTests
{
    [Theory]
    [InlineData("resnet50", 32, 7, 2048)]
    [InlineData("resnet50", 16, 14, 2048)]
    [InlineData("resnet50", 8, 28, 2048)]
    [InlineData("resnet34d", 8, 28, 512)]
    [InlineData("resnetaa50", 16, 14, 2048)]
    [InlineData("resnetblur50", 16, 14, 2048)]
    [InlineData("resnetv2_50", 8, 28, 2048)]
    [InlineData("resnetv2_18d", 16, 14, 512)]
    [InlineData("resnetv2_50x1_bit", 16, 14, 2048)]
    [InlineData("senet154", 16, 14, 2048)]
    public void Output_stride_sets_the_size_of_the_last_map_and_changes_no_weight(string name, int stride, int side, int channels)
    {
        using var _ = Construction.Meta();
        var network = Models.Create(name, new() { OutputStride = stride });
        Assert.Equal([2, side, side, channels], network.ForwardFeatures(Tensor.Meta([2, 224, 224, 3])).Shape);
        Assert.Equal(224 / side, network.FeatureInfo[^1].Reduction);
        var usual = Models.Create(name);
        Assert.Equal(usual.State().Select(s => (s.Name, s.Tensor.Shape)), network.State().Select(s => (s.Name, s.Tensor.Shape)));
        var maps = new FeaturePyramid(network).Forward(Tensor.Meta([1, 224, 224, 3]));
        Assert.Equal(network.FeatureInfo.Select(f => (224 / f.Reduction, f.Channels)), maps.Select(m => (m.Shape[1], m.Shape[3])));
    }

    // Dilation is striding put off: the dilated network seen at every second pixel is the strided one, as long as no border is near.
    [Fact]
    public void A_dilated_network_computes_the_strided_one_between_its_pixels()
    {
        using var off = GradMode.Off();
        var strided = Models.Create("resnet18");
        strided.Initialise(3);
        var dilated = Models.Create("resnet18", new() { OutputStride = 16 });
        dilated.Load(strided.State().ToDictionary(s => s.Name, s => s.Tensor), "copy");
        var image = Image(1, 512, 3);
        var coarse = strided.ForwardFeatures(image);
        var fine = dilated.ForwardFeatures(image);
        Assert.Equal(([1, 16, 16, 512], [1, 32, 32, 512]), (coarse.Shape, fine.Shape));
        for (var c = 0; c < 512; c += 7)
            Assert.Equal(coarse[0, 8, 8, c], fine[0, 16, 16, c], 1e-4f);
    }

    [Theory]
    [InlineData(GlobalPool.Avg, 7)]
    [InlineData(GlobalPool.Max, 7)]
    [InlineData(GlobalPool.AvgMax, 7)]
    [InlineData(GlobalPool.CatAvgMax, 7)]
    [InlineData(GlobalPool.CatAvgMax, 0)]
    public void Every_pool_gives_one_vector_per_image(GlobalPool pool, int classes)
    {
        using var off = GradMode.Off();
        foreach (var name in new[] { "test_resnet", "resnetv2_18", "resnet20_cifar" })
        {
            var network = Models.Create(name, new() { NumClasses = classes, GlobalPool = pool });
            var features = network.ForwardFeatures(Image(2, 64, 3));
            var pooled = network.ForwardHead(features, preLogits: true);
            var width = network.NumFeatures * (pool == GlobalPool.CatAvgMax ? 2 : 1);
            Assert.Equal([2, width], pooled.Shape);
            Assert.Equal([2, classes == 0 ? width : classes], network.ForwardHead(features).Shape);
            var (mean, max) = (features.ToArray<float>().Where((_, i) => i % network.NumFeatures == 0).Take(features.Shape[1] * features.Shape[2]).Average(),
                features.ToArray<float>().Where((_, i) => i % network.NumFeatures == 0).Take(features.Shape[1] * features.Shape[2]).Max());
            var expected = pool switch { GlobalPool.Max => max, GlobalPool.AvgMax => (mean + max) / 2, _ => mean };
            Assert.Equal(expected, pooled[0, 0], 1e-4f * Math.Max(1, Math.Abs(expected)));
        }
    }

    [Fact]
    public void Without_a_pool_and_a_classifier_the_map_comes_out()
    {
        using var _ = Construction.Meta();
        var network = Models.Create("resnet18", new() { NumClasses = 0, GlobalPool = GlobalPool.None });
        Assert.Equal([2, 7, 7, 512], network.Forward(Tensor.Meta([2, 224, 224, 3])).Shape);
    }

    [Fact]
    public void A_fresh_residual_branch_is_zero_so_that_blocks_start_as_their_shortcuts()
    {
        var network = Models.Create("resnet18");
        network.Initialise(1);
        Assert.All(network.NamedParameters().Where(p => p.Name.EndsWith("bn2.weight", StringComparison.Ordinal)), p => Assert.All(p.Tensor.ToArray<float>(), v => Assert.Equal(0, v)));
        Assert.All(network.NamedParameters().Where(p => p.Name.EndsWith("bn1.weight", StringComparison.Ordinal)), p => Assert.All(p.Tensor.ToArray<float>(), v => Assert.Equal(1, v)));
        var weights = network.NamedParameters().Single(p => p.Name == "layer1.0.conv1.weight").Tensor.ToArray<float>();
        Assert.Equal(2.0 / (64 * 9), weights.Average(w => (double)w * w), 2.0 / (64 * 9) * 0.05);
    }

    [Fact]
    public void Stochastic_depth_grows_linearly_and_is_off_in_evaluation()
    {
        using var off = GradMode.Off();
        foreach (var name in new[] { "resnet18", "resnetv2_18", "resnet20_cifar" })
        {
            var network = Models.Create(name, new() { DropPathRate = 0.7f });
            var rates = network.NamedModules().Select(m => m.Module).OfType<DropPath>().Select(d => d.Probability).ToArray();
            var blocks = name == "resnet20_cifar" ? 9 : 8;
            Assert.Equal(Enumerable.Range(1, blocks - 1).Select(i => 0.7f * i / (blocks - 1)), rates);
            GoldenValues.Fill(network, new Dictionary<string, int>()); // fresh branches are zero, and dropping them would change nothing
            var image = Image(2, 64, 3);
            Assert.Equal(network.Forward(image).ToArray<float>(), network.Forward(image).ToArray<float>());
            network.Train();
            Assert.NotEqual(network.Forward(image).ToArray<float>(), network.Forward(image).ToArray<float>());
        }
    }

    [Fact]
    public void Training_draws_repeat_with_seed_and_step()
    {
        using var off = GradMode.Off();
        var network = Models.Create("resnet20_cifar", new() { DropPathRate = 0.5f, DropRate = 0.5f });
        network.Train();
        var image = Image(4, 32, 3);
        float[] At(long step)
        {
            using var _ = TrainingRandom.Begin(1, step);
            return network.Forward(image).ToArray<float>();
        }
        Assert.Equal(At(3), At(3));
        Assert.NotEqual(At(3), At(4));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(6)]
    public void First_convolution_adapts_to_other_channels(int channels)
    {
        var source = Models.Create("test_resnet");
        source.Initialise(1);
        var target = Models.Create("test_resnet", new() { InChans = channels, NumClasses = 5 });
        var notes = target.LoadPretrained(source.State().ToDictionary(s => s.Name, s => s.Tensor), "rgb.safetensors");
        Assert.Equal(2, notes.Count);
        var (from, to) = (source["conv1.0"].State().First().Tensor, target["conv1.0"].State().First().Tensor);
        Assert.Equal([16, channels, 3, 3], to.Shape);
        for (var o = 0; o < 16; o += 5)
        {
            // timm: one channel sums red, green and blue; others repeat them, scaled by 3 / channels.
            if (channels == 1)
                Assert.Equal(from[o, 0, 1, 2] + from[o, 1, 1, 2] + from[o, 2, 1, 2], to[o, 0, 1, 2], 1e-6f);
            for (var c = 0; channels != 1 && c < channels; c++)
                Assert.Equal(from[o, c % 3, 1, 2] * 3 / channels, to[o, c, 1, 2], 1e-6f);
        }
        Assert.Equal(source["layer1"].State().First().Tensor.ToArray<float>(), target["layer1"].State().First().Tensor.ToArray<float>());
    }

    [Fact]
    public void Weights_of_another_network_are_refused_and_nothing_is_written()
    {
        var network = Models.Create("test_resnet");
        var before = network.State().First().Tensor.ToArray<float>();
        var other = Models.Create("resnet20_cifar").State().ToDictionary(s => s.Name, s => s.Tensor);
        Assert.Contains("wrong.pth does not fit", Assert.Throws<VertebraException>(() => network.LoadPretrained(other, "wrong.pth")).Message);
        Assert.Equal(before, network.State().First().Tensor.ToArray<float>());
    }

    [Fact]
    public void A_pyramid_computes_the_chosen_levels_only_and_gradients_flow_through_it()
    {
        var network = Models.Create("test_resnet");
        var pyramid = new FeaturePyramid(network, [0, -3]);
        Assert.Equal(["act1", "layer2"], pyramid.Levels.Select(l => l.Module));
        var image = Image(2, 64, 3);
        var maps = pyramid.Forward(image);
        Assert.Equal(([2, 32, 32, 32], [2, 8, 8, 48]), (maps[0].Shape, maps[1].Shape));
        Assert.DoesNotContain(pyramid.GraphFor(image.Shape).Nodes, n => n.ModulePath.StartsWith("layer3", StringComparison.Ordinal));
        Vertebra.Ops.TensorOps.Sum(maps[1]).Backward();
        Assert.NotNull(network.NamedParameters().First().Tensor.Grad);
        Assert.Null(network.NamedParameters().Single(p => p.Name == "fc.weight").Tensor.Grad);
        Assert.Contains("no feature level 5", Assert.Throws<VertebraException>(() => new FeaturePyramid(network, [5])).Message);
        network.Train();
        Assert.Contains("Eval()", Assert.Throws<VertebraException>(() => pyramid.Forward(image)).Message);
    }

    [Fact]
    public void The_traced_graph_computes_what_the_network_does()
    {
        using var off = GradMode.Off();
        foreach (var name in new[] { "test_resnet", "resnetv2_18d", "resnet20_cifar" })
        {
            var network = Models.Create(name);
            network.Initialise(2);
            var image = Image(2, 32, 3);
            var (expected, actual) = (network.Forward(image).ToArray<float>(), Graph.Trace(network, image.Shape).Run(image)[0].ToArray<float>());
            for (var i = 0; i < expected.Length; i++)
                Assert.Equal(expected[i], actual[i], 1e-4f * Math.Max(1, Math.Abs(expected[i])));
        }
    }

    private static Tensor Image(int count, int side, int channels) =>
        Tensor.From(Enumerable.Range(0, count * side * side * channels).Select(i => MathF.Sin((i * 0.37f) + (i % 11))).ToArray(), [count, side, side, channels]);
}
