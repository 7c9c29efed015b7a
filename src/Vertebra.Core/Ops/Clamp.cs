using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x held within [<paramref name="Low"/>, <paramref name="High"/>]. The gradient passes where x lies within, bounds included.</summary>
public sealed record Clamp(float Low, float High) : UnaryOp
{
    public override Saved Saves => Saved.Input0;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs) =>
        Low <= High ? base.Infer(inputs) : throw Rules.Broken(this, $"the lower bound {Low} must not be above the upper one {High}");

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(Low, High), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient() * g.Input(0).GreaterOrEqual(Low).LogicalAnd(g.Input(0).LessOrEqual(High)).To(DType.Float32)];

    private readonly struct Function(float low, float high) : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => TVector.AtMost(TVector.Create(high), TVector.AtLeast(TVector.Create(low), x));
    }
}

public static partial class TensorOps
{
    /// <summary>x held within [min, max], element by element.</summary>
    public static Tensor Clamp(this Tensor x, float min = float.NegativeInfinity, float max = float.PositiveInfinity) => new Clamp(min, max).Apply(x);
}
