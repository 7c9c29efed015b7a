using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>A fused op and the ops it is made of.</summary>
public class FusedOpTests
{
    public static TheoryData<string> Activations() => ["none", .. s_activations.Keys];

    private static readonly Dictionary<string, ActivationOp> s_activations = typeof(ActivationOp).Assembly.GetTypes()
        .Where(t => t.IsSubclassOf(typeof(ActivationOp)) && !t.IsAbstract)
        .ToDictionary(t => t.Name, t => t.GetConstructor([]) is { } plain ? (ActivationOp)plain.Invoke([]) : (ActivationOp)Activator.CreateInstance(t, 0.3f)!);

    [Theory, MemberData(nameof(Activations))]
    public void A_convolution_with_an_epilogue_equals_the_ops_one_by_one(string name)
    {
        var activation = s_activations.GetValueOrDefault(name);
        foreach (var (channels, outputs, kernel, groups) in ((int, int, int, int)[])[(20, 50, 1, 1), (6, 21, 3, 1), (24, 24, 3, 24), (16, 12, 3, 4)])
        {
            var conv = new Conv2d { PadTop = kernel / 2, PadLeft = kernel / 2, PadBottom = kernel / 2, PadRight = kernel / 2, Groups = groups };
            var (x, weight, bias) = (OpCases.Uniform([2, 9, 8, channels], 1, -3, 3), OpCases.Uniform([outputs, channels / groups, kernel, kernel], 2), OpCases.Uniform([outputs], 3));
            var residual = OpCases.Uniform([2, 9, 8, outputs], 4);
            var plain = conv.Apply(x, weight, bias);
            var epilogue = new FusedConv2d(conv) with { Activation = activation };
            Same(Activated(plain, activation), epilogue.Apply(x, weight, bias));
            Same(Activated(plain + residual, activation), (epilogue with { AddsResidual = true }).Apply(x, weight, bias, residual));
        }
    }

    [Theory, MemberData(nameof(Activations))]
    public void A_linear_layer_with_an_epilogue_equals_the_ops_one_by_one(string name)
    {
        var activation = s_activations.GetValueOrDefault(name);
        foreach (var rows in (int[])[2, 30])
        {
            var (x, weight, bias, residual) = (OpCases.Uniform([rows, 45], 1, -3, 3), OpCases.Uniform([37, 45], 2), OpCases.Uniform([37], 3), OpCases.Uniform([rows, 37], 4));
            var plain = x.Linear(weight, bias);
            Same(Activated(plain, activation), new FusedLinear(activation, false).Apply(x, weight, bias));
            Same(Activated(plain + residual, activation), new FusedLinear(activation, true).Apply(x, weight, bias, residual));
        }
    }

    [Theory, MemberData(nameof(Activations))]
    public void A_block_has_the_bits_of_its_convolutions_one_by_one(string name)
    {
        var activation = s_activations.GetValueOrDefault(name);
        // The last two are cut into bands, whose border rows are expanded twice.
        foreach (var (height, width, stride, kernel) in ((int, int, int, int)[])[(30, 17, 1, 3), (29, 40, 2, 3), (16, 14, 1, 5), (9, 7, 2, 5), (96, 20, 1, 3), (100, 24, 2, 5)])
        {
            var depthwise = new FusedConv2d(activation, false) { Padding = kernel / 2, Stride = stride, Groups = 40 };
            var (pointwise, last) = (new FusedConv2d(activation, false), new FusedConv2d(activation, true));
            var x = OpCases.Uniform([2, height, width, 12], 1, -3, 3);
            Tensor[] first = [OpCases.Uniform([40, 12, 1, 1], 2), OpCases.Uniform([40], 3)], middle = [OpCases.Uniform([40, 1, kernel, kernel], 4), OpCases.Uniform([40], 5)];
            Tensor[] project = [OpCases.Uniform([24, 40, 1, 1], 6), OpCases.Uniform([24], 7)];
            var expanded = pointwise.Apply(x, first[0], first[1]);
            var between = depthwise.Apply(expanded, middle[0], middle[1]);
            var residual = OpCases.Uniform(between.Shape.With(3, 24), 8);
            var plain = last.Apply(between, project[0], project[1], residual);
            var block = new InvertedResidual(true, true, true, activation, activation, activation) { Padding = kernel / 2, Stride = stride, Groups = 40 };
            Assert.Equal(plain.ToArray<float>(), block.Apply([x, .. first, .. middle, .. project, residual]).ToArray<float>());
            Assert.Equal(between.ToArray<float>(), (block with { Projects = false, AddsResidual = false }).Apply([x, .. first, .. middle]).ToArray<float>());
            Assert.Equal(plain.ToArray<float>(), (block with { Expands = false }).Apply([expanded, .. middle, .. project, residual]).ToArray<float>());
        }
    }

