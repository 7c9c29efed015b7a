using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;

namespace Vertebra.Tests.Graphs;

public class GraphModuleTests
{
    private static readonly Shape Images = [2, 64, 64, 3];

    [Theory]
    [InlineData("resnet18")]
    [InlineData("seresnext26d_32x4d")]
    [InlineData("resnetv2_50x1_bit")]
    [InlineData("resnet20_cifar")]
    public void It_gives_the_bits_of_the_traced_module_in_inference(string name)
    {
        var network = Network(name);
        var module = new GraphModule(Graph.Trace(network, Images));
        var image = OpCases.Uniform(Images, 3);
        using var off = GradMode.Off();
        Assert.Equal(network.Forward(image).ToArray<float>(), module.Forward(image).ToArray<float>());
    }

    [Theory]
    [InlineData("resnet18")]
    [InlineData("resnet20_cifar")]
    public void It_trains_as_the_traced_module_does(string name)
    {
        var (network, other) = (Network(name), Network(name));
        var module = new GraphModule(Graph.Trace(other, Images));
        var image = OpCases.Uniform(Images, 3);
        network.Train();
        module.Train();
        network.Forward(image).Square().Sum().Backward();
        module.Forward(image).Square().Sum().Backward();
        var expected = network.NamedParameters().ToDictionary(p => p.Name, p => p.Tensor.Grad!.ToArray<float>());
        var actual = module.NamedParameters().ToDictionary(p => p.Name, p => p.Tensor.Grad!.ToArray<float>());
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        foreach (var (parameter, gradient) in expected)
            Assert.Equal(gradient, actual[parameter]);
        var buffers = network.NamedBuffers().Where(b => b.Tensor.DType == DType.Float32).ToDictionary(b => b.Name, b => b.Tensor.ToArray<float>());
        Assert.Equal(buffers.Keys.Order(), module.NamedBuffers().Select(b => b.Name).Order());
        foreach (var (buffer, tensor) in module.NamedBuffers())
            Assert.Equal(buffers[buffer], tensor.ToArray<float>());
    }

    [Fact]
    public void Dropouts_drop_in_training_where_the_module_dropped()
    {
        var network = (Backbone)Models.Create("resnet18", new ModelOptions { DropRate = 0.5f, DropPathRate = 0.3f, NumClasses = 10 });
        network.Initialise(1);
        var module = new GraphModule(Graph.Trace(network, Images));
        var image = OpCases.Uniform(Images, 3);
        using var off = GradMode.Off();
        Assert.Equal(network.Forward(image).ToArray<float>(), module.Forward(image).ToArray<float>());
        network.Train();
        module.Train();
        float[] expected, actual;
        using (TrainingRandom.Begin(5, 7))
            expected = network.Forward(image).ToArray<float>();
        using (TrainingRandom.Begin(5, 7))
            actual = module.Forward(image).ToArray<float>();
        Assert.Equal(expected, actual);
        using (TrainingRandom.Begin(5, 8))
            Assert.NotEqual(actual, module.Forward(image).ToArray<float>());
    }

    [Fact]
    public void It_is_traced_to_the_same_graph_again()
    {
        var graph = Graph.Trace(Network("resnet18"), Images);
        var again = Graph.Trace(new GraphModule(graph), Images);
        Assert.Equal(graph.Nodes.Select(n => (n.Op, n.ModulePath)), again.Nodes.Select(n => (n.Op, n.ModulePath)));
        Assert.Equal(graph.Constants.Select(c => c.Name), again.Constants.Select(c => c.Name));
        Assert.Equal(graph.ModuleOutputs.Keys.Order(), again.ModuleOutputs.Keys.Order());
        Assert.Equal(graph.Nodes.Select(n => n.Outputs[0].Name), again.Nodes.Select(n => n.Outputs[0].Name));
    }

    [Fact]
    public void Any_value_can_be_tapped_by_name()
    {
        var network = Network("resnet18");
        var graph = Graph.Trace(network, Images);
        var module = new GraphModule(graph);
        var image = OpCases.Uniform(Images, 3);
        var taps = module.Tap(image, "layer1", "layer1.0.conv1.Conv2d", "layer4.1");
        Assert.Equal([[2, 16, 16, 64], [2, 16, 16, 64], [2, 2, 2, 512]], taps.Select(t => t.Shape.Span.ToArray()));
        Assert.Equal(graph.WithOutputs(graph.OutputOf("layer1")).Run(image)[0].ToArray<float>(), taps[0].ToArray<float>());
        foreach (var value in graph.Nodes.SelectMany(n => n.Outputs))
            Assert.Same(value, graph[value.Name]);
    }

    [Fact]
    public void Weights_keep_the_names_they_had()
    {
        var module = new GraphModule(Graph.Trace(Network("resnet18"), Images));
        var state = Network("resnet18").State().Select(s => s.Name).Where(n => !n.EndsWith("num_batches_tracked", StringComparison.Ordinal));
        Assert.Equal(state.Order(), module.State().Select(s => s.Name).Order());
    }

    private static Backbone Network(string name)
    {
        var network = (Backbone)Models.Create(name, new ModelOptions { NumClasses = 10 });
        network.Initialise(1);
        return network;
    }
}
