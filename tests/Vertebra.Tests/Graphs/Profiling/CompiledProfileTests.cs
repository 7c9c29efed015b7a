using Vertebra.Graphs;
using Vertebra.Graphs.Profiling;
using Vertebra.Kernels;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;

namespace Vertebra.Tests.Graphs.Profiling;

public class CompiledProfileTests
{
    [Fact]
    public void A_run_node_by_node_gives_what_a_run_gives()
    {
        var compiled = Graph.Trace(Models.Create("resnet20_cifar"), [2, 32, 32, 3]).Compile();
        var x = OpCases.Uniform([2, 32, 32, 3], 3);
        var whole = compiled.Run(x)[0].Clone();
        var seen = new List<int>();
        compiled.Run([x], seen.Add);
        Assert.Equal(whole.ToArray<float>(), compiled.PlanFor([x]).Outputs[0].ToArray<float>());
        Assert.Equal(-1, seen[0]);
        Assert.Equal(compiled.Graph.Nodes.Index().Where(n => !n.Item.Op.IsView).Select(n => n.Index), seen.Skip(1));
    }

    [Fact]
    public void Other_shapes_than_the_traced_ones_are_refused()
    {
        var compiled = Graph.Trace(Models.Create("resnet20_cifar"), [2, 32, 32, 3]).Compile();
        var error = Assert.Throws<ShapeException>(() => compiled.Run([OpCases.Uniform([1, 32, 32, 3], 3)], _ => { }));
        Assert.Contains("traced shapes", error.Message);
        compiled.Run(OpCases.Uniform([1, 32, 32, 3], 3)); // and the graph is free again
    }

    [Theory]
    [InlineData("mobilenetv3_small_100", "depthwise", "matrix product", "first layer")]
    [InlineData("resnext50_32x4d", "grouped", "matrix product", "first layer")]
    [InlineData("vgg11", "Winograd F(4x4)", "Winograd F(4x4)", "first layer")]
    public void Every_computed_node_says_how(string name, params string[] methods)
    {
        var compiled = Graph.Trace(Models.Create(name), [1, 64, 64, 3]).Compile();
        var profile = CompiledProfile.Measure(compiled, OpCases.Uniform([1, 64, 64, 3], 3));
        Assert.Equal(compiled.Graph.Nodes.Select(n => n.Op.IsView), profile.Kernels.Select(k => k is null));
        Assert.Subset(profile.Kernels.OfType<NodeKernel>().Select(k => k.Method).ToHashSet(), methods.ToHashSet());
        Assert.All(profile.Kernels.OfType<NodeKernel>(), k => Assert.True(k.Parts >= 1 && k.Level <= Simd.Level && k.Text.Length > 0));
        Assert.Equal(profile.Roofline.LeastMilliseconds / profile.Roofline.Profile.TotalMilliseconds!.Value, profile.Fraction);
        Assert.Null(Workers.Watch);
    }

    [Fact]
    public void Receptive_fields_are_those_of_the_graph_before_it_was_compiled()
    {
        var graph = Graph.Trace(Models.Create("resnet18"), [1, 224, 224, 3]);
        var (before, after) = (GraphProfile.Of(graph), GraphProfile.Of(graph.Compile().Graph));
        Assert.Equal(FieldOf(before, "layer4.1.act2"), FieldOf(after, "layer4.1.act2"));
        Assert.Equal(before.Root.Cost.Macs, after.Root.Cost.Macs);

        static ReceptiveField? FieldOf(GraphProfile profile, string module) => profile.Nodes.Single(n => n.Node.ModulePath == module).Field;
    }
}
