using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>a == b.</summary>
public sealed record EqualTo : Comparison
{
    public override bool IsCommutative => true;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute<Condition>(inputs, outputs);

    private readonly struct Condition : IComparison
    {
        public static bool Holds<T>(T a, T b) where T : System.Numerics.INumber<T> => a == b;
    }
}

public static partial class TensorOps
{
    /// <summary>Where a equals b, element by element, broadcast; the result is of <see cref="DType.Bool"/>.</summary>
    public static Tensor EqualTo(this Tensor a, Tensor b) => new EqualTo().Apply(a, b);

    /// <summary>Where the float32 a equals a number.</summary>
    public static Tensor EqualTo(this Tensor a, float b) => new EqualTo().Apply(a, Tensor.Scalar(b));
}
