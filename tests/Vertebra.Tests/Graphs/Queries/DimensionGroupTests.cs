using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Graphs.Queries;

/// <summary>The groups of small networks with every construction known to be hard: as expected by hand, and proved by running.</summary>
public class DimensionGroupTests
{
    public static TheoryData<string> Samples => [.. SampleNetworks.All.Keys];

    [Theory]
    [MemberData(nameof(Samples))]
    public void Groups_are_complete_and_can_go_and_be_permuted(string name)
    {
        var (groups, x) = GroupsOf(name);
        GroupChecks.Complete(groups);
        Assert.NotEmpty(groups.Prunable);
        using var off = GradMode.Off();
        for (var seed = 0; seed < 8; seed++)
        {
            var random = new Random(seed);
            GroupChecks.Permuting(groups, x, random);
            var pruned = GroupChecks.Pruned(groups, random, count: 1 + (seed % 4));
            Assert.Equal(groups.Graph.Outputs[0].Shape, pruned.Run(x)[0].Shape);
            // What is left has groups again, and can go further.
            GroupChecks.Pruned(pruned.DimensionGroups(), random, count: 2);
        }
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void Zero_invariant_elements_go_without_a_trace(string name)
    {
        var (groups, x) = GroupsOf(name);
        foreach (var group in groups.ZeroInvariant)
            GroupChecks.GoingWithoutTrace(group, x, new Random(7));
    }

    [Fact]
    public void Residual_adds_tie_the_channels_of_a_stage()
    {
        var groups = GroupsOf("residual").Groups;
        var stage = Group(groups, "stem/weight", 0);
        Assert.Equal(
            ["stem/weight[0]", "stem/norm/weight[0]", "stem/norm/bias[0]", "stem/norm/mean[0]", "stem/norm/var[0]", "a1/weight[1]",
                "a2/weight[0]", "a2/norm/weight[0]", "a2/norm/bias[0]", "a2/norm/mean[0]", "a2/norm/var[0]", "b1/weight[1]",
                "b2/weight[0]", "b2/norm/weight[0]", "b2/norm/bias[0]", "b2/norm/mean[0]", "b2/norm/var[0]", "head/weight[1]"],
            stage.Members.Select(m => $"{m}"));
        Assert.Equal(["a1/weight[1]", "b1/weight[1]", "head/weight[1]"], stage.Members.Where(m => m.IsContracted).Select(m => $"{m}"));
        Assert.Equal(3, groups.Prunable.Count());
        Assert.All(groups.Prunable, g => Assert.True(g.IsZeroInvariant));
        Assert.Contains("input", Group(groups, "stem/weight", 1).FixedBecause!);
        Assert.Contains("output", Group(groups, "head/weight", 0).FixedBecause!);
        Assert.Contains("kernel", Group(groups, "a2/weight", 2).FixedBecause!);
    }

    [Fact]
    public void Flattening_ties_all_positions_of_an_image_to_a_channel()
    {
        var groups = GroupsOf("conv flatten linear").Groups;
        var channels = Group(groups, "conv/weight", 0);
        var slices = channels.Element(2).ToDictionary(s => $"{s.Member}", s => s.Positions);
        Assert.Equal([2], slices["conv/weight[0]"]);
        Assert.Equal(Enumerable.Range(0, 9).Select(i => (i * 5) + 2), slices["fc1/weight[1]"]);
    }

    [Fact]
    public void Of_a_head_either_all_can_go_or_a_position_in_every_head()
    {
        var groups = GroupsOf("vision transformer").Groups;
        var along = groups.Along(Constant(groups, "0/proj/weight"), 1);
        Assert.Equal([3, 4], along.Select(g => g.Size));
        var (heads, widths) = (along[0], along[1]);
        var qkv = Constant(groups, "0/qkv/weight");
        Assert.Equal([4, 5, 6, 7, 16, 17, 18, 19, 28, 29, 30, 31], heads.Positions(qkv, 0, 1));
        Assert.Equal([1, 5, 9, 13, 17, 21, 25, 29, 33], widths.Positions(qkv, 0, 1));
        var pruned = groups.Graph.Without(heads, 1);
        Assert.Equal([24, 12], pruned.Constants.Single(c => c.Name == "0/qkv/weight").Shape);
        Assert.Equal([12, 8], pruned.Constants.Single(c => c.Name == "0/proj/weight").Shape);
        Assert.Contains(pruned.Nodes, n => n.Op is Reshape { Target: [2, 5, 3, 2, 4] });
        Assert.Contains(pruned.Nodes, n => n.Op is Reshape { Target: [2, 5, 8] });
    }

    [Fact]
    public void Of_a_grouped_convolution_either_a_group_can_go_or_a_position_in_every_group()
    {
        var groups = GroupsOf("grouped convolution with multiplier").Groups;
        var weight = Constant(groups, "b/weight"); // 8 to 12 channels in 4 groups, before 12 groups of 1 to 2
        var outputs = groups.Along(weight, 0);
        Assert.Equal([4, 3], outputs.Select(g => g.Size));
        var whole = groups.Graph.Without(outputs[0], 3);
        Assert.Equal([3, 9], whole.Nodes.Select(n => n.Op).OfType<Conv2d>().Where(c => c.Groups > 1).Select(c => c.Groups));
        Assert.Equal([9, 2, 3, 3], whole.Constants.Single(c => c.Name == "b/weight").Shape);
        var within = groups.Graph.Without(groups.Along(weight, 1)[0], 0);
        Assert.Equal([4, 12], within.Nodes.Select(n => n.Op).OfType<Conv2d>().Where(c => c.Groups > 1).Select(c => c.Groups));
        Assert.Equal([12, 1, 3, 3], within.Constants.Single(c => c.Name == "b/weight").Shape);
    }

    [Theory]
    [InlineData("group and instance norms", "a/weight", new[] { true, false })] // whole groups; positions within, whose statistics change
    [InlineData("vision transformer", "patch/weight", new[] { false })] // layer norm
    [InlineData("gated linear unit", "in/weight", new[] { true })]
    [InlineData("channel attention along channels (ECA)", "a/weight", new[] { false })] // its neighbours meet
    [InlineData("standardised weights", "b/weight", new[] { true })] // a kernel of zeros stays one
    [InlineData("standardised weights", "a/weight", new[] { false })] // inputs of kernels share statistics
    [InlineData("attention by products, keys and values of one head", "q/weight", new[] { false, true })] // a head has no values of its own
    public void Zero_invariance_is_found_where_it_is(string network, string weight, bool[] expected)
    {
        var groups = GroupsOf(network).Groups;
        Assert.Equal(expected, groups.Along(Constant(groups, weight), 0).Select(g => g.IsZeroInvariant));
    }

    [Fact]
    public void Neighbours_along_a_kernel_keep_their_order()
    {
        var groups = GroupsOf("channel attention along channels (ECA)").Groups;
        var channels = Group(groups, "a/weight", 0);
        Assert.True(channels.IsPrunable && !channels.IsPermutable);
        Assert.Contains("kernel", Assert.Throws<VertebraException>(() => groups.Graph.Permuted(channels, [1, 0, 2, 3, 4, 5])).Message);
        Assert.Contains("kernel", Assert.Throws<VertebraException>(() => groups.Graph.Keeping(new Dictionary<DimensionGroup, IReadOnlyList<int>> { [channels] = [1, 0] })).Message);
    }

    [Fact]
    public void What_cannot_be_done_is_refused_in_words()
    {
        var groups = GroupsOf("residual").Groups;
        var (graph, stage, fixedGroup) = (groups.Graph, Group(groups, "stem/weight", 0), Group(groups, "stem/weight", 1));
        string Message(Action action) => Assert.Throws<VertebraException>(action).Message;
        Assert.Contains("input", Message(() => graph.Without(fixedGroup, 0)));
        Assert.Contains("0 to 5, not 6", Message(() => graph.Without(stage, 6)));
        Assert.Contains("at least one", Message(() => graph.Without(stage, Enumerable.Range(0, 6))));
        Assert.Contains("each of the 6", Message(() => graph.Permuted(stage, [0, 1])));
        Assert.Contains("twice", Message(() => graph.Keeping(new Dictionary<DimensionGroup, IReadOnlyList<int>> { [stage] = [0, 0] })));
        Assert.Contains("another graph", Message(() => graph.Without(stage, 0).Without(stage, 0)));
        Assert.Throws<ArgumentOutOfRangeException>(() => stage.Element(6));
    }

    [Fact]
    public void Weights_that_do_not_change_are_shared_and_names_stay()
    {
        var groups = GroupsOf("residual").Groups;
        var pruned = groups.Graph.Without(Group(groups, "a1/weight", 0), 0, 1);
        Assert.Equal(groups.Graph.Constants.Select(c => c.Name), pruned.Constants.Select(c => c.Name));
        Assert.Same(Constant(groups, "b1/weight"), pruned.Constants.Single(c => c.Name == "b1/weight"));
        Assert.True(pruned.Constants.Single(c => c.Name == "a1/weight").Data!.RequiresGrad);
        Assert.Equal(groups.Graph.Nodes.Select(n => (n.Id, n.ModulePath)), pruned.Nodes.Select(n => (n.Id, n.ModulePath)));
    }

    [Theory]
    [InlineData("residual", OpenAxes.Batch | OpenAxes.Size, new[] { 3, 12, 10, 3 })]
    [InlineData("conv flatten linear", OpenAxes.Batch, new[] { 5, 6, 6, 3 })]
    [InlineData("vision transformer", OpenAxes.Batch, new[] { 3, 8, 8, 3 })]
    [InlineData("attention by products, keys and values of one head", OpenAxes.Batch, new[] { 3, 5, 6 })]
    public void A_pruned_graph_runs_at_the_sizes_that_were_left_open(string name, OpenAxes open, int[] other)
    {
        var (shape, create) = SampleNetworks.All[name];
        var network = create();
        network.Forward(Tensor.Meta(shape));
        var graph = Graph.Trace(network, open, shape);
        var groups = graph.DimensionGroups();
        var x = OpCases.Uniform(other, 5);
        GroupChecks.Permuting(groups, x, new Random(3));
        var pruned = GroupChecks.Pruned(groups, new Random(3), count: groups.Prunable.Count());
        Assert.True(pruned.IsDynamic);
        Assert.Equal(graph.Run(x)[0].Shape, pruned.Run(x)[0].Shape);
        foreach (var group in groups.ZeroInvariant.Take(3))
            GroupChecks.GoingWithoutTrace(group, x, new Random(7));
    }

    [Fact]
    public void A_pruned_graph_trains()
    {
        var (groups, x) = GroupsOf("residual");
        var module = new GraphModule(groups.Graph.Without(Group(groups, "stem/weight", 0), 1, 2));
        module.Forward(x).Sum().Backward();
        Assert.All(module.NamedParameters(), p => Assert.Equal(p.Tensor.Shape, p.Tensor.Grad!.Shape));
    }

    private static Value Constant(DimensionGroups groups, string name) => groups.Graph.Constants.Single(c => c.Name == name);

    private static DimensionGroup Group(DimensionGroups groups, string name, int axis) => Assert.Single(groups.Along(Constant(groups, name), axis));

    private static (DimensionGroups Groups, Tensor Input) GroupsOf(string name)
    {
        var (shape, create) = SampleNetworks.All[name];
        var network = create();
        network.Forward(Tensor.Meta(shape)); // makes the weights
        var graph = Graph.Trace(network, shape);
        GroupChecks.Randomise(graph);
        return (graph.DimensionGroups(), OpCases.Uniform(shape, 5));
    }
}
