using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>What a compiled graph rests on: prepared for its shapes, an op of inference computes without making garbage.</summary>
public class AllocationTests
{
    // Kernels of training, and a few of import, make closures and tables with every call; these do not.
    private static readonly HashSet<string> s_ofInference =
    [
        nameof(AdaptiveAvgPool2d), nameof(AdaptiveMaxPool2d), nameof(Add), nameof(AddScalar), nameof(Attention), nameof(AvgPool2d), nameof(BatchNorm), nameof(Cast),
        nameof(Clamp), nameof(Concat), nameof(Conv2d), nameof(Divide), nameof(DivideScalar), nameof(Elu), nameof(EqualTo), nameof(Erf), nameof(Exp), nameof(Expand),
        nameof(Flip), nameof(Gelu), nameof(GeluTanh), nameof(Greater), nameof(GroupNorm), nameof(HardSigmoid), nameof(HardSwish), nameof(IndexSelect),
        nameof(Interpolate), nameof(JoinedBatchNorm), nameof(JointAttention), nameof(LayerNorm), nameof(LeakyRelu), nameof(Linear), nameof(Log), nameof(LogSoftmax), nameof(MatMul), nameof(Max), nameof(Maximum),
        nameof(MaxPool2d), nameof(Mean), nameof(Min), nameof(Minimum), nameof(Mish), nameof(Multiply), nameof(MultiplyScalar), nameof(Negate), nameof(Pad), nameof(Permute),
        nameof(Pow), nameof(Prelu), nameof(Relu), nameof(Relu6), nameof(Roll), nameof(Rsqrt), nameof(Sigmoid), nameof(Silu), nameof(Slice), nameof(Softmax), nameof(Softplus),
        nameof(Split), nameof(Sqrt), nameof(Square), nameof(Subtract), nameof(SubtractFromScalar), nameof(Sum), nameof(Tanh), nameof(Where),
    ];

    [Fact]
    public void Ops_of_inference_allocate_nothing_once_prepared() => OpSweepTests.Sweep(IsChecked, c =>
    {
        var outputs = Array.ConvertAll(c.Op.Infer(Array.ConvertAll(c.Inputs, i => i.Spec)), s => Tensor.Empty(s.Shape, s.DType));
        var prepared = c.Op.Prepare(c.Inputs, outputs);
        for (var i = 0; i < 3; i++)
            c.Op.ForwardPrepared(prepared, c.Inputs, outputs);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 5; i++)
            c.Op.ForwardPrepared(prepared, c.Inputs, outputs);
        var bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(bytes == 0, $"{c} allocated {bytes / 5} bytes a run");
    });

    [Fact]
    public void Every_op_of_inference_has_a_case() =>
        Assert.Empty(s_ofInference.Except(OpCases.All.Select(c => c.Op.GetType().Name)));

    // A mask of booleans is turned into numbers to add, in memory of its own.
    private static bool IsChecked(OpCase c) => s_ofInference.Contains(c.Op.GetType().Name) && !(c.Op is Attention && c.Inputs[^1].DType == DType.Bool);
}
