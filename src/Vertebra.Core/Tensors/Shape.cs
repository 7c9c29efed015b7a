using System.Collections;
using System.Runtime.CompilerServices;

namespace Vertebra;

/// <summary>The sizes of a tensor's axes, outermost first; rank 0 is a scalar. Immutable, compared by content.</summary>
[CollectionBuilder(typeof(Shape), nameof(Create))]
public readonly struct Shape : IReadOnlyList<int>, IEquatable<Shape>
{
    private readonly int[]? _sizes;
    private readonly long _countMinusOne; // so that default(Shape) is the scalar shape

    private Shape(int[] sizes)
    {
        long count = 1;
        foreach (var size in sizes)
        {
            if (size < 0)
                throw new ShapeException($"shape [{string.Join(", ", sizes)}] has a negative size");
            count = checked(count * size);
        }
        _sizes = sizes;
        _countMinusOne = count - 1;
    }

    public static Shape Create(ReadOnlySpan<int> sizes) => new(sizes.ToArray());

    public static implicit operator Shape(int[] sizes) => Create(sizes);

    /// <summary>The shape of a scalar.</summary>
    public static Shape Scalar => default;

    /// <summary>Number of elements: the product of the sizes, 1 for a scalar.</summary>
    public long ElementCount => _countMinusOne + 1;

    public int Rank => _sizes?.Length ?? 0;

    public ReadOnlySpan<int> Span => _sizes;

    /// <summary>Size of an axis; negative axes count from the end.</summary>
    public int this[int axis] => Span[axis < 0 ? axis + Rank : axis];

    int IReadOnlyCollection<int>.Count => Rank;

    /// <summary>The axis as a number in [0, rank); negative axes count from the end.</summary>
    /// <exception cref="ShapeException">The axis does not exist.</exception>
    public int NormalizeAxis(int axis, string op)
    {
        var normal = axis < 0 ? axis + Rank : axis;
        return (uint)normal < (uint)Rank ? normal
            : throw new ShapeException($"{op}: axis {axis} does not exist in shape {this} of rank {Rank}");
    }

    /// <summary>This shape with one axis resized.</summary>
    public Shape With(int axis, int size)
    {
        var sizes = Span.ToArray();
        sizes[axis < 0 ? axis + Rank : axis] = size;
        return new(sizes);
    }

    /// <summary>Product of the sizes of the axes in [<paramref name="start"/>, <paramref name="end"/>).</summary>
    public long CountBetween(int start, int end)
    {
        long count = 1;
        for (var i = start; i < end; i++)
            count *= Span[i];
        return count;
    }

    /// <summary>The shape both broadcast to by NumPy's rule: aligned at the end, equal or 1.</summary>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Shape Broadcast(Shape a, Shape b, string op)
    {
        var sizes = new int[Math.Max(a.Rank, b.Rank)];
        for (var i = 1; i <= sizes.Length; i++)
        {
            var x = i <= a.Rank ? a[-i] : 1;
            var y = i <= b.Rank ? b[-i] : 1;
            if (x != y && x != 1 && y != 1)
                throw new ShapeException($"{op}: shapes {a} and {b} do not broadcast: {x} against {y} in axis {sizes.Length - i}");
            sizes[^i] = x == 1 ? y : x;
        }
        return new(sizes);
    }

    public bool Equals(Shape other) => Span.SequenceEqual(other.Span);

    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var size in Span)
            hash.Add(size);
        return hash.ToHashCode();
    }

    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    public IEnumerator<int> GetEnumerator() => ((IEnumerable<int>)(_sizes ?? [])).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>As users write it: <c>[8, 56, 56, 64]</c>.</summary>
    public override string ToString() => "[" + string.Join(", ", _sizes ?? []) + "]";
}

/// <summary>What is known of a tensor without its data.</summary>
public readonly record struct TensorSpec(Shape Shape, DType DType)
{
    /// <summary>Size of the data in bytes.</summary>
    public long Bytes => checked(Shape.ElementCount * DType.Size());

    public override string ToString() => $"{DType.ToString().ToLowerInvariant()}{Shape}";
}
