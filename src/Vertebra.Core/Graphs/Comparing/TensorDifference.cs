namespace Vertebra.Graphs.Comparing;

/// <summary>How far two tensors of the same shape are apart; sums of several pairs can be gathered. Accumulated in float64.</summary>
public sealed class TensorDifference
{
    private double _aa;
    private double _bb;
    private double _ab;
    private double _dd;

    /// <summary>Euclidean norm of the first.</summary>
    public double NormA => Math.Sqrt(_aa);

    /// <summary>Euclidean norm of the second.</summary>
    public double NormB => Math.Sqrt(_bb);

    /// <summary>Euclidean norm of the difference.</summary>
    public double Norm => Math.Sqrt(_dd);

    /// <summary>Norm of the difference over the larger norm: 0 for equal tensors; NaN where there are NaNs.</summary>
    public double Relative => _dd == 0 ? 0 : Norm / Math.Max(NormA, NormB);

    /// <summary>Cosine of the angle between them; 1 for two zeros, 0 for one.</summary>
    public double Cosine => _dd == 0 ? 1 : _aa == 0 || _bb == 0 ? 0 : _ab / (NormA * NormB);

    /// <summary>Largest absolute difference of two elements.</summary>
    public double Largest { get; private set; }

    /// <summary>Adds a pair.</summary>
    public TensorDifference Add(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        if (a.Length != b.Length)
            throw new ArgumentException($"{a.Length} numbers cannot be compared with {b.Length}", nameof(b));
        for (var i = 0; i < a.Length; i++)
        {
            double x = a[i], y = b[i];
            // Equal infinities differ by nothing, not by NaN.
            var d = a[i].Equals(b[i]) ? 0 : x - y;
            _aa += x * x;
            _bb += y * y;
            _ab += x * y;
            _dd += d * d;
            Largest = Math.Max(Largest, Math.Abs(d));
        }
        return this;
    }
}