    [Fact]
    public void Blocks_that_do_not_fit_together_are_refused()
    {
        static TensorSpec Floats(Shape shape) => new(shape, DType.Float32);
        var block = new InvertedResidual(true, true, false, null, null, null) { Groups = 8 };
        TensorSpec[] inputs = [Floats([1, 6, 6, 4]), Floats([8, 4, 1, 1]), Floats([8]), Floats([8, 1, 3, 3]), Floats([8]), Floats([5, 8, 1, 1]), Floats([5])];
        Assert.Equal([1, 4, 4, 5], block.Infer(inputs)[0].Shape);
        Assert.Contains("residual", Assert.Throws<ShapeException>(() => (block with { Projects = false, AddsResidual = true }).Infer(inputs[..6])).Message);
        Assert.Contains("pointwise", Assert.Throws<ShapeException>(() => block.Infer([.. inputs[..5], Floats([5, 8, 2, 2]), inputs[6]])).Message);
        Assert.Contains("depthwise", Assert.Throws<ShapeException>(() => (block with { Groups = 4 }).Infer([.. inputs[..3], Floats([8, 2, 3, 3]), .. inputs[4..]])).Message);
    }

    [Theory, InlineData(2), InlineData(30)]
    public void The_residual_may_be_written_over(int rows)
    {
        var (x, weight, bias, residual) = (OpCases.Uniform([rows, 45], 1), OpCases.Uniform([37, 45], 2), OpCases.Uniform([37], 3), OpCases.Uniform([rows, 37], 4));
        var op = new FusedLinear(new Silu(), true);
        var apart = op.Apply(x, weight, bias, residual);
        var target = residual.Clone();
        op.Forward([x, weight, bias, target], [target]);
        Same(apart, target);

        var (image, filters, features) = (OpCases.Uniform([2, 7, 6, 5], 1), OpCases.Uniform([37, 5, 3, 3], 2), OpCases.Uniform([2, 7, 6, 37], 4));
        var conv = new FusedConv2d(new Silu(), true) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        apart = conv.Apply(image, filters, bias, features);
        target = features.Clone();
        conv.Forward([image, filters, bias, target], [target]);
        Assert.Equal(apart.ToArray<float>(), target.ToArray<float>());
    }

    [Fact]
    public void A_residual_of_another_shape_is_refused()
    {
        var (x, weight) = (new TensorSpec([1, 4, 4, 3], DType.Float32), new TensorSpec([5, 3, 1, 1], DType.Float32));
        var error = Assert.Throws<ShapeException>(() => new FusedConv2d(null, true).Infer([x, weight, new([1, 4, 4, 3], DType.Float32)]));
        Assert.Contains("FusedConv2d", error.Message);
        Assert.Contains("residual", error.Message);
    }

    private static Tensor Activated(Tensor x, ActivationOp? activation) => activation is null ? x : activation.Apply(x);

    private static void Same(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        var (e, a) = (expected.ToArray<float>(), actual.ToArray<float>());
        var scale = Math.Max(1, e.Max(Math.Abs));
        for (var i = 0; i < e.Length; i++)
            Assert.True(Math.Abs(e[i] - a[i]) <= 1e-5 * scale, $"element {i} is {a[i]}, not {e[i]}");
    }
}
