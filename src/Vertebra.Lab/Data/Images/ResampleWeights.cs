using System.Buffers;

namespace Vertebra.Lab.Data.Images;

/// <summary>For some pixels of one axis of the result: which source pixels they take, and with what fixed-point weights. Its arrays are rented.</summary>
internal sealed class ResampleWeights : IDisposable
{
    /// <summary>Bits behind the point: 32 less 8 for the sample and 2 for overshoot, as in Pillow.</summary>
    public const int PrecisionBits = 32 - 8 - 2;

    /// <summary>Most weights per result pixel times result pixels; more than any sensible picture asks for.</summary>
    private const long MaxWeights = 1L << 28;

    private readonly int[] _first;
    private readonly int[] _count;
    private readonly int[] _fixed;
    private readonly int _capacity;

    /// <param name="filter">Any but nearest.</param>
    /// <param name="axis">The resize along one axis.</param>
    public ResampleWeights(ResampleFilter filter, ResampleAxis axis)
    {
        // A filter that shrinks is widened by the same factor: every source pixel counts (antialiasing).
        var filterScale = Math.Max(axis.Scale, 1);
        var support = ResampleKernels.Support(filter) * filterScale;
        var capacity = Math.Ceiling(support) * 2 + 1;
        if (capacity * axis.Count > MaxWeights)
            throw new VertebraException($"resizing {axis.SourceSize} to {axis.Size} pixels needs too large a filter");
        (Count, _capacity) = (axis.Count, (int)capacity);
        _first = ArrayPool<int>.Shared.Rent(Count);
        _count = ArrayPool<int>.Shared.Rent(Count);
        _fixed = ArrayPool<int>.Shared.Rent(Count * _capacity);
        for (var i = 0; i < Count; i++)
            Fill(filter, axis, i, filterScale, support);
    }

    /// <summary>Number of result pixels.</summary>
    public int Count { get; }

    /// <summary>First source pixel that any of them takes.</summary>
    public int SourceFirst => _first[0];

    /// <summary>The source pixel behind the last one taken.</summary>
    public int SourceEnd => _first[Count - 1] + _count[Count - 1];

    /// <summary>First source pixel of result pixel <paramref name="i"/>.</summary>
    public int First(int i) => _first[i];

    /// <summary>Weights of result pixel <paramref name="i"/>, times 2^<see cref="PrecisionBits"/>, for as many source pixels.</summary>
    public ReadOnlySpan<int> Of(int i) => _fixed.AsSpan(i * _capacity, _count[i]);

    public void Dispose()
    {
        ArrayPool<int>.Shared.Return(_first);
        ArrayPool<int>.Shared.Return(_count);
        ArrayPool<int>.Shared.Return(_fixed);
    }

    private void Fill(ResampleFilter filter, ResampleAxis axis, int i, double filterScale, double support)
    {
        var center = axis.Start + (axis.First + i + 0.5) * axis.Scale;
        var first = Math.Max(0, (int)(center - support + 0.5));
        var count = Math.Min(axis.SourceSize, (int)(center + support + 0.5)) - first;
        (_first[i], _count[i]) = (first, count);
        Span<double> weights = stackalloc double[StackWeights];
        if (count > weights.Length)
            weights = new double[count];
        var sum = 0.0;
        for (var k = 0; k < count; k++)
        {
            weights[k] = ResampleKernels.Weight(filter, (k + first - center + 0.5) * (1 / filterScale));
            sum += weights[k];
        }
        var rounded = _fixed.AsSpan(i * _capacity, count);
        for (var k = 0; k < count; k++)
        {
            // Divided before it is scaled, and rounded half away from zero: the order decides the last bit.
            var weight = (sum != 0 ? weights[k] / sum : weights[k]) * (1 << PrecisionBits);
            rounded[k] = (int)(weight < 0 ? weight - 0.5 : weight + 0.5);
        }
    }

    /// <summary>More are needed only where a picture shrinks to a tenth or less.</summary>
    private const int StackWeights = 32;
}
