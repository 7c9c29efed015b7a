using Vertebra.Autograd;
using Vertebra.Kernels;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>Convolution beyond what the op sweep shows: kept packed weights, multiply-accumulates, messages.</summary>
public class ConvolutionTests
{
    [Theory]
    [InlineData(8, 1, 3)]
    [InlineData(8, 8, 3)]
    [InlineData(8, 1, 1)]
    public void Packed_weights_follow_every_write_and_every_use(int channels, int groups, int kernel)
    {
        var weight = OpCases.Uniform([channels, channels / groups, kernel, kernel], 1);
        var x = OpCases.Uniform([1, 5, 5, channels], 2);
        for (var round = 0; round < 2; round++)
        {
            foreach (var stride in (int[])[1, 2, 1])
            {
                // A fresh tensor has nothing kept.
                Assert.Equal(x.Conv2d(weight.Clone(), stride: stride, groups: groups).ToArray<float>(), x.Conv2d(weight, stride: stride, groups: groups).ToArray<float>());
                Assert.Equal(x.ConvTranspose2d(weight.Clone(), stride: stride, groups: groups).ToArray<float>(), x.ConvTranspose2d(weight, stride: stride, groups: groups).ToArray<float>());
            }
            weight.CopyFrom(OpCases.Uniform(weight.Shape, 3 + round));
        }
    }

    [Fact]
    public void A_weight_in_training_gives_the_same_numbers_as_a_fixed_one()
    {
        var (x, weight) = (OpCases.Uniform([2, 6, 5, 20], 1), OpCases.Uniform([18, 20, 3, 3], 2));
        var fixedResult = x.Conv2d(weight, padding: 1).ToArray<float>();
        weight.RequiresGrad = true;
        Assert.Equal(fixedResult, x.Conv2d(weight, padding: 1).ToArray<float>());
        using var off = GradMode.Off();
        Assert.Equal(fixedResult, x.Conv2d(weight, padding: 1).ToArray<float>());
    }

    [Fact]
    public unsafe void A_weight_in_training_is_applied_by_the_fastest_method_and_a_fixed_one_directly()
    {
        var sizes = new ConvShape(2, 28, 26, 64, 48, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };
        var (x, weight) = (OpCases.Uniform([2, 28, 26, 64], 1), OpCases.Uniform([48, 64, 3, 3], 2));
        var (dx, dy) = (Tensor.Empty(x.Shape), OpCases.Uniform([2, 28, 26, 48], 3));
        var y = Tensor.Empty(dy.Shape);
        Conv.Forward(sizes, x.Pointer<float>(), weight.Pointer<float>(), null, y.Pointer<float>());
        Assert.Equal(y.ToArray<float>(), x.Conv2d(weight, padding: 1).ToArray<float>());

        (x.RequiresGrad, weight.RequiresGrad) = (true, true);
        var result = x.Conv2d(weight, padding: 1);
        (result * dy).Sum().Backward();
        var method = Winograd.InTraining ? ConvMethod.Winograd4 : ConvMethod.Direct;
        Conv.Forward(sizes, x.Pointer<float>(), weight.Pointer<float>(), null, y.Pointer<float>(), method);
        Conv.InputGradient(sizes, dy.Pointer<float>(), weight.Pointer<float>(), dx.Pointer<float>(), null, method);
        Assert.Equal(y.ToArray<float>(), result.ToArray<float>());
        Assert.Equal(dx.ToArray<float>(), x.Grad!.ToArray<float>());
    }

    [Fact]
    public void Multiply_accumulates_count_padding_and_groups()
    {
        static long Macs(Op op, params Tensor[] inputs)
        {
            var specs = Array.ConvertAll(inputs, i => i.Spec);
            return op.Macs(specs, op.Infer(specs));
        }
        // resnet50's first convolution: 112 · 112 · 64 outputs, 7 · 7 · 3 products each.
        Assert.Equal(118013952, Macs(new Conv2d { Stride = 2, Padding = 3 }, Tensor.Meta([1, 224, 224, 3]), Tensor.Meta([64, 3, 7, 7])));
        Assert.Equal(14 * 14 * 32 * 9, Macs(new Conv2d { Padding = 1, Groups = 32 }, Tensor.Meta([1, 14, 14, 32]), Tensor.Meta([32, 1, 3, 3])));
        Assert.Equal(7 * 7 * 64 * 32 * 4, Macs(new ConvTranspose2d { Stride = 2 }, Tensor.Meta([1, 7, 7, 64]), Tensor.Meta([64, 32, 2, 2])));
    }

    [Fact]
    public void Shape_errors_name_the_operation_the_shapes_and_the_rule()
    {
        var x = Tensor.Meta([2, 8, 8, 6]);
        Assert.Equal("Conv2d: input [2, 8, 8, 6] has 6 channels, but weight [4, 3, 3, 3] with 1 groups takes 3", Message(() => x.Conv2d(Tensor.Meta([4, 3, 3, 3]))));
        Assert.Equal("Conv2d: weight [4, 2, 3, 3] has 4 filters, which 3 groups do not divide", Message(() => x.Conv2d(Tensor.Meta([4, 2, 3, 3]), groups: 3)));
        Assert.Equal("Conv2d: bias must have shape [4], got [6]", Message(() => x.Conv2d(Tensor.Meta([4, 6, 3, 3]), Tensor.Meta([6]))));
        Assert.Equal("Conv2d: a 9x9 kernel does not fit images of 8x8 with padding top 0, left 0, bottom 0, right 0, input shape [2, 8, 8, 6]", Message(() => x.Conv2d(Tensor.Meta([4, 6, 9, 9]))));
        Assert.Equal("Conv2d: weight must be [O, C / groups, KH, KW] (rank 4), got shape [4, 6]", Message(() => x.Conv2d(Tensor.Meta([4, 6]))));
        Assert.Equal("Conv2d: stride must be 1 or more, got 0x0", Message(() => x.Conv2d(Tensor.Meta([4, 6, 3, 3]), stride: 0)));
        Assert.Equal("ConvTranspose2d: input [2, 8, 8, 6] has 6 channels, but weight [4, 6, 3, 3] takes 4", Message(() => x.ConvTranspose2d(Tensor.Meta([4, 6, 3, 3]))));
        Assert.Equal("ConvTranspose2d: output padding 2x2 must be smaller than the stride or the dilation, 2x2 and 1x1",
            Message(() => x.ConvTranspose2d(Tensor.Meta([6, 4, 3, 3]), stride: 2, outputPadding: 2)));
    }

    private static string Message(Action action) => Assert.Throws<ShapeException>(action).Message;
}
