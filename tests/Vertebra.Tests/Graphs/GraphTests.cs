using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Graphs;

public class GraphTests
{
    [Fact]
    public void A_traced_graph_gives_the_bits_of_its_module()
    {
        var module = new Twice(3);
        var graph = Graph.Trace(module, [2, 3]);
        var x = OpCases.Uniform([2, 3], 1);
        Assert.Equal(module.Forward(x).ToArray<float>(), graph.Run(x)[0].ToArray<float>());
        using var off = GradMode.Off();
        Assert.Equal(module.Forward(x).ToArray<float>(), graph.Run(x)[0].ToArray<float>());
        Assert.Equal(module.Forward(x).ToArray<float>(), graph.Run(x)[0].ToArray<float>());
    }

    [Fact]
    public void Nodes_carry_module_paths_and_constants_their_state_names()
    {
        var graph = Graph.Trace(new Twice(3), [2, 3]);
        Assert.Equal(["first", "first", "second", "second", ""], graph.Nodes.Select(n => n.ModulePath));
        Assert.Equal(["first.scale", "first.shift", "second.scale", "second.shift"], graph.Constants.Select(c => c.Name));
        Assert.Equal("first.Add", graph.OutputOf("first").Name);
        Assert.Contains("first", Assert.Throws<VertebraException>(() => graph.OutputOf("third")).Message);
    }

    [Fact]
    public void A_tap_keeps_only_what_it_needs_and_views_keep_their_memory()
    {
        var module = new Twice(3);
        var graph = Graph.Trace(module, [2, 3]);
        var tap = graph.WithOutputs(graph.OutputOf("first"), graph.OutputOf(""));
        using var off = GradMode.Off();
        var results = tap.Run(OpCases.Uniform([2, 3], 1));
        Assert.Equal([6], results[1].Shape);
        Assert.Equal([2, 3], results[0].Shape);
        Assert.Equal(2, graph.WithOutputs(graph.OutputOf("first")).Nodes.Count);
        Assert.Equal(module.Forward(OpCases.Uniform([2, 3], 1)).ToArray<float>(), results[1].ToArray<float>());
    }

    [Fact]
    public void Gradients_flow_through_a_graph_as_through_its_module()
    {
        var module = new Twice(3);
        var graph = Graph.Trace(module, [2, 3]);
        var x = OpCases.Uniform([2, 3], 1);
        module.Forward(x).Sum().Backward();
        var expected = module.NamedParameters().Select(p => p.Tensor.Grad!.ToArray<float>()).ToList();
        module.ZeroGrad();
        graph.Run(x)[0].Sum().Backward();
        Assert.Equal(expected, module.NamedParameters().Select(p => p.Tensor.Grad!.ToArray<float>()));
    }

    [Fact]
    public void Reading_data_while_tracing_is_refused() =>
        Assert.Contains("meta", Assert.Throws<VertebraException>(() => Graph.Trace(new Peeking(), [2])).Message);

    [Fact]
    public void An_inconsistent_graph_is_refused()
    {
        var input = new Value("x", new([2], DType.Float32));
        var wrong = new Value("y", new([3], DType.Float32));
        var node = new Node(0, new Add(), [input, input], [wrong], "");
        Assert.Contains("should give", Assert.Throws<VertebraException>(() => new Graph([input], [node], [wrong])).Message);
        Assert.Contains("nothing before", Assert.Throws<VertebraException>(() => new Graph([], [node], [wrong])).Message);
        Assert.Contains("computed by nothing", Assert.Throws<VertebraException>(() => new Graph([input], [], [wrong])).Message);
    }

    private sealed class Affine : Module
    {
        private readonly Tensor _scale;
        private readonly Tensor _shift;

        public Affine(int width) => (_scale, _shift) = (Parameter("scale", [width], Init.Normal(1)), Parameter("shift", [width], Init.Normal(1)));

        protected override Tensor OnForward(Tensor x) => (x * _scale) + _shift;
    }

    private sealed class Twice : Module
    {
        private readonly Affine _first;
        private readonly Affine _second;

        public Twice(int width) => (_first, _second) = (Child("first", new Affine(width)), Child("second", new Affine(width)));

        protected override Tensor OnForward(Tensor x) => _second.Forward(_first.Forward(x)).Reshape([-1]);
    }

    private sealed class Peeking : Module
    {
        protected override Tensor OnForward(Tensor x) => x[0] > 0 ? x : x + x;
    }
}
