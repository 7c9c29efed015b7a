using System.Text;

namespace Vertebra.Graphs;

/// <summary>
/// A size as a function of the sizes of the graph's first input: a polynomial of degree one in each of its axes
/// (<c>height·width/256 + 1</c> is the number of tokens of a vision transformer).
/// </summary>
public sealed class SizeExpression : IEquatable<SizeExpression>
{
    private readonly string[] _axes;
    private readonly long[] _coefficients; // by bit mask: which axes the product holds
    private readonly long _denominator;

    private SizeExpression(string[] axes, long[] coefficients, long denominator) => (_axes, _coefficients, _denominator) = (axes, coefficients, denominator);

    /// <summary>True when the size is always the same.</summary>
    public bool IsFixed => _coefficients.Skip(1).All(c => c == 0);

    /// <summary>The size for these sizes of the input's axes.</summary>
    /// <exception cref="VertebraException">It would not be a whole number.</exception>
    public int At(ReadOnlySpan<int> sizes)
    {
        Int128 sum = 0;
        for (var mask = 0; mask < _coefficients.Length; mask++)
        {
            Int128 term = _coefficients[mask];
            for (var axis = 0; axis < _axes.Length; axis++)
                term *= (mask >> axis & 1) == 1 ? sizes[axis] : 1;
            sum += term;
        }
        if (sum % _denominator != 0)
            throw new VertebraException($"an input of {Describe(sizes)} does not fit: {this} must be a whole number");
        return checked((int)(sum / _denominator));
    }

    /// <summary>The terms: how often each product of axes counts, over a common denominator.</summary>
    public IEnumerable<(long Factor, IReadOnlyList<int> Axes)> Terms => Enumerable.Range(0, _coefficients.Length).Where(m => _coefficients[m] != 0)
        .Select(m => (_coefficients[m], (IReadOnlyList<int>)[.. Enumerable.Range(0, _axes.Length).Where(a => (m >> a & 1) == 1)]));

    /// <summary>What the sum of <see cref="Terms"/> is divided by.</summary>
    public long Denominator => _denominator;

    /// <summary>This size times a fraction.</summary>
    internal SizeExpression Times(long numerator, long denominator)
    {
        var scaled = Array.ConvertAll(_coefficients, c => checked(c * numerator));
        var below = checked(_denominator * denominator);
        var divisor = scaled.Aggregate(below, Gcd);
        return new(_axes, Array.ConvertAll(scaled, c => c / divisor), below / divisor);
    }

    /// <summary>The expression through known sizes at the corners of a box.</summary>
    /// <param name="axes">Names of the input's axes that vary.</param>
    /// <param name="low">Their sizes at the first corner.</param>
    /// <param name="high">Their sizes at the opposite corner, larger.</param>
    /// <param name="corners">The size at each corner; bit i of the index says whether axis i is at its high size.</param>
    internal static SizeExpression Through(string[] axes, int[] low, int[] high, ReadOnlySpan<long> corners)
    {
        var coefficients = corners.ToArray();
        long denominator = 1;
        for (var axis = 0; axis < axes.Length; axis++)
        {
            // c0 at low and c1 at high make the line (c0 · d - (c1 - c0) · low + (c1 - c0) · x) / d.
            long d = high[axis] - low[axis];
            for (var mask = 0; mask < coefficients.Length; mask++)
            {
                if ((mask >> axis & 1) == 1)
                    continue;
                var slope = coefficients[mask | 1 << axis] - coefficients[mask];
                coefficients[mask] = checked((coefficients[mask] * d) - (slope * low[axis]));
                coefficients[mask | 1 << axis] = slope;
            }
            denominator = checked(denominator * d);
        }
        var divisor = coefficients.Aggregate(denominator, Gcd);
        return new(axes, Array.ConvertAll(coefficients, c => c / divisor), denominator / divisor);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        for (var mask = _coefficients.Length - 1; mask >= 0; mask--)
        {
            if (_coefficients[mask] == 0)
                continue;
            var (factor, divisor) = (Math.Abs(_coefficients[mask]), _denominator);
            var common = Gcd(factor, divisor);
            (factor, divisor) = (factor / common, divisor / common);
            var product = string.Join('·', _axes.Where((_, axis) => (mask >> axis & 1) == 1));
            var sign = _coefficients[mask] < 0 ? (text.Length == 0 ? "-" : " - ") : text.Length == 0 ? "" : " + ";
            var number = product.Length == 0 ? $"{factor}" : factor == 1 ? product : $"{factor}·{product}";
            text.Append(sign).Append(number).Append(divisor == 1 ? "" : $"/{divisor}");
        }
        return text.Length == 0 ? "0" : text.ToString();
    }

    public bool Equals(SizeExpression? other) =>
        other is not null && _denominator == other._denominator && _axes.SequenceEqual(other._axes) && _coefficients.SequenceEqual(other._coefficients);

    public override bool Equals(object? obj) => Equals(obj as SizeExpression);

    public override int GetHashCode() => HashCode.Combine(_denominator, _coefficients.Aggregate(17, HashCode.Combine));

    private string Describe(ReadOnlySpan<int> sizes)
    {
        var parts = new List<string>();
        for (var axis = 0; axis < _axes.Length; axis++)
            parts.Add($"{_axes[axis]} {sizes[axis]}");
        return string.Join(", ", parts);
    }

    private static long Gcd(long a, long b)
    {
        (a, b) = (Math.Abs(a), Math.Abs(b));
        while (b != 0)
            (a, b) = (b, a % b);
        return a;
    }
}
