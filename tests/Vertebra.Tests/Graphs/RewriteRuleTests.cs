using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Activation = Vertebra.Kernels.Activation;

namespace Vertebra.Tests.Graphs;

/// <summary>Every rule that ships: it fires on random instances of its pattern, and the results stay.</summary>
public class RewriteRuleTests
{
    private static readonly IReadOnlyList<RewriteRule> AllRules = [.. FoldingRules.All, .. SimplifyingRules.All, .. FusingRules.All];

    /// <summary>Name of the rule, and functions that hold its pattern once; sizes and numbers depend on the seed.</summary>
    private static readonly Dictionary<string, Func<int, (Shape Input, Func<Tensor, Tensor> Function)>[]> Instances = new()
    {
        ["batch norm into convolution"] =
        [
            s => Image(s, x => Norm(x.Conv2d(W(s, 6, 4, 3, 3), stride: 1 + (s % 2), padding: new(1, 1, 1, 1)), s)),
            s => Image(s, x => Norm(x.Conv2d(W(s, 6, 2, 3, 3), W(s + 1, 6), groups: 2), s, Activation.Relu)),
            s => Image(s, x => Norm(x.Conv2d(W(s, 4, 1, 1, 1), groups: 4), s, Activation.None, x)),
        ],
        ["batch norm into linear"] = [s => ([3, 5], x => Norm(x.Linear(W(s, 7, 5), W(s + 1, 7)), s)), s => ([3, 2, 5], x => Norm(x.Linear(W(s, 7, 5)), s, Activation.Relu6))],
        ["scale into convolution"] = [s => Image(s, x => x.Conv2d(W(s, 6, 4, 1, 1)) * W(s + 1, 6)), s => Image(s, x => W(s + 1, 1, 1, 1, 6) * x.Conv2d(W(s, 6, 4, 2, 2), W(s, 6)))],
        ["scale into linear"] = [s => ([3, 5], x => x.Linear(W(s, 7, 5), W(s, 7)) * W(s + 1, 7))],
        ["shift into convolution"] = [s => Image(s, x => x.Conv2d(W(s, 6, 4, 1, 1)) + W(s + 1, 6)), s => Image(s, x => W(s + 1, 1, 1, 6) + x.Conv2d(W(s, 6, 4, 2, 2), W(s, 6)))],
        ["shift into linear"] = [s => ([3, 5], x => x.Linear(W(s, 7, 5)) + W(s + 1, 7))],
        ["zero padding into convolution"] = [s => Image(s, x => x.Pad([0, s % 3, 1, 0], [0, 1, 2, 0]).Conv2d(W(s, 6, 4, 3, 3), stride: 2, padding: new(1, 0, 0, 1)))],
        ["matrix product with a constant is linear"] = [s => ([2, 3, 5], x => x.MatMul(W(s, 5, 7))), s => ([3, 5], x => x.MatMul(W(s, 7, 5), transposeB: true))],
        ["dropout does nothing in inference"] = [s => ([3, 5], x => new DropInTraining(0.5f, s % 2 == 0).Apply(x.Exp()))],
        ["the shape is there already"] = [s => ([3, 5], x => x.Exp().Reshape([3, -1])), s => ([3, 5], x => x.Exp().Flatten(1))],
        ["the order of axes is there already"] = [s => ([3, 5, 2], x => x.Exp().Permute([0, 1, -1]))],
        ["the element type is there already"] = [s => ([3, 5], x => new Cast(DType.Float32).Apply(x.Exp()))],
        ["the slice keeps everything"] = [s => ([3, 5], x => x.Exp().Slice(1, 0))],
        ["no margin is added"] = [s => ([3, 5], x => x.Exp().Pad([0, 0], [0, 0]))],
        ["one tensor is concatenated"] = [s => ([3, 5], x => TensorOps.Concat([x.Exp()], 1))],
        ["nothing is repeated"] = [s => ([3, 5], x => x.Exp().Expand([3, 5]))],
        ["x + 0 is x"] = [s => ([3, 5], x => x.Exp() + 0f)],
        ["x · 1 is x"] = [s => ([3, 5], x => x.Exp() * 1f)],
        ["x / 1 is x"] = [s => ([3, 5], x => x.Exp() / 1f)],
        ["two reshapes are one"] = [s => ([3, 4], x => x.Reshape([2, 6]).Unsqueeze(0)), s => ([3, 4], x => x.Flatten(0).Reshape([4, 3]))],
        ["two permutations are one"] = [s => ([3, 4, 5], x => x.Permute([1, 2, 0]).Permute([0, -1, 1]))],
        ["x + number"] = [s => ([3, 4], x => x + W(s, 1)), s => ([3, 4], x => W(s, 1, 1) + x)],
        ["x · number"] = [s => ([3, 4], x => x * W(s, 1)), s => ([3, 4], x => Tensor.Scalar(s + 2) * x)],
        ["x - number"] = [s => ([3, 4], x => x - W(s, 1)), s => ([3, 4], x => W(s, 1, 1) - x)],
        ["x / number"] = [s => ([3, 4], x => x / Tensor.Scalar(s + 2)), s => ([3, 4], x => Tensor.Scalar(s + 2) / (x + 3f))],
        ["x to the power of 2 is a square"] = [s => ([3, 4], x => x.Pow(2))],
        ["x to the power of 1/2 is a root"] = [s => ([3, 4], x => x.Exp().Pow(0.5f))],
        ["x · sigmoid(x) is SiLU"] = [s => ([3, 4], x => x * x.Sigmoid()), s => ([3, 4], x => x.Exp() is var y ? y.Sigmoid() * y : x)],
        ["x · hard-sigmoid(x) is hard-swish"] = [s => ([3, 4], x => x * x.HardSigmoid())],
        ["ReLU6(x + 3) / 6 is hard-sigmoid"] = [s => ([3, 4], x => (x + 3f).Relu6() / 6f)],
        ["ReLU6(x + 3) · 1/6 is hard-sigmoid"] = [s => ([3, 4], x => (x + 3f).Relu6() * (1 / 6f))],
        ["x · ReLU6(x + 3) / 6 is hard-swish"] = [s => ([3, 4], x => x * (x + 3f).Relu6() / 6f)],
        ["x within [0, 6] is ReLU6"] = [s => ([3, 4], x => x.Clamp(0, 6))],
        ["x above 0 is ReLU"] = [s => ([3, 4], x => x.Clamp(0))],
        ["x · tanh(softplus(x)) is Mish"] = [s => ([3, 4], x => x * x.Softplus().Tanh())],
        ["erf(x / √2) is erf(x · √½)"] = [s => ([3, 4], x => (x / MathF.Sqrt(2)).Erf())],
        ["(x · (1 + erf(x / √2))) · 0.5 is GELU"] = [s => ([3, 4], x => x * ((x * MathF.Sqrt(0.5f)).Erf() + 1f) * 0.5f)],
        ["(x · 0.5) · (1 + erf(x / √2)) is GELU"] = [s => ([3, 4], x => x * 0.5f * (1f + (x * MathF.Sqrt(0.5f)).Erf()))],
        ["x · ((1 + erf(x / √2)) · 0.5) is GELU"] = [s => ([3, 4], x => x * (((x * MathF.Sqrt(0.5f)).Erf() + 1f) * 0.5f))],
        ["layer norm in steps is one"] = [s => ([3, 4, 8], x => LayerNormInSteps(x, W(s, 8), W(s + 1, 8)))],
        ["softmax(q · kᵀ · scale) · v is attention"] = [s => ([2, 3, 5, 4], x => ((x * 0.5f).Sin().MatMul(x.Exp(), transposeB: true) * 0.3f).Softmax(-1).MatMul(x.Cos()))],
        ["softmax((q · scale) · kᵀ) · v is attention"] = [s => ([2, 3, 5, 4], x => (x.Sin() * 0.3f).MatMul(x.Exp(), transposeB: true).Softmax(3).MatMul(x.Cos()))],
        ["a product reads its second operand transposed"] = [s => ([2, 3, 5, 4], x => x.MatMul(x.Sin().Transpose(2, 3)))],
    };

