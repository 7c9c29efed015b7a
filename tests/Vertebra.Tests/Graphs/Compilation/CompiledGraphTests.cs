using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Kernels;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Tests.Onnx;
using Vertebra.Zoo;

namespace Vertebra.Tests.Graphs.Compilation;

/// <summary>Runs alone: what the whole process allocates is measured.</summary>
[CollectionDefinition(nameof(CompiledGraphTests), DisableParallelization = true)]
public class AloneCollection;

[Collection(nameof(CompiledGraphTests))]
public class CompiledGraphTests
{
    /// <summary>Small networks that between them have the constructions of the zoo.</summary>
    private static readonly string[] s_quick = ["resnet18", "resnet14t", "seresnet50", "ecaresnet50t", "resnetv2_50x1_bit", "resnetv2_50", "resnetblur50", "resnetaa50"];

    public static TheoryData<string> Quick() => [.. s_quick];

    public static TheoryData<string> EveryNetwork() => [.. Models.List().Select(m => m.Name)];

    [Theory, MemberData(nameof(Quick))]
    public void A_compiled_network_computes_what_its_graph_does(string name) => CheckResults(name);

    [Theory, MemberData(nameof(EveryNetwork))]
    [Trait("Category", "Sweep")]
    public void Every_network_compiles_and_its_memory_plan_holds(string name)
    {
        using var off = GradMode.Off();
        using var meta = Construction.Meta();
        var network = Models.Create(name);
        var graph = Graph.Trace(network, SmallInput(name));
        CheckPlan(graph, MemoryPlan.Create(graph));
    }

    [Fact]
    public void Another_batch_and_image_size_is_planned_on_demand()
    {
        using var off = GradMode.Off();
        var network = Models.Create("resnet18");
        var compiled = Graph.Trace(network, [2, 64, 64, 3]).Compile(new CompileOptions { KeptPlans = 2 });
        foreach (var shape in (Shape[])[[1, 64, 64, 3], [3, 96, 64, 3], [2, 64, 64, 3], [1, 64, 64, 3]])
        {
            var x = OpCases.Uniform(shape, 5);
            Close(network.Forward(x), compiled.Run(x)[0]);
        }
    }

    [Theory]
    [InlineData("resnet18", 128)]
    [InlineData("vgg11_bn", 96)]
    [InlineData("seresnet50", 96)]
    public void Winograd_stays_within_its_bound_and_can_be_switched_off(string name, int size)
    {
        using var off = GradMode.Off();
        var graph = Graph.Trace(Models.Create(name), [2, size, size, 3]);
        var x = OpCases.Uniform([2, size, size, 3], 5);
        var (fast, direct) = (graph.Compile(), graph.Compile(new CompileOptions { Winograd = false }));
        Assert.Contains(Methods(fast), m => m != ConvMethod.Direct);
        Assert.All(Methods(direct), m => Assert.Equal(ConvMethod.Direct, m));
        Close(direct.Run(x)[0], fast.Run(x)[0]);

        static IEnumerable<ConvMethod> Methods(CompiledGraph compiled) => compiled.Graph.Nodes.Select(n => n.Op).OfType<FusedConv2d>().Select(c => c.Method);
    }

    [Fact]
    public void Unfused_it_has_the_bits_of_the_graph()
    {
        using var off = GradMode.Off();
        var graph = Graph.Trace(Models.Create("resnet18"), [1, 64, 64, 3]);
        var x = OpCases.Uniform([1, 64, 64, 3], 5);
        Assert.Equal(graph.Run(x)[0].ToArray<float>(), graph.Compile(new CompileOptions { Fuses = false }).Run(x)[0].ToArray<float>());
    }

    [Fact]
    public void Results_do_not_depend_on_the_number_of_threads()
    {
        using var off = GradMode.Off();
        var compiled = Graph.Trace(Models.Create("seresnet50"), [2, 96, 96, 3]).Compile();
        var x = OpCases.Uniform([2, 96, 96, 3], 5);
        var former = Workers.Count;
        try
        {
            Workers.Count = 1;
            var one = compiled.Run(x)[0].ToArray<float>();
            foreach (var threads in (int[])[2, 3])
            {
                Workers.Count = threads;
                Assert.Equal(one, compiled.Run(x)[0].ToArray<float>());
            }
        }
        finally
        {
            Workers.Count = former;
        }
    }

