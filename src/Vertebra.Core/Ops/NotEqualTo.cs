using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>a != b.</summary>
public sealed record NotEqualTo : Comparison
{
    public override bool IsCommutative => true;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute<Condition>(inputs, outputs);

    private readonly struct Condition : IComparison
    {
        public static bool Holds<T>(T a, T b) where T : System.Numerics.INumber<T> => a != b;
    }
}

public static partial class TensorOps
{
    /// <summary>Where a differs from b, element by element, broadcast; the result is of <see cref="DType.Bool"/>.</summary>
    public static Tensor NotEqualTo(this Tensor a, Tensor b) => new NotEqualTo().Apply(a, b);

    /// <summary>Where the float32 a differs from a number.</summary>
    public static Tensor NotEqualTo(this Tensor a, float b) => new NotEqualTo().Apply(a, Tensor.Scalar(b));
}
