using System.Text.RegularExpressions;
using System.Xml.Linq;
using Vertebra.Graphs;
using Vertebra.Graphs.Comparing;
using Vertebra.Lab.Reports;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Graphs.Comparing;

public class GraphComparisonTests
{
    [Fact]
    public void Differences_of_tensors_are_those_computed_by_hand()
    {
        var d = new TensorDifference().Add([3, 0], [0, 4]);
        Assert.Equal((3d, 4d, 5d, 0d, 4d, 1.25), (d.NormA, d.NormB, d.Norm, d.Cosine, d.Largest, d.Relative));
        var both = new TensorDifference().Add([3], [0]).Add([0], [4]);
        Assert.Equal((d.Norm, d.Relative), (both.Norm, both.Relative));
        var same = new TensorDifference().Add([1, float.NaN, float.PositiveInfinity], [1, float.NaN, float.PositiveInfinity]);
        Assert.Equal((0d, 1d, 0d), (same.Relative, same.Cosine, same.Largest));
        Assert.True(double.IsNaN(new TensorDifference().Add([1], [float.NaN]).Relative));
        Assert.Equal(0, new TensorDifference().Add([0, 0], [1, 1]).Cosine);
    }

    [Fact]
    public void A_network_is_equal_to_itself()
    {
        var comparison = Compare(new Net(), new Net());
        Assert.True(comparison.HasSameStructure && comparison.HasSameWeights(0) && comparison.HasSameActivations(0) && comparison.HasSameOutputs(0));
        Assert.Null(comparison.FirstDivergence(0));
        Assert.Equal(6, comparison.Activations.Count);
    }

    [Fact]
    public void A_changed_weight_shows_where_it_first_matters()
    {
        var changed = new Net();
        changed.State().Single(s => s.Name == "two.weight").Tensor.AsSpan<float>()[5] += 0.5f;
        var comparison = Compare(new Net(), changed);
        Assert.True(comparison.HasSameStructure);
        var weight = Assert.Single(comparison.Weights, w => w.Difference!.Relative > 0);
        Assert.Equal(("two.weight", 0.5), (weight.Name, Math.Round(weight.Difference!.Largest, 6)));
        Assert.Equal("two", comparison.FirstDivergence(1e-6)!.Pair.A!.ModulePath);
        Assert.False(comparison.HasSameOutputs(1e-6));
        Assert.True(comparison.HasSameOutputs(10));
    }

    [Fact]
    public void A_weight_that_is_not_a_number_diverges()
    {
        var broken = new Net();
        broken.State().Single(s => s.Name == "one.weight").Tensor.AsSpan<float>()[0] = float.NaN;
        var comparison = Compare(new Net(), broken);
        Assert.Equal("one", comparison.FirstDivergence(1e9)!.Pair.A!.ModulePath);
        Assert.False(comparison.HasSameWeights(1e9));
    }

    [Fact]
    public void Other_attributes_further_nodes_and_other_paths_are_told_apart()
    {
        var other = Compare(new Net(), new Net(dilation: 2)).Nodes.Where(p => p.Change != NodeChange.Same).ToList();
        Assert.Equal(["two"], other.Where(p => p.Change == NodeChange.Changed && p.A!.Op is Vertebra.Ops.Conv2d).Select(p => p.A!.ModulePath));

        var more = Compare(new Net(), new Net(extra: true)).Nodes;
        var added = Assert.Single(more, p => p.Change == NodeChange.Added);
        Assert.Equal(("two", "Sigmoid"), (added.B!.ModulePath, added.B.Op.Name));
        Assert.Equal(NodeChange.Removed, Assert.Single(Compare(new Net(extra: true), new Net()).Nodes, p => p.Change != NodeChange.Same).Change);

        var moved = Compare(new Net(), new Net(second: "zwei"));
        Assert.Equal(["two", "two", "two"], moved.Nodes.Where(p => p.Change == NodeChange.Moved).Select(p => p.A!.ModulePath));
        Assert.True(moved.HasSameWeights(0)); // found by their places, not by their names
        Assert.True(moved.HasSameActivations(0));
    }

    [Fact]
    public void Missing_and_misshapen_weights_are_listed()
    {
        var comparison = Compare(new Net(), new Net(width: 5));
        var weight = comparison.Weights.Single(w => w.Name == "two.weight");
        Assert.Equal((4, 5), (weight.ShapeA!.Value[0], weight.ShapeB!.Value[0]));
        Assert.Null(weight.Difference);
        Assert.False(comparison.HasSameWeights(1e9));
        Assert.Empty(comparison.Outputs);
        Assert.False(comparison.HasSameOutputs(1e9));
    }

    [Fact]
    public void The_page_is_well_formed_and_names_are_escaped()
    {
        var changed = new Net(extra: true);
        changed.State().First().Tensor.AsSpan<float>()[0] = float.NaN;
        var page = new ComparisonPage { NameA = "<b>a", NameB = "b", Comparison = Compare(new Net(), changed), Tolerance = 1e-4, Inputs = "x", Verdict = "they differ" };
        var html = page.ToHtml();
        var body = XDocument.Parse(Regex.Replace(Regex.Replace(html["<!DOCTYPE html>".Length..], "<(meta|input)([^>]*)>", "<$1$2/>"), "(?s)<script>.*?</script>", ""));
        Assert.Equal(6, body.Descendants("table").Single(t => (string?)t.Attribute("id") == "results").Element("tbody")!.Elements().Count());
        Assert.Contains("first to diverge", html);
        Assert.DoesNotContain("<b>a", html);
    }

    private static GraphComparison Compare(Module a, Module b)
    {
        var comparison = new GraphComparison(Graph.Trace(a, [1, 8, 8, 3]), Graph.Trace(b, [1, 8, 8, 3]));
        for (ulong seed = 1; seed <= 2; seed++)
        {
            var x = OpCases.Uniform([1, 8, 8, 3], (int)seed);
            comparison.Run([x], [x]);
        }
        return comparison;
    }

    private sealed class Net : Module
    {
        private readonly Block _one;
        private readonly Block _two;

        public Net(int dilation = 1, bool extra = false, string second = "two", int width = 4)
        {
            _one = Child("one", new Block(3, 4, 1, false, 1));
            _two = Child(second, new Block(4, width, dilation, extra, 2));
        }

        protected override Tensor OnForward(Tensor x) => _two.Forward(_one.Forward(x));
    }

    private sealed class Block : Module
    {
        private readonly Tensor _weight;
        private readonly int _dilation;
        private readonly bool _extra;

        public Block(int from, int to, int dilation, bool extra, int seed)
        {
            (_dilation, _extra) = (dilation, extra);
            _weight = Parameter("weight", [to, from, 3, 3], (tensor, _) => tensor.CopyFrom(OpCases.Uniform([to, from, 3, 3], seed)));
        }

        protected override Tensor OnForward(Tensor x)
        {
            x = x.Conv2d(_weight, padding: _dilation, dilation: _dilation).Tanh();
            return (_extra ? x.Sigmoid() : x) * 2f;
        }
    }
}
