using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>a &lt;= b.</summary>
public sealed record LessOrEqual : Comparison
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute<Condition>(inputs, outputs);

    private readonly struct Condition : IComparison
    {
        public static bool Holds<T>(T a, T b) where T : System.Numerics.INumber<T> => a <= b;
    }
}

public static partial class TensorOps
{
    /// <summary>Where a is less than or equal to b, element by element, broadcast; the result is of <see cref="DType.Bool"/>.</summary>
    public static Tensor LessOrEqual(this Tensor a, Tensor b) => new LessOrEqual().Apply(a, b);

    /// <summary>Where the float32 a is less than or equal to a number.</summary>
    public static Tensor LessOrEqual(this Tensor a, float b) => new LessOrEqual().Apply(a, Tensor.Scalar(b));
}
