using Vertebra.Graphs;
using Vertebra.Graphs.Profiling;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;

namespace Vertebra.Tests.Graphs.Profiling;

public class GraphProfileTests
{
    [Fact]
    public void Costs_of_a_small_network_are_those_computed_by_hand()
    {
        var profile = GraphProfile.Of(Graph.Trace(new Small(), [2, 8, 6, 3]));
        var (conv, relu, flat, linear) = (profile.Nodes[0].Cost, profile.Nodes[1].Cost, profile.Nodes[2].Cost, profile.Nodes[3].Cost);
        // 3x3 convolution with stride 2 and padding 1: [2, 8, 6, 3] -> [2, 4, 3, 5], 2·4·3·5 results of 27 products each.
        Assert.Equal(new Cost(140, 120 * 27, 120, 4 * ((2 * 8 * 6 * 3) + 135 + 5), 4 * 120, null), conv);
        Assert.Equal(new Cost(0, 0, 0, 480, 480, null), relu);
        Assert.Equal(new Cost(0, 0, 0, 0, 0, null), flat);
        Assert.Equal(new Cost(60 * 7, 2 * 60 * 7, 14, 4 * (120 + 420), 4 * 14, null), linear);
        Assert.Equal(conv + relu + linear, profile.Root.Cost);
        Assert.Equal(3240 / (4.0 * (288 + 140 + 120)), conv.Intensity);
    }

    [Fact]
    public void Modules_add_up_and_shared_parameters_count_once()
    {
        var graph = Graph.Trace(new Shared(), [1, 4]);
        var profile = GraphProfile.Of(graph);
        Assert.Equal(16, profile.Root.Cost.Parameters);
        Assert.Equal(32, profile.Root.Cost.Macs);
        Assert.Equal(["", "one", "one.inner"], profile.Root.All().Select(m => m.Path));
        Assert.Equal(profile.Root.Cost, profile.Nodes.Aggregate(Cost.None, (sum, n) => sum + n.Cost));
    }

    [Fact]
    public void Attention_counts_scores_and_results_as_two_products_would()
    {
        var (q, k) = (Tensor.Meta([2, 3, 5, 4]), Tensor.Meta([2, 3, 7, 4]));
        var net = new Lambda(x => new Attention(1).Apply(x, k, k));
        var composite = new Lambda(x => new MatMul(false, false).Apply(new MatMul(false, true).Apply(x, k), k));
        var (fused, apart) = (GraphProfile.Of(Graph.Trace(net, q.Shape)).Root.Cost, GraphProfile.Of(Graph.Trace(composite, q.Shape)).Root.Cost);
        Assert.Equal((apart.Macs, apart.Activations), (fused.Macs, fused.Activations));
        Assert.Equal((2 * 3 * 5 * 7) + (2 * 3 * 5 * 4), fused.Activations);
    }

    // infer_macts and infer_gmacs of timm's results/benchmark-infer-amp-nchw-pt113-cu117-rtx3090.csv, in millions and billions.
    [Theory]
    [InlineData("resnet18", 224, 2.48, 1.82)]
    [InlineData("resnet18d", 224, 3.29, 2.06)]
    [InlineData("resnet34", 224, 3.74, 3.67)]
    [InlineData("resnet26t", 256, 10.52, 3.35)]
    [InlineData("resnet50", 224, 11.11, 4.11)]
    [InlineData("resnet50d", 224, 11.92, 4.35)]
    [InlineData("seresnet18", 224, 2.49, 1.82)]
    [InlineData("resnetblur18", 224, 3.39, 2.34)]
    [InlineData("ecaresnetlight", 224, 8.42, 4.11)]
    [InlineData("resnetv2_50", 224, 11.11, 4.11)]
    [InlineData("seresnext26t_32x4d", 224, 10.09, 2.7)]
    public void Activations_are_those_that_timm_publishes(string name, int size, double millions, double gigaMacs)
    {
        var cost = Profile(name, size).Root.Cost;
        Assert.InRange(cost.Activations / 1e6, millions - 0.0101, millions + 0.0101);
        Assert.InRange(cost.Macs / 1e9, gigaMacs * 0.99, gigaMacs * 1.01);
    }