    [Fact]
    public void Weights_written_after_compiling_are_not_ignored()
    {
        using var off = GradMode.Off();
        var network = Models.Create("resnet18");
        var compiled = Graph.Trace(network, [1, 64, 64, 3]).Compile();
        var x = OpCases.Uniform([1, 64, 64, 3], 5);
        compiled.Run(x);
        var (name, weight) = network.NamedParameters().First();
        weight.CopyFrom(new float[weight.ElementCount]);
        var error = Assert.Throws<VertebraException>(() => compiled.Run(x));
        Assert.Contains(name, error.Message);
        Assert.Contains("compile it again", error.Message);
    }

    [Fact]
    public void Outputs_are_copied_on_request_and_wrong_inputs_are_refused()
    {
        using var off = GradMode.Off();
        var compiled = Graph.Trace(Models.Create("resnet18"), [1, 64, 64, 3]).Compile();
        Tensor a = OpCases.Uniform([1, 64, 64, 3], 5), b = OpCases.Uniform([1, 64, 64, 3], 6);
        var kept = Tensor.Zeros([1, 1000]);
        compiled.Run([a], [kept]);
        var first = kept.ToArray<float>();
        var shared = compiled.Run(b)[0];
        Assert.Equal(first, kept.ToArray<float>());
        Assert.NotEqual(first, shared.ToArray<float>());
        Assert.Throws<ShapeException>(() => compiled.Run(a, b));
        Assert.Throws<ShapeException>(() => compiled.Run(Tensor.Zeros([1, 64, 64, 4])));
        Assert.Throws<ShapeException>(() => compiled.Run([a], [Tensor.Zeros([1, 10])]));
        Assert.Contains("meta", Assert.Throws<VertebraException>(() => compiled.Run(Tensor.Meta([1, 64, 64, 3]))).Message);
        Close(compiled.Run(a)[0], kept);
    }

    [Fact]
    public void A_graph_without_weights_is_refused()
    {
        using var meta = Construction.Meta();
        var graph = Graph.Trace(Models.Create("resnet18"), [1, 64, 64, 3]);
        Assert.Contains("has no data", Assert.Throws<VertebraException>(() => graph.Compile()).Message);
    }

    [Fact]
    public void Nothing_but_fused_convolutions_pooling_and_the_classifier_is_left_of_a_resnet()
    {
        using var off = GradMode.Off();
        var compiled = Graph.Trace(Models.Create("resnet18"), [1, 64, 64, 3]).Compile();
        var ops = compiled.Graph.Nodes.Where(n => !n.Op.IsView).CountBy(n => n.Op.Name).ToDictionary();
        Assert.Equal(20, ops["FusedConv2d"]);
        Assert.Equal(1, ops["FusedLinear"]);
        Assert.DoesNotContain("Add", ops.Keys);
        Assert.DoesNotContain("Relu", ops.Keys);
        Assert.Equal(23, ops.Values.Sum());
        Assert.All(compiled.Graph.Nodes.Where(n => n.Op is FusedConv2d), n => Assert.True(n.Inputs[1].Data!.IsMeta, "the weight is held twice"));
    }

    [Fact]
    public void Blocks_of_a_mobile_network_whose_insides_are_large_become_one_op()
    {
        using var off = GradMode.Off();
        var network = Models.Create("mobilenetv2_100");
        var x = OpCases.Uniform([8, 64, 64, 3], 5);
        var compiled = Graph.Trace(network, x.Shape).Compile();
        var blocks = compiled.Graph.Nodes.Where(n => n.Op is InvertedResidual).ToList();
        Assert.Contains(blocks, n => n.Op is InvertedResidual { Expands: true, Projects: true, StrideH: 2, Inner: Relu6, Middle: Relu6, Activation: null });
        Assert.All(blocks, n => Assert.True(n.Inputs[1].Data!.IsMeta, "the weight is held twice"));
        Close(network.Forward(x), compiled.Run(x)[0]);
        var one = Graph.Trace(network, [1, 64, 64, 3]).Compile();
        Assert.DoesNotContain(one.Graph.Nodes, n => n.Op is InvertedResidual);
    }

