using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Tests.Cases;
using Vertebra.Tests.Onnx;
using Vertebra.Zoo;

namespace Vertebra.Tests.Graphs.Queries;

/// <summary>The dimension groups of every registered network.</summary>
public class ZooGroupTests
{
    [Fact]
    public void In_every_network_elements_of_random_groups_can_go()
    {
        var failures = new List<string>();
        foreach (var model in Models.List())
        {
            try
            {
                var groups = Traced(model.Name).DimensionGroups();
                GroupChecks.Complete(groups);
                var random = new Random(model.Name.Length);
                Assert.NotEmpty(groups.Prunable);
                GroupChecks.Pruned(groups, random, count: 1);
                GroupChecks.Pruned(groups, random, count: groups.Prunable.Count());
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                failures.Add($"{model.Name}: {e.GetType().Name} {e.Message}");
            }
        }
        Assert.True(failures.Count == 0, $"{failures.Count} networks fail:\n" + string.Join('\n', failures.GroupBy(f => f[(f.IndexOf(':') + 1)..]).Take(20).Select(g => $"{g.First()} ({g.Count()} networks)")));
    }

    /// <summary>One network for every construction of its kind, with numbers.</summary>
    [Theory]
    [InlineData("resnet10t")]
    [InlineData("resnetblur18")]
    [InlineData("seresnext26t_32x4d")]
    [InlineData("ecaresnet26t")]
    [InlineData("resnet50_gn")]
    [InlineData("resnetv2_50x1_bit", false)] // all its channels share statistics, in norms or in standardised kernels
    [InlineData("resnetv2_50d_evos")]
    [InlineData("resnetv2_50d_frn")]
    [InlineData("efficientnet_cc_b0_4e")]
    public void Outputs_stay_when_elements_change_places_or_zeros_go(string name, bool hasZeroInvariant = true)
    {
        Module network;
        using (Construction.Deferred())
            network = Models.Create(name);
        var graph = Graph.Trace(network, [1, 32, 32, 3]);
        GroupChecks.Randomise(graph);
        var x = OpCases.Uniform([1, 32, 32, 3], 3);
        var groups = graph.DimensionGroups();
        var random = new Random(11);
        GroupChecks.Permuting(groups, x, random);
        var invariant = groups.ZeroInvariant.OrderBy(_ => random.Next()).Take(4).ToList();
        Assert.Equal(hasZeroInvariant, invariant.Count > 0);
        foreach (var group in invariant)
            GroupChecks.GoingWithoutTrace(group, x, random);
        Assert.Equal([1, 1000], GroupChecks.Pruned(groups, random, count: groups.Prunable.Count()).Run(x)[0].Shape);
    }

    [Fact]
    public void The_guide_does_what_it_says()
    {
        var graph = Graph.Trace(Models.Create("resnet18"), [1, 32, 32, 3]);
        var groups = graph.DimensionGroups();
        Assert.StartsWith("64 of conv1.weight[0], bn1.weight[0]", $"{groups.Prunable.First()}");
        var stage = groups.Along(graph["layer1.0.conv1.weight"], axis: 1)[0];
        Assert.All(stage.Element(5), slice => Assert.Equal([5], slice.Positions));
        var smaller = graph.Without(stage, 5, 6);
        Assert.Equal([62, 3, 7, 7], smaller["conv1.weight"].Shape);
        var same = graph.Permuted(stage, [.. Enumerable.Range(0, stage.Size).Reverse()]);
        var x = OpCases.Uniform([1, 32, 32, 3], 3);
        GroupChecks.AssertClose(graph.Run(x)[0], same.Run(x)[0], "reversed");
    }

    private static Graph Traced(string name)
    {
        // Patches and windows may want the size the network is made for.
        var size = OnnxZoo.SmallSize(name);
        using var meta = Construction.Meta();
        return Graph.Trace(Models.Create(name), [1, size, size, 3]);
    }
}