    [SharedFact]
    public void Parameters_and_multiply_accumulates_of_every_model_are_those_of_the_table()
    {
        var rows = File.ReadLines(SharedData.PathOf("reference/zoo/all_models.csv")).Skip(1).Select(l => l.Split(',')).ToDictionary(f => f[0]);
        var compared = 0;
        foreach (var model in Models.List().Where(m => rows.ContainsKey(m.Name)))
        {
            var cost = Profile(model.Name, null).Root.Cost;
            Assert.Equal($"{model.Name} {rows[model.Name][4]} {rows[model.Name][5]}", $"{model.Name} {cost.Parameters} {cost.Macs}");
            compared++;
        }
        Assert.True(compared >= 100, $"only {compared} models were compared");
    }

    [Fact]
    public void Measured_times_are_there_for_every_node_and_add_up_to_the_run()
    {
        var graph = Graph.Trace(new Small(), [2, 8, 6, 3]);
        var profile = GraphProfile.Measure(graph, [OpCases.Uniform([2, 8, 6, 3], 1)]);
        Assert.All(profile.Nodes, n => Assert.True(n.Cost.Milliseconds >= 0));
        Assert.InRange(profile.Root.Cost.Milliseconds!.Value, 0.2 * profile.TotalMilliseconds!.Value, 3 * profile.TotalMilliseconds.Value);
        var roofline = new Roofline(profile, new MachineSpeed(100, 20));
        Assert.Equal(5, roofline.Machine.Ridge);
        Assert.Equal([false, false, false, false], profile.Nodes.Select(roofline.IsBoundByArithmetic));
        Assert.Equal((0d, 0d), (roofline.ArithmeticTimeShare, roofline.ArithmeticMacShare));
        Assert.Equal([true, false, false, false], profile.Nodes.Select(new Roofline(profile, new(10, 20)).IsBoundByArithmetic));
    }

    [Fact]
    public void The_ceilings_of_this_machine_are_finite_and_remembered()
    {
        var speed = MachineSpeed.Measure();
        Assert.InRange(speed.GigaMacsPerSecond, 0.01, 1e5);
        Assert.InRange(speed.GigaBytesPerSecond, 0.1, 1e4);
        Assert.Same(speed, MachineSpeed.Measure());
        Assert.Equal(Math.Max(2000 / speed.GigaMacsPerSecond, 4000 / speed.GigaBytesPerSecond) / 1e6, speed.LeastMilliseconds(2000, 4000), 12);
    }

    private static GraphProfile Profile(string name, int? size)
    {
        using var meta = Construction.Meta();
        var network = Models.Create(name);
        var input = Models.Find(name).Config.InputSize;
        return GraphProfile.Of(Graph.Trace(network, [1, size ?? input.Height, size ?? input.Width, input.Channels]));
    }

    private sealed class Small : Module
    {
        private readonly Tensor _kernel;
        private readonly Tensor _bias;
        private readonly Tensor _weight;

        public Small()
        {
            _kernel = Parameter("kernel", [5, 3, 3, 3], Init.Ones);
            _bias = Parameter("bias", [5], Init.Zeros);
            _weight = Parameter("weight", [7, 60], Init.Ones);
        }

        protected override Tensor OnForward(Tensor x) =>
            x.Conv2d(_kernel, _bias, stride: 2, padding: 1).Relu().Flatten(1).Linear(_weight);
    }

    private sealed class Shared : Module
    {
        private readonly Outer _one;

        public Shared() => _one = Child("one", new Outer());

        protected override Tensor OnForward(Tensor x) => _one.Forward(_one.Forward(x));
    }

    private sealed class Outer : Module
    {
        private readonly Inner _inner;

        public Outer() => _inner = Child("inner", new Inner());

        protected override Tensor OnForward(Tensor x) => _inner.Forward(x).Relu();
    }

    private sealed class Inner : Module
    {
        private readonly Tensor _weight;

        public Inner() => _weight = Parameter("weight", [4, 4], Init.Ones);

        protected override Tensor OnForward(Tensor x) => x.Linear(_weight);
    }

    private sealed class Lambda(Func<Tensor, Tensor> forward) : Module
    {
        protected override Tensor OnForward(Tensor x) => forward(x);
    }
}