    [Fact]
    public void A_convolution_of_a_whole_image_becomes_a_linear_layer()
    {
        using var off = GradMode.Off();
        foreach (var rows in (int[])[1, 3, 20])
        {
            var (x, weight, bias) = (OpCases.Uniform([rows, 4, 3, 8], 1), OpCases.Uniform([10, 8, 4, 3], 2), OpCases.Uniform([10], 3));
            foreach (var module in (Lambda[])[new(t => t.Conv2d(weight, bias).Relu()), new(t => t.Conv2d(weight))])
            {
                var compiled = Graph.Trace(module, x.Shape).Compile();
                Assert.Contains(compiled.Graph.Nodes, n => n.Op is FusedLinear);
                Close(module.Forward(x), compiled.Run(x)[0]);
            }
        }
    }

    [Fact]
    public void Dense_blocks_are_joined_nowhere()
    {
        using var off = GradMode.Off();
        var network = Models.Create("densenet121");
        var x = OpCases.Uniform([1, 64, 64, 3], 5);
        var graph = Graph.Trace(network, x.Shape);
        var compiled = graph.Compile();
        Assert.DoesNotContain(compiled.Graph.Nodes, n => n.Op is Concat);
        Assert.Equal(graph.Nodes.Count(n => n.Op is Concat), compiled.Graph.Nodes.Count(n => n.Op is JoinedBatchNorm));
        Close(graph.Run(x)[0], compiled.Run(x)[0]);
    }

    [Theory]
    [InlineData("vit_tiny_patch16_224", 12)]
    [InlineData("swin_tiny_patch4_window7_224", 12)]
    [InlineData("beit_base_patch16_224", 12)]
    public void Attention_reads_what_one_layer_has_made(string name, int blocks)
    {
        using var off = GradMode.Off();
        var network = Models.Create(name);
        var x = OpCases.Uniform([2, 224, 224, 3], 5);
        var graph = Graph.Trace(network, x.Shape);
        var compiled = graph.Compile();
        Assert.Equal(blocks, compiled.Graph.Nodes.Count(n => n.Op is JointAttention));
        Assert.DoesNotContain(compiled.Graph.Nodes, n => n.Op is Attention or Split);
        Close(graph.Run(x)[0], compiled.Run(x)[0]);
    }

    [Fact]
    public void Attention_of_parts_in_another_order_stays_as_it_is()
    {
        using var off = GradMode.Off();
        var x = OpCases.Uniform([2, 5, 24], 1);
        foreach (var (first, second) in ((int, int)[])[(0, 1), (1, 0)])
        {
            var module = new Lambda(t =>
            {
                var parts = t.Reshape([2, 5, 3, 2, 4]).Permute([2, 0, 3, 1, 4]).Chunk(3, 0).Select(p => p.Reshape([2, 2, 5, 4])).ToArray();
                return parts[first].Attention(parts[second], parts[2]).Permute([0, 2, 1, 3]).Reshape([2, 5, 8]);
            });
            var compiled = Graph.Trace(module, x.Shape).Compile();
            Assert.Equal(first == 0, compiled.Graph.Nodes.Any(n => n.Op is JointAttention));
            Assert.Equal(module.Forward(x).ToArray<float>(), compiled.Run(x)[0].ToArray<float>());
        }
    }

    [Theory, MemberData(nameof(Quick))]
    public void In_steady_state_a_run_allocates_nothing(string name)
    {
        using var off = GradMode.Off();
        var shape = SmallInput(name).With(0, 1);
        var compiled = Graph.Trace(Models.Create(name), shape).Compile();
        var x = OpCases.Uniform(shape, 5);
        var kept = Tensor.Zeros(compiled.Graph.Outputs[0].Shape);
        var former = Workers.Count;
        try
        {
            foreach (var threads in (int[])[1, 2])
            {
                Workers.Count = threads;
                for (var i = 0; i < 5; i++)
                    compiled.Run([x], [kept]);
                var before = GC.GetAllocatedBytesForCurrentThread();
                for (var i = 0; i < 20; i++)
                    compiled.Run(x);
                compiled.Run([x], [kept]);
                var own = GC.GetAllocatedBytesForCurrentThread() - before;
                // The test host allocates too, now and then; what a run itself allocates would be there every time.
                var all = long.MaxValue;
                for (var i = 0; i < 40 && all > 0; i++)
                {
                    before = GC.GetTotalAllocatedBytes(precise: true);
                    compiled.Run([x], [kept]);
                    all = Math.Min(all, GC.GetTotalAllocatedBytes(precise: true) - before);
                }
                Assert.True(own == 0 && all == 0, $"with {threads} threads {own} bytes were allocated by the caller, {all} by all threads");
            }
        }
        finally
        {
            Workers.Count = former;
        }
    }

