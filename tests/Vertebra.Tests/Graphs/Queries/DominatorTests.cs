using Vertebra.Graphs;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Graphs.Queries;

public class DominatorTests
{
    [Fact]
    public void Dominators_are_the_nodes_without_which_another_is_out_of_reach()
    {
        for (var seed = 0; seed < 60; seed++)
        {
            var graph = RandomGraph(seed);
            var (forward, backward) = (graph.Dominators(), graph.PostDominators());
            foreach (var b in graph.Nodes)
            {
                var before = graph.Nodes.Where(a => IsReached(graph, b, without: null) && (a == b || !IsReached(graph, b, without: a))).ToList();
                var after = graph.Nodes.Where(a => Leaves(graph, b, without: null) && (a == b || !Leaves(graph, b, without: a))).ToList();
                Assert.Equal(before, forward.Of(b).OrderBy(n => n.Id));
                Assert.Equal(after, backward.Of(b).OrderBy(n => n.Id));
                Assert.Equal(before.LastOrDefault(a => a != b), forward.ImmediateOf(b));
                Assert.Equal(after.FirstOrDefault(a => a != b), backward.ImmediateOf(b));
                Assert.All(graph.Nodes, a => Assert.Equal(before.Contains(a), forward.Dominates(a, b)));
            }
            var ends = graph.Nodes.Where(n => IsReached(graph, n, null) && n.Outputs.Any(graph.Outputs.Contains)).ToList();
            var everywhere = graph.Nodes.Where(a => ends.Count > 0 && ends.TrueForAll(e => forward.Dominates(a, e)));
            Assert.Equal(everywhere, forward.Bottlenecks());
        }
    }

    [Fact]
    public void Reachability_agrees_with_a_search()
    {
        for (var seed = 0; seed < 30; seed++)
        {
            var graph = RandomGraph(seed);
            foreach (var node in graph.Nodes)
            {
                var after = graph.Nodes.Where(n => n != node && Follows(node, n)).ToList();
                Assert.Equal(after, graph.DescendantsOf(node));
                Assert.Equal(graph.Nodes.Where(n => n != node && Follows(n, node)), graph.AncestorsOf(node));
                Assert.All(graph.Nodes, n => Assert.Equal(after.Contains(n), graph.Reaches(node, n)));
            }

            bool Follows(Node from, Node to) => to.Inputs.Any(v => from.Outputs.Contains(v) || (graph.Nodes.FirstOrDefault(n => n.Outputs.Contains(v)) is { } p && Follows(from, p)));
        }
    }

    [Fact]
    public void The_bottlenecks_of_a_residual_network_are_its_stem_the_ends_of_its_blocks_and_its_head()
    {
        using var meta = Vertebra.Nn.Construction.Meta();
        var graph = Graph.Trace(Models.Create("resnet18"), [1, 64, 64, 3]);
        var bottlenecks = graph.Dominators().Bottlenecks();
        Assert.Equal(bottlenecks, graph.PostDominators().Bottlenecks());
        Assert.Equal(["layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1", "layer4.0", "layer4.1"],
            bottlenecks.Where(n => n.Op is Add).Select(n => n.ModulePath.Split(".bn")[0]));
        Assert.Equal("conv1", bottlenecks[0].ModulePath);
        Assert.Equal("fc", bottlenecks[^1].ModulePath);
        Assert.DoesNotContain(bottlenecks, n => n.ModulePath.EndsWith(".conv1", StringComparison.Ordinal));
    }

    // Sums of two earlier values, some of them constants, with several inputs and outputs.
    private static Graph RandomGraph(int seed)
    {
        var random = new Random(seed);
        var spec = new TensorSpec([2], DType.Float32);
        var inputs = Enumerable.Range(0, random.Next(1, 3)).Select(i => new Value($"x{i}", spec)).ToList();
        var values = new List<Value>(inputs) { new("w", spec, Tensor.Ones([2])) };
        var nodes = new List<Node>();
        for (var i = 0; i < random.Next(1, 14); i++)
        {
            // Mostly recent values: long chains have the more interesting dominators.
            Value Pick() => values[Math.Max(0, values.Count - 1 - random.Next(random.Next(1, 6)))];
            var node = new Node(i, new Add(), [Pick(), Pick()], [new($"y{i}", spec)], "");
            nodes.Add(node);
            values.Add(node.Outputs[0]);
        }
        return new(inputs, nodes, [.. nodes.Where((_, i) => i == nodes.Count - 1 || random.Next(6) == 0).Select(n => n.Outputs[0])]);
    }

    private static bool IsReached(Graph graph, Node target, Node? without) => target != without && target.Inputs.Any(v =>
        graph.Inputs.Contains(v) || (graph.Nodes.FirstOrDefault(n => n.Outputs.Contains(v)) is { } producer && IsReached(graph, producer, without)));

    private static bool Leaves(Graph graph, Node source, Node? without) => source != without && (source.Outputs.Any(graph.Outputs.Contains)
        || graph.Nodes.Any(n => n.Inputs.Any(source.Outputs.Contains) && Leaves(graph, n, without)));
}
