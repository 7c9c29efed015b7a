using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>a · b.</summary>
public sealed record Multiply : BinaryOp
{
    public override bool IsCommutative => true;

    public override Saved Saves => Saved.Input0 | Saved.Input1;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) =>
    [
        g.Needs(0) ? (g.OutputGradient() * g.Input(1)).SumTo(g.InputSpec(0).Shape) : null,
        g.Needs(1) ? (g.OutputGradient() * g.Input(0)).SumTo(g.InputSpec(1).Shape) : null,
    ];

    private readonly struct Function : IBinaryOperator
    {
        public TVector Invoke<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector> => a * b;
    }
}

public static partial class TensorOps
{
    extension(Tensor)
    {
        /// <summary>a · b element by element, broadcast.</summary>
        public static Tensor operator *(Tensor a, Tensor b) => new Multiply().Apply(a, b);
    }
}
