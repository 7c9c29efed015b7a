using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Graphs.Queries;

/// <summary>What must hold of the dimension groups of any network.</summary>
internal static class GroupChecks
{
    /// <summary>Every position of every weight's axes is in a group, or is a dimension's only one; who is fixed says why; inputs and outputs are.</summary>
    public static void Complete(DimensionGroups groups)
    {
        var dimensions = groups.All.Select(g => g.Dimension).ToHashSet();
        foreach (var constant in groups.Graph.Constants)
        {
            for (var axis = 0; axis < constant.Shape.Rank; axis++)
            {
                var extent = groups.Analysis.Axes(constant)[axis];
                // Without any element of any group there is nothing left but what is alone in its dimension.
                var left = extent.Select(d => dimensions.Contains(d) ? [] : null)?.Length ?? extent.Size;
                Assert.Equal(extent.Terms().Count(term => term.Count == 0), left);
            }
        }
        foreach (var value in groups.Graph.Inputs.Concat(groups.Graph.Outputs))
            Assert.All(Enumerable.Range(0, value.Shape.Rank).SelectMany(axis => groups.Along(value, axis)), g => Assert.NotNull(g.FixedBecause));
        Assert.All(groups.All, g => Assert.Equal(g.Members.Count, g.Members.Distinct().Count()));
    }

    /// <summary>Without random elements of one group, or of several at once, the graph is consistent and keeps the shapes of its inputs and outputs.</summary>
    public static Graph Pruned(DimensionGroups groups, Random random, int count)
    {
        var chosen = groups.Prunable.OrderBy(_ => random.Next()).Take(count).ToList();
        var kept = chosen.ToDictionary(g => g, g => (IReadOnlyList<int>)[.. Enumerable.Range(0, g.Size).OrderBy(_ => random.Next()).Take(random.Next(1, g.Size)).Order()]);
        var pruned = groups.Graph.Keeping(kept);
        Assert.Equal(groups.Graph.Outputs.Select(o => o.Spec), pruned.Outputs.Select(o => o.Spec));
        if (kept.Count == 0)
            return pruned;
        var (group, elements) = kept.First();
        var gone = Enumerable.Range(0, group.Size).Except(elements).ToList();
        foreach (var member in group.Members.Where(m => groups.Along(m.Constant, m.Axis).All(g => g == group || !kept.ContainsKey(g))))
        {
            var positions = gone.SelectMany(i => group.Positions(member.Constant, member.Axis, i)).Distinct().Count();
            Assert.Contains(pruned.Constants, c => c.Name == member.Constant.Name && c.Shape[member.Axis] == member.Constant.Shape[member.Axis] - positions);
        }
        return pruned;
    }

    /// <summary>All groups that can be permuted, at random and all at once: the outputs stay.</summary>
    public static void Permuting(DimensionGroups groups, Tensor x, Random random)
    {
        using var off = GradMode.Off();
        var orders = groups.Permutable.ToDictionary(g => g, g => (IReadOnlyList<int>)[.. Enumerable.Range(0, g.Size).OrderBy(_ => random.Next())]);
        var permuted = groups.Graph.Keeping(orders);
        AssertClose(groups.Graph.Run(x)[0], permuted.Run(x)[0], "permuted");
    }

    /// <summary>Sets what makes an element to zero in the whole network, and compares with the network without it.</summary>
    public static void GoingWithoutTrace(DimensionGroup group, Tensor x, Random random)
    {
        using var off = GradMode.Off();
        var graph = group.Owner.Graph;
        var gone = Enumerable.Range(0, group.Size).OrderBy(_ => random.Next()).Take(random.Next(1, group.Size)).ToList();
        var saved = group.ZeroedMembers.Select(m => m.Constant).Distinct().ToDictionary(c => c, c => c.Data!.ToArray<float>());
        foreach (var member in group.ZeroedMembers)
        {
            foreach (var element in gone)
                SetToZero(member.Constant.Data!, member.Axis, group.Positions(member.Constant, member.Axis, element));
        }
        var expected = graph.Run(x)[0];
        var actual = graph.Without(group, gone).Run(x)[0];
        foreach (var (constant, values) in saved)
            constant.Data!.CopyFrom<float>(values);
        AssertClose(expected, actual, $"without {gone.Count} of {group}");
    }

    /// <summary>Random numbers in all weights, with which no mistake cancels out: variances positive, scales neither 0 nor 1.</summary>
    public static void Randomise(Graph graph)
    {
        foreach (var constant in graph.Constants.Where(c => c.Spec.DType == DType.Float32 && !c.Name.StartsWith("constant", StringComparison.Ordinal)))
        {
            var isVariance = constant.Name.EndsWith("var", StringComparison.Ordinal);
            var bound = constant.Shape.Rank < 2 ? 0.5f : 1 / MathF.Sqrt(constant.Shape.CountBetween(1, constant.Shape.Rank));
            var values = OpCases.Uniform(constant.Shape, (int)(Hashing.Fnv1a(constant.Name) & 0xFFFF), isVariance ? 0.5f : -1.5f * bound, 1.5f * bound);
            constant.Data!.CopyFrom(values);
        }
    }

    public static void AssertClose(Tensor expected, Tensor actual, string what)
    {
        var (a, b) = (expected.ToArray<float>(), actual.ToArray<float>());
        Assert.Equal(a.Length, b.Length);
        var scale = a.Max(Math.Abs);
        var error = a.Zip(b, (x, y) => Math.Abs(x - y)).Max();
        Assert.True(scale > 0 && float.IsFinite(scale) && error <= 2e-4 * scale, $"{what}: off by {error:g3} of {scale:g3}");
    }

    private static void SetToZero(Tensor tensor, int axis, IReadOnlyList<int> positions)
    {
        var values = tensor.ToArray<float>();
        var gone = new bool[tensor.Shape[axis]];
        foreach (var position in positions)
            gone[position] = true;
        var inner = tensor.Shape.CountBetween(axis + 1, tensor.Rank);
        for (var i = 0; i < values.Length; i++)
        {
            if (gone[i / inner % gone.Length])
                values[i] = 0;
        }
        tensor.CopyFrom<float>(values);
    }
}
