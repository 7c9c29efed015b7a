using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>a &gt; b.</summary>
public sealed record Greater : Comparison
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute<Condition>(inputs, outputs);

    private readonly struct Condition : IComparison
    {
        public static bool Holds<T>(T a, T b) where T : System.Numerics.INumber<T> => a > b;
    }
}

public static partial class TensorOps
{
    /// <summary>Where a is greater than b, element by element, broadcast; the result is of <see cref="DType.Bool"/>.</summary>
    public static Tensor Greater(this Tensor a, Tensor b) => new Greater().Apply(a, b);

    /// <summary>Where the float32 a is greater than a number.</summary>
    public static Tensor Greater(this Tensor a, float b) => new Greater().Apply(a, Tensor.Scalar(b));
}
