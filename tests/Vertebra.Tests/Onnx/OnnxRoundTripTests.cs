using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Onnx;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Onnx;

/// <summary>What this project exports it reads again, and the network is the same.</summary>
public class OnnxRoundTripTests
{
    // One of each construction: deep stem, SE, ECA, blur, group norm, pre-activation, standardised weights, option A.
    [Theory]
    [InlineData("resnet20_cifar")]
    [InlineData("resnet10t")]
    [InlineData("test_resnet")]
    [InlineData("seresnext26d_32x4d")]
    [InlineData("ecaresnet26t")]
    [InlineData("resnetblur18")]
    [InlineData("resnet50_gn")]
    [InlineData("resnetv2_18d")]
    [InlineData("resnetv2_50x1_bit")]
    [InlineData("resnetv2_50d_evos")]
    public void A_network_read_back_gives_the_same_output_without_moving_axes(string name)
    {
        using var folder = new TemporaryFolder();
        using var off = GradMode.Off();
        var network = Models.Create(name, new() { NumClasses = 10 });
        GoldenValues.Fill(network, new Dictionary<string, int>());
        var traced = Graph.Trace(network, [1, 64, 64, 3]);
        OnnxExporter.Export(traced, folder["net.onnx"]);
        var model = OnnxModel.Load(folder["net.onnx"]);

        foreach (var batch in (int[])[1, 2])
        {
            var image = OpCases.Uniform([batch, 64, 64, 3], batch);
            var expected = network.Forward(image).ToArray<float>();
            Assert.True(RelativeError(model.Run(image.Permute([0, 3, 1, 2]))[0], expected) < 1e-4);
            Assert.True(RelativeError(model.ToGraph([batch, 3, 64, 64]).Run(image)[0], expected) < 1e-4);
        }

        var graph = model.ToGraph();
        Assert.DoesNotContain(graph.Nodes, n => n.Op is Permute && !traced.Nodes.Any(t => t.Op is Permute && t.ModulePath == n.ModulePath));
        Assert.Equal(traced.Nodes.Select(n => n.ModulePath).ToHashSet(), graph.Nodes.Select(n => n.ModulePath).ToHashSet());
        Assert.Equal(traced.Macs, graph.Macs);
        var weights = graph.Constants.Select(v => v.Name).ToHashSet();
        // Standardised weights are computed from the parameters, and constants of their own in the imported graph.
        Assert.Empty(traced.Nodes.Where(n => n.Op is Conv2d && n.Inputs[1].IsConstant).Select(n => n.Inputs[1].Name).Except(weights));
    }

    [Fact]
    public void A_graph_made_at_one_batch_size_runs_at_others()
    {
        using var folder = new TemporaryFolder();
        using var off = GradMode.Off();
        var network = Models.Create("test_resnet", new() { NumClasses = 10 });
        GoldenValues.Fill(network, new Dictionary<string, int>());
        OnnxExporter.Export(Graph.Trace(network, [1, 64, 64, 3]), folder["net.onnx"]);
        var graph = OnnxModel.Load(folder["net.onnx"]).ToGraph();
        var image = OpCases.Uniform([3, 64, 64, 3], 5);
        Assert.True(RelativeError(graph.Run(image)[0], network.Forward(image).ToArray<float>()) < 1e-5);
    }

    [Fact]
    public void Weights_of_products_are_the_tensors_that_were_read()
    {
        using var folder = new TemporaryFolder();
        var network = new TinyTransformer(fused: true);
        OnnxExporter.Export(network, [1, 16, 12, 3], folder["net.onnx"], new() { ExternalData = true });
        var model = OnnxModel.Load(folder["net.onnx"]);
        var (first, second) = (Constants(), Constants());
        foreach (var (name, weight) in network.NamedParameters().Where(p => p.Tensor.Rank == 2))
        {
            Assert.True(weight.ContentEquals(first[name]), name);
            Assert.Same(first[name], second[name]);
        }

        Dictionary<string, Tensor> Constants() => model.ToGraph().Constants.ToDictionary(v => v.Name, v => v.Data!);
    }

    private static double RelativeError(Tensor actual, float[] expected) =>
        Math.Sqrt(actual.ToArray<float>().Zip(expected, (a, e) => Math.Pow(a - e, 2)).Sum() / expected.Sum(e => Math.Pow(e, 2)));
}
