namespace Vertebra.Graphs;

/// <summary>
/// Makes two extents equal, position by position, by refining their dimensions: unification of polynomials. It never
/// loses a relation silently: where two extents do not refine to common dimensions (4·6 and 6·4), both become fixed.
/// </summary>
internal static class Ties
{
    /// <summary>No index of these dimensions can go.</summary>
    public static void Fix(Extent extent, string because)
    {
        foreach (var leaf in extent.Leaves())
            leaf.FixedBecause ??= because;
    }

    /// <summary>The order of these dimensions' indices matters.</summary>
    public static void Order(Extent extent, string because)
    {
        foreach (var leaf in extent.Leaves())
            leaf.OrderedBecause ??= because;
    }

    /// <summary>Position i of one is position i of the other.</summary>
    /// <param name="a">One.</param>
    /// <param name="b">The other, of the same size.</param>
    /// <param name="where">The node that says so, for the reason if the tie makes dimensions fixed.</param>
    public static void Tie(Extent a, Extent b, string where)
    {
        if (a.Size != b.Size)
            throw new InvalidOperationException($"{where} cannot tie {a.Size} positions to {b.Size}");
        if (ReferenceEquals(a, b) || a.Size <= 1 || SpreadsFixed(a, b, where))
            return;
        var (left, right) = (new Stack<Extent>([a]), new Stack<Extent>([b]));
        while (NextTerm(left) is { } x && NextTerm(right) is { } y)
        {
            if (x.Size == y.Size)
            {
                TieTerms(x, y, where);
                continue;
            }
            left.Push(x);
            right.Push(y);
            if (x.Size > y.Size)
                Cut(left, y.Size);
            else
                Cut(right, x.Size);
        }
    }

    // Where one side is all fixed the other is too, and how they correspond no longer matters.
    private static bool SpreadsFixed(Extent a, Extent b, string where)
    {
        if (FixedReason(a, where) is { } reason)
            Fix(b, reason);
        else if (FixedReason(b, where) is { } other)
            Fix(a, other);
        else
            return false;
        return true;
    }

    private static string? FixedReason(Extent extent, string where)
    {
        string? reason = null;
        foreach (var leaf in extent.Leaves())
        {
            // Dimensions of size 1 cannot go anyway, and say nothing about the others.
            if (leaf.Size > 1 && leaf.FixedBecause is null)
                return null;
            reason ??= leaf.FixedBecause;
        }
        return reason ?? $"{where} takes it apart into single positions";
    }

    private static Extent? NextTerm(Stack<Extent> extents)
    {
        while (extents.TryPop(out var next))
        {
            var terms = next.Terms().ToList();
            if (terms.Count == 0)
                continue;
            for (var i = terms.Count - 1; i > 0; i--)
                extents.Push(Extent.Product(terms[i]));
            return Extent.Product(terms[0]);
        }
        return null;
    }

    /// <summary>Replaces the uppermost term by pieces, so that one of them begins at a position or nearer to it.</summary>
    private static void Cut(Stack<Extent> terms, int position)
    {
        var factors = terms.Pop().Terms().Single();
        var outer = (Dimension)factors[0];
        var rest = Extent.Product([.. factors.Skip(1)]);
        var (whole, within) = Math.DivRem(position, rest.Size);
        int[] sizes = within == 0 ? [whole, outer.Size - whole] : [whole, 1, outer.Size - whole - 1];
        var pieces = Array.ConvertAll(sizes, size => (Extent)new Dimension(size));
        outer.Define(Extent.Sum(pieces));
        foreach (var piece in pieces.Reverse())
            terms.Push(Extent.Product([piece, rest]));
    }

    private static void TieTerms(Extent a, Extent b, string where)
    {
        if (a.Size == 1 || SpreadsFixed(a, b, where))
            return;
        var (x, y) = (a.Terms().Single(), b.Terms().Single());
        var (first, second) = ((Dimension)x[0], (Dimension)y[0]);
        if (x.Count == 1 && y.Count == 1 && first == second)
            return;
        if (x.Count == 1)
        {
            first.Define(b);
        }
        else if (y.Count == 1)
        {
            second.Define(a);
        }
        else
        {
            TieProducts(x, y, where);
        }
    }

    private static void TieProducts(IReadOnlyList<Extent> x, IReadOnlyList<Extent> y, string where)
    {
        var (first, second) = ((Dimension)x[0], (Dimension)y[0]);
        var common = (int)System.Numerics.BigInteger.GreatestCommonDivisor(first.Size, second.Size);
        if (common == 1)
        {
            var because = $"{where} groups its positions as {Extent.Product(x)} and as {Extent.Product(y)}";
            Fix(Extent.Product(x), because);
            Fix(Extent.Product(y), because);
            return;
        }
        if (first != second)
        {
            var outer = new Dimension(common);
            Split(first, outer);
            Split(second, outer);
        }
        Tie(Extent.Product([.. Rest(x, common)]), Extent.Product([.. Rest(y, common)]), where);
    }

    private static void Split(Dimension dimension, Dimension outer)
    {
        if (dimension.Size == outer.Size)
            dimension.Define(outer);
        else
            dimension.Define(Extent.Product([outer, new Dimension(dimension.Size / outer.Size)]));
    }

    // What a product is without its outermost factor of the given size.
    private static IEnumerable<Extent> Rest(IReadOnlyList<Extent> factors, int outer)
    {
        var terms = Extent.Product(factors).Terms().Single();
        return terms[0].Size == outer ? terms.Skip(1) : throw new InvalidOperationException($"{Extent.Product(factors)} does not begin with a factor of {outer}");
    }
}
