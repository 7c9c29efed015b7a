using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>True where both are true, of <see cref="DType.Bool"/> tensors, broadcast.</summary>
public sealed record LogicalAnd : LogicalOp
{
    public override bool IsCommutative => true;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute<Condition>(inputs, outputs);

    private readonly struct Condition : IComparison
    {
        public static bool Holds<T>(T a, T b) where T : System.Numerics.INumber<T> => !T.IsZero(a) & !T.IsZero(b);
    }
}

public static partial class TensorOps
{
    /// <summary>True where both are true, element by element, broadcast.</summary>
    public static Tensor LogicalAnd(this Tensor a, Tensor b) => new LogicalAnd().Apply(a, b);
}