    private static void CheckResults(string name)
    {
        using var off = GradMode.Off();
        var shape = SmallInput(name);
        var graph = Graph.Trace(Models.Create(name), shape);
        var x = OpCases.Uniform(shape, 5);
        var expected = graph.Run(x)[0];
        var compiled = graph.Compile();
        Close(expected, compiled.Run(x)[0]);
        CheckPlan(compiled.Graph, MemoryPlan.Create(compiled.Graph));
    }

    private static Shape SmallInput(string name)
    {
        var size = OnnxZoo.SmallSize(name);
        return [2, size, size, Models.Find(name).Config.InputSize.Channels];
    }

    private static void Close(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        var (e, a) = (expected.ToArray<float>(), actual.ToArray<float>());
        double error = 0, norm = 0;
        for (var i = 0; i < e.Length; i++)
        {
            error += Math.Pow((double)e[i] - a[i], 2);
            norm += Math.Pow(e[i], 2);
        }
        // Sums begin with the bias and the residual instead of ending with them; fifty layers add that up to 1.1e-5 at most.
        Assert.True(Math.Sqrt(error) <= 2e-5 * Math.Sqrt(norm), $"relative difference {Math.Sqrt(error / norm):e2}");
    }

    /// <summary>
    /// Walks the graph and keeps book of who lies where, byte range by byte range: what a node writes must not lie on anything that
    /// is still read later, but for an operand which that op may overwrite.
    /// </summary>
    private static void CheckPlan(Graph graph, MemoryPlan plan)
    {
        var under = new Dictionary<Value, Value>();
        var lastRead = new Dictionary<Value, int>();
        Value Root(Value v) => under.TryGetValue(v, out var operand) ? Root(operand) : v;
        for (var n = 0; n < graph.Nodes.Count; n++)
        {
            if (graph.Nodes[n].Op.IsView)
                under[graph.Nodes[n].Outputs[0]] = graph.Nodes[n].Inputs[0];
            foreach (var input in graph.Nodes[n].Inputs)
                lastRead[Root(input)] = n;
        }
        foreach (var output in graph.Outputs)
            lastRead[Root(output)] = int.MaxValue;
        var live = new List<Value>(plan.CopiedInputs);
        for (var n = 0; n < graph.Nodes.Count; n++)
        {
            var node = graph.Nodes[n];
            if (node.Op.IsView)
                continue;
            foreach (var output in node.Outputs)
            {
                lastRead.TryAdd(output, n); // written, if not read
                var place = plan.BufferOf(output)!;
                Assert.True(place.Offset % 64 == 0 && place.Offset + output.Spec.Bytes <= plan.ArenaBytes);
                foreach (var other in live.Where(o => lastRead[o] >= n && Overlap(plan.BufferOf(o)!.Offset, o, place.Offset, output)))
                {
                    var at = node.Inputs.ToList().FindIndex(v => ReferenceEquals(Root(v), other));
                    Assert.True(lastRead[other] == n && at >= 0 && node.Op.MayOverwrite(at) && node.Inputs.Count(i => ReferenceEquals(Root(i), other)) == 1,
                        $"{node} writes {output} over {other}, which is still needed");
                }
                live.Add(output);
            }
        }
        Assert.True(plan.ArenaBytes <= 1.12 * plan.MostLiveBytes, $"the plan takes {plan.ArenaBytes} bytes where {plan.MostLiveBytes} are live");
    }

    private static bool Overlap(long a, Value x, long b, Value y) => a < b + y.Spec.Bytes && b < a + x.Spec.Bytes;
}