    public static TheoryData<string> Names => [.. AllRules.Select(r => r.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_rule_fires_on_its_pattern_and_keeps_results_and_gradients(string name)
    {
        var rule = AllRules.Single(r => r.Name == name);
        var isForInference = FoldingRules.All.Contains(rule);
        foreach (var instance in Instances[name])
        {
            for (var seed = 1; seed <= 3; seed++)
            {
                var (shape, function) = instance(seed);
                var graph = Graph.Trace(new Lambda(function), shape);
                var rewritten = graph.Rewrite(rule);
                Assert.NotEqual(graph.Nodes.Select(n => n.Op), rewritten.Nodes.Select(n => n.Op));
                Assert.Equal(graph.Outputs[0].Spec, rewritten.Outputs[0].Spec);
                Compare(graph, rewritten, shape, seed, gradients: !isForInference && !name.Contains("within") && !name.Contains("above"));
            }
        }
    }

    [Fact]
    public void A_value_that_others_read_is_not_swallowed()
    {
        var graph = Graph.Trace(new Lambda(x => x.Sigmoid() is var s ? (x * s) + s : x), [3, 4]);
        Assert.Contains(graph.Rewrite(FusingRules.Silu).Nodes, n => n.Op is Sigmoid);
        var shared = Graph.Trace(new Lambda(x => x.Conv2d(W(1, 4, 4, 1, 1)) is var c ? Norm(c, 2) + c : x), [1, 3, 3, 4]);
        Assert.Contains(shared.Rewrite(FoldingRules.ConvolutionBatchNorm).Nodes, n => n.Op is BatchNorm);
    }

    [Fact]
    public void A_weight_used_twice_is_folded_for_each_use_apart()
    {
        var weight = W(1, 4, 4, 1, 1);
        var graph = Graph.Trace(new Lambda(x => Norm(Norm(x.Conv2d(weight), 2).Conv2d(weight), 3)), [2, 3, 3, 4]);
        var folded = graph.Rewrite(FoldingRules.All);
        Assert.All(folded.Nodes, n => Assert.IsType<Conv2d>(n.Op));
        Compare(graph, folded, [2, 3, 3, 4], 1, gradients: false);
    }

    [Fact]
    public void Rules_work_together_until_nothing_matches()
    {
        // As exporters write it: pad, convolution, norm, and hard-swish in five steps with numbers as operands.
        var graph = Graph.Trace(new Lambda(x =>
        {
            var y = Norm(x.Pad([0, 1, 1, 0], [0, 1, 1, 0]).Conv2d(W(1, 6, 4, 3, 3)), 3).Reshape([2, 25, 6]).Reshape([2, 5, 5, 6]);
            return y * (y + Tensor.Scalar(3)).Clamp(0, 6) / Tensor.Scalar(6);
        }), [2, 5, 5, 4]);
        var rewritten = graph.Rewrite([.. SimplifyingRules.All, .. FusingRules.All, .. FoldingRules.All]);
        Assert.Equal(["Conv2d", "HardSwish"], rewritten.Nodes.Select(n => n.Op.Name));
        Compare(graph, rewritten, [2, 5, 5, 4], 1, gradients: false);
    }

    [Fact]
    public void Constants_are_computed_once_unless_they_are_trained()
    {
        var graph = Graph.Trace(new Lambda(x => x * (W(1, 4).Exp() + 1f)), [3, 4]);
        Assert.Equal("Multiply", Assert.Single(graph.Rewrite([]).Nodes).Op.Name);
        var trained = W(1, 4);
        trained.RequiresGrad = true;
        Assert.Equal(3, Graph.Trace(new Lambda(x => x * (trained.Exp() + 1f)), [3, 4]).Rewrite([]).Nodes.Count);
    }

    [Fact]
    public void A_rule_that_feeds_itself_is_stopped_with_its_name()
    {
        var endless = RewriteRule.Define("back and forth", () =>
        {
            var x = Pattern.Any();
            return (Pattern.Op<Negate>(x), (m, write) => write.Apply(new Negate(), m[x]));
        });
        Assert.Contains("back and forth", Assert.Throws<VertebraException>(() => Graph.Trace(new Lambda(x => -x), [2]).Rewrite(endless)).Message);
    }

    private static void Compare(Graph expected, Graph actual, Shape shape, int seed, bool gradients)
    {
        var x = OpCases.Uniform(shape, seed);
        x.RequiresGrad = gradients;
        float[] Results(Graph graph)
        {
            var y = graph.Run(x)[0];
            if (!gradients)
                return y.ToArray<float>();
            x.Grad = null;
            (y * OpCases.Uniform(y.Shape, 77)).Sum().Backward();
            return [.. y.ToArray<float>(), .. x.Grad!.ToArray<float>()];
        }
        using var scope = gradients ? default : GradMode.Off();
        var (a, b) = (Results(expected), Results(actual));
        var scale = a.Max(MathF.Abs);
        for (var i = 0; i < a.Length; i++)
            Assert.True(MathF.Abs(a[i] - b[i]) <= 2e-6f * scale + (1e-5f * MathF.Abs(a[i])), $"element {i}: {a[i]} became {b[i]}");
    }

    private static (Shape, Func<Tensor, Tensor>) Image(int seed, Func<Tensor, Tensor> function) => ([1 + (seed % 2), 5, 4 + seed, 4], function);

    private static Tensor Norm(Tensor x, int seed, Activation activation = Activation.None, Tensor? residual = null)
    {
        var channels = x.Shape[-1];
        return x.BatchNorm(W(seed, channels), W(seed + 1, channels), W(seed + 2, channels), W(seed + 3, channels).Square() + 0.5f, 1e-3f, activation, residual);
    }

    private static Tensor LayerNormInSteps(Tensor x, Tensor weight, Tensor bias)
    {
        var centred = x - x.Mean([-1], keepAxes: true);
        return (centred / (centred.Square().Mean([-1], keepAxes: true) + 1e-5f).Sqrt() * weight) + bias;
    }

    private static Tensor W(int seed, params int[] shape) => OpCases.Uniform(shape, 100 + seed);
}
