using System.Text.Json;

namespace Vertebra.Zoo.Verification;

/// <summary>What a fixture keeps of a tensor: a few elements, and sums over all of them.</summary>
internal sealed class GoldenStatistics
{
    private readonly int[] _shape;
    private readonly float[] _first;
    private readonly float[]? _strided;
    private readonly double _l2;
    private readonly double? _sum;
    private readonly double? _probe;

    public GoldenStatistics(JsonFields fields)
    {
        _shape = [.. fields.Required("shape", fields.Numbers("shape")).Select(s => (int)s)];
        _first = fields.Numbers("first") ?? [];
        _strided = fields.Numbers("strided");
        _l2 = fields.Required("l2", fields.Double("l2"));
        _sum = fields.Double("sum");
        _probe = fields.Double("probe");
    }

    /// <summary>The fixture's bounds for class scores: the leading values as a whole, and the sums.</summary>
    public FixtureCheck CompareLogits(string what, Tensor actual, double tolerance) => Compare(what, actual, tolerance, elementwise: false);

    /// <summary>The fixture's bounds for feature maps: each stored value by itself, and the sums.</summary>
    public FixtureCheck CompareMap(string what, Tensor actual, double tolerance) => Compare(what, actual, tolerance, elementwise: true);

    private FixtureCheck Compare(string what, Tensor actual, double tolerance, bool elementwise)
    {
        if (InFixtureLayout(actual, _shape) is not { } values)
            return new(what, double.PositiveInfinity, tolerance, $"expected shape [{string.Join(", ", _shape)}], found {actual.Shape} (channels last)");
        var (l2, sum, probe) = Sums(values);
        var scale = Math.Max(_l2, double.Epsilon);
        (double Error, string Where) worst = (0, "");
        void Note(double error, string where)
        {
            if (!(error <= worst.Error))
                worst = (error, where);
        }
        Note(Math.Abs(l2 - _l2) / scale, "l2");
        Note(Math.Abs(probe - (_probe ?? probe)) / scale, "probe");
        Note(Math.Abs(sum - (_sum ?? sum)) / (scale * Math.Sqrt(values.Length)), "sum");
        if (elementwise)
        {
            // An element may be off by twice the tolerance of the tensor's root mean square.
            var rms = scale / Math.Sqrt(values.Length);
            for (var i = 0; i < _first.Length; i++)
                Note(Math.Abs(values[i] - (double)_first[i]) / (2 * rms), $"element {i}");
            for (var k = 0; k < _strided?.Length; k++)
            {
                var index = (long)k * values.Length / _strided.Length;
                Note(Math.Abs(values[index] - (double)_strided[k]) / (2 * rms), $"element {index}");
            }
        }
        else
        {
            Note(RelativeL2(values.AsSpan(0, _first.Length), _first), "leading values");
        }
        return new(what, worst.Error, tolerance, worst.Error <= tolerance ? "" : $"largest error in {worst.Where}");
    }

    /// <summary>Root of the sum of squares, sum, and sum of values times the probe of a name, in float64.</summary>
    public static (double L2, double Sum, double Probe) Sums(ReadOnlySpan<float> values, string probeName = "probe")
    {
        var seed = GoldenValues.Seed(probeName);
        double squares = 0, sum = 0, probe = 0;
        for (var i = 0; i < values.Length; i++)
        {
            double value = values[i];
            squares += value * value;
            sum += value;
            probe += value * GoldenValues.Centred(seed, i);
        }
        return (Math.Sqrt(squares), sum, probe);
    }

    /// <summary>Length of the difference relative to the length of what was expected.</summary>
    public static double RelativeL2(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        double difference = 0, length = 0;
        for (var i = 0; i < expected.Length; i++)
        {
            var d = (double)actual[i] - expected[i];
            difference += d * d;
            length += (double)expected[i] * expected[i];
        }
        return Math.Sqrt(difference / Math.Max(length, double.Epsilon));
    }

    /// <summary>
    /// The elements in the order of the fixture, whose images are [N, C, H, W]; null if the shapes do not correspond.
    /// A map that the reference too keeps channels-last is taken as it is.
    /// </summary>
    public static float[]? InFixtureLayout(Tensor actual, ReadOnlySpan<int> expected)
    {
        var shape = actual.Shape;
        var values = actual.ToArray<float>();
        if (shape.Rank != 4 || !expected.SequenceEqual([shape[0], shape[3], shape[1], shape[2]]))
            return shape.Span.SequenceEqual(expected) || IsSqueezed(shape, expected) || IsRowOfTokens(shape, expected) ? values : null;
        var (n, pixels, c) = (shape[0], shape[1] * shape[2], shape[3]);
        var moved = new float[values.Length];
        for (var image = 0; image < n; image++)
        {
            for (var pixel = 0; pixel < pixels; pixel++)
            {
                for (var channel = 0; channel < c; channel++)
                    moved[(((image * c) + channel) * pixels) + pixel] = values[(((image * pixels) + pixel) * c) + channel];
            }
        }
        return moved;
    }

    // Pixels of a map, channels last, lie as tokens do.
    private static bool IsRowOfTokens(Shape shape, ReadOnlySpan<int> expected) =>
        shape.Rank == 4 && expected.SequenceEqual([shape[0], shape[1] * shape[2], shape[3]]);

    // A pooled vector may stand as [N, C, 1, 1] there.
    private static bool IsSqueezed(Shape shape, ReadOnlySpan<int> expected) =>
        shape.Rank == 2 && expected.SequenceEqual([shape[0], shape[1], 1, 1]);
}
