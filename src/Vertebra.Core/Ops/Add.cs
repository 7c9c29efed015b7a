using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>a + b.</summary>
public sealed record Add : BinaryOp
{
    public override bool IsCommutative => true;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) =>
    [
        g.Needs(0) ? g.OutputGradient().SumTo(g.InputSpec(0).Shape) : null,
        g.Needs(1) ? g.OutputGradient().SumTo(g.InputSpec(1).Shape) : null,
    ];

    /// <summary>sum += addend, in place, for float32 tensors of one shape that nobody differentiates: sums of gradients.</summary>
    internal static unsafe void InPlace(Tensor sum, Tensor addend)
    {
        Elementwise.Run(new Function(), sum.Pointer<float>(), addend.Pointer<float>(), sum.Pointer<float>(), sum.ElementCount);
        GC.KeepAlive(addend);
        sum.MarkWritten();
    }

    private readonly struct Function : IBinaryOperator
    {
        public TVector Invoke<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector> => a + b;
    }
}

public static partial class TensorOps
{
    extension(Tensor)
    {
        /// <summary>a + b element by element, broadcast.</summary>
        public static Tensor operator +(Tensor a, Tensor b) => new Add().Apply(a, b);
    }
}
