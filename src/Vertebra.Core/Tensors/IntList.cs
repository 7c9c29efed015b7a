using System.Collections;
using System.Runtime.CompilerServices;

namespace Vertebra;

/// <summary>An immutable list of integers compared by content: axes, pads, sizes. Op attributes use it so that equal ops are equal.</summary>
[CollectionBuilder(typeof(IntList), nameof(Create))]
public readonly struct IntList : IReadOnlyList<int>, IEquatable<IntList>
{
    private readonly int[]? _items;

    private IntList(int[] items) => _items = items;

    public static IntList Create(ReadOnlySpan<int> items) => new(items.ToArray());

    public static implicit operator IntList(int[] items) => Create(items);

    public static implicit operator IntList(Shape shape) => Create(shape.Span);

    public ReadOnlySpan<int> Span => _items;

    public int Count => _items?.Length ?? 0;

    public int this[int index] => Span[index];

    public bool Equals(IntList other) => Span.SequenceEqual(other.Span);

    public override bool Equals(object? obj) => obj is IntList other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var item in Span)
            hash.Add(item);
        return hash.ToHashCode();
    }

    public static bool operator ==(IntList left, IntList right) => left.Equals(right);

    public static bool operator !=(IntList left, IntList right) => !left.Equals(right);

    public IEnumerator<int> GetEnumerator() => ((IEnumerable<int>)(_items ?? [])).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public override string ToString() => "[" + string.Join(", ", _items ?? []) + "]";
}
