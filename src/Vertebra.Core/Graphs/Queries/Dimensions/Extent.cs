namespace Vertebra.Graphs;

/// <summary>
/// What the positions of an axis stand for, written as a polynomial of dimensions: a flattened 7x7 image of C channels is
/// 7·7·C, a concatenation a + b, the features of an attention head·width. Products are row-major, their first factor is the
/// outermost; sums lie one behind the other. Two axes are tied where dimensions in their polynomials are the same, and an
/// index goes from an axis by going from one of its dimensions: so axes stay rectangular.
/// </summary>
internal abstract class Extent
{
    public abstract int Size { get; }

    public static Extent Sum(params IReadOnlyList<Extent> parts) => parts.Count == 1 ? parts[0] : new SumExtent(parts);

    public static Extent Product(params IReadOnlyList<Extent> factors) => factors.Count == 1 ? factors[0] : new ProductExtent(factors);

    /// <summary>
    /// The normal form: the extent as a sum of terms, each the factors of a product. Factors of size 1 are left out (a term
    /// of size 1 is empty), the first factor of a term is always a leaf, and a later one is a leaf or a sum.
    /// </summary>
    public IEnumerable<IReadOnlyList<Extent>> Terms() => this switch
    {
        Dimension { Definition: { } definition } => definition.Terms(),
        { Size: 0 } => [],
        { Size: 1 } => [[]],
        SumExtent sum => sum.Parts.SelectMany(p => p.Terms()),
        ProductExtent product => ProductTerms(product.Factors),
        _ => [[this]],
    };

    /// <summary>Every dimension that is not made of others, each once; those of size 1 too.</summary>
    public IReadOnlyList<Dimension> Leaves()
    {
        var leaves = new List<Dimension>();
        Collect(leaves);
        return leaves.Count < 2 ? leaves : [.. leaves.Distinct()];
    }

    /// <summary>The positions of this extent, as it was, that are left, in their new order, when each dimension keeps the given ones; null: all as they were.</summary>
    public abstract int[]? Select(Func<Dimension, int[]?> kept);

    /// <summary>The positions that go when one index of a dimension goes, in ascending order.</summary>
    public abstract int[] PositionsOf(Dimension dimension, int index);

    /// <summary>Adds every leaf, as often as it occurs.</summary>
    public abstract void Collect(List<Dimension> leaves);

    private static IEnumerable<IReadOnlyList<Extent>> ProductTerms(IEnumerable<Extent> factors)
    {
        if (!factors.Any())
            return [[]];
        var rest = factors.Skip(1);
        return factors.First().Terms().SelectMany(term => term.Count == 0 ? ProductTerms(rest) : [[.. term, .. rest.SelectMany(Spliced)]]);
    }

    // An inner factor that is a sum stays whole: its terms do not lie one behind the other.
    private static IEnumerable<Extent> Spliced(Extent factor)
    {
        var terms = factor.Terms().ToList();
        return terms.Count == 1 ? terms[0] : [factor];
    }

    private sealed class ProductExtent(IReadOnlyList<Extent> factors) : Extent
    {
        public IReadOnlyList<Extent> Factors => factors;

        public override int Size { get; } = checked((int)factors.Aggregate(1L, (size, factor) => size * factor.Size));

        public override int[]? Select(Func<Dimension, int[]?> kept)
        {
            var selections = factors.Select(f => f.Select(kept)).ToList();
            if (selections.TrueForAll(s => s is null))
                return null;
            int[] result = [0];
            for (var i = 0; i < factors.Count; i++)
            {
                var inner = selections[i] ?? [.. Enumerable.Range(0, factors[i].Size)];
                var size = factors[i].Size;
                result = [.. result.SelectMany(_ => inner, (outer, position) => (outer * size) + position)];
            }
            return result;
        }

        public override int[] PositionsOf(Dimension dimension, int index)
        {
            var positions = new SortedSet<int>();
            var (outer, inner) = (1, Size);
            foreach (var factor in factors)
            {
                inner /= factor.Size;
                foreach (var own in factor.PositionsOf(dimension, index))
                {
                    for (var o = 0; o < outer; o++)
                        positions.UnionWith(Enumerable.Range(((o * factor.Size) + own) * inner, inner));
                }
                outer *= factor.Size;
            }
            return [.. positions];
        }

        public override string ToString() => string.Join("·", factors.Select(f => f.Terms().Count() > 1 ? $"({f})" : $"{f}"));

        public override void Collect(List<Dimension> leaves)
        {
            foreach (var factor in factors)
                factor.Collect(leaves);
        }
    }

    private sealed class SumExtent(IReadOnlyList<Extent> parts) : Extent
    {
        public IReadOnlyList<Extent> Parts => parts;

        public override int Size { get; } = checked((int)parts.Sum(p => (long)p.Size));

        public override int[]? Select(Func<Dimension, int[]?> kept)
        {
            var selections = parts.Select(p => p.Select(kept)).ToList();
            if (selections.TrueForAll(s => s is null))
                return null;
            var result = new List<int>();
            var offset = 0;
            for (var i = 0; i < parts.Count; offset += parts[i++].Size)
            {
                foreach (var position in selections[i] ?? Enumerable.Range(0, parts[i].Size))
                    result.Add(offset + position);
            }
            return [.. result];
        }

        public override int[] PositionsOf(Dimension dimension, int index)
        {
            var positions = new List<int>();
            var offset = 0;
            foreach (var part in parts)
            {
                foreach (var position in part.PositionsOf(dimension, index))
                    positions.Add(offset + position);
                offset += part.Size;
            }
            return [.. positions];
        }

        public override string ToString() => string.Join(" + ", parts);

        public override void Collect(List<Dimension> leaves)
        {
            foreach (var part in parts)
                part.Collect(leaves);
        }
    }
}

/// <summary>An unknown of the polynomials: it is a leaf until it turns out to be the same as, or made of, others.</summary>
internal sealed class Dimension(int size) : Extent
{
    public override int Size => size;

    /// <summary>What this dimension turned out to be; null for a leaf.</summary>
    public Extent? Definition { get; private set; }

    /// <summary>Why no index of it can go; null when one can.</summary>
    public string? FixedBecause { get; set; }

    /// <summary>Why its indices cannot change places although one can go; null when they can.</summary>
    public string? OrderedBecause { get; set; }

    /// <summary>Says what this dimension is made of, which takes over what is known of it.</summary>
    public void Define(Extent definition)
    {
        if (definition.Size != size)
            throw new InvalidOperationException($"a dimension of {size} cannot be {definition} of {definition.Size}");
        Definition = definition;
        foreach (var leaf in definition.Leaves())
        {
            leaf.FixedBecause ??= FixedBecause;
            leaf.OrderedBecause ??= OrderedBecause;
        }
    }

    public override int[]? Select(Func<Dimension, int[]?> kept) => Definition is null ? kept(this) : Definition.Select(kept);

    public override int[] PositionsOf(Dimension dimension, int index) => Definition is not null ? Definition.PositionsOf(dimension, index) : dimension == this ? [index] : [];

    public override string ToString() => Definition?.ToString() ?? $"{size}{(FixedBecause is null ? "" : "!")}";

    public override void Collect(List<Dimension> leaves)
    {
        if (Definition is null)
            leaves.Add(this);
        else
            Definition.Collect(leaves);
    }
}
