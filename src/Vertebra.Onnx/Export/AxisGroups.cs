namespace Vertebra.Onnx;

/// <summary>
/// A reshape as independent pieces: neighbouring axes whose elements are merged, cut, or kept. [8, 14, 14, 64] to [8, 196, 64]
/// is (0 → 0), (1, 2 → 1), (3 → 2).
/// </summary>
internal static class AxisGroups
{
    /// <summary>The smallest groups; null where the sizes have none (empty tensors).</summary>
    public static List<(int[] From, int[] To)>? Of(Shape from, Shape to)
    {
        if (from.ElementCount == 0)
            return null;
        var groups = new List<(int[] From, int[] To)>();
        var (i, o) = (0, 0);
        while (i < from.Rank && o < to.Rank)
        {
            var (firstIn, firstOut) = (i, o);
            long input = from[i++], output = to[o++];
            while (input != output)
            {
                if (input < output)
                    input *= from[i++];
                else
                    output *= to[o++];
            }
            groups.Add(([.. Enumerable.Range(firstIn, i - firstIn)], [.. Enumerable.Range(firstOut, o - firstOut)]));
        }
        // What is left has size 1 and belongs to the last group.
        int[] restIn = [.. Enumerable.Range(i, from.Rank - i)], restOut = [.. Enumerable.Range(o, to.Rank - o)];
        if (groups.Count == 0)
            groups.Add((restIn, restOut));
        else
            groups[^1] = ([.. groups[^1].From, .. restIn], [.. groups[^1].To, .. restOut]);
        return groups;
    }

    /// <summary>
    /// In which order the result stands when its operand is reshaped as it stands, in <paramref name="order"/>; null where the axes
    /// of a group do not stand side by side in their own order.
    /// </summary>
    /// <param name="groups">The groups of the reshape.</param>
    /// <param name="order">The operand's order.</param>
    /// <param name="isUnit">Which of its axes have size 1: they may stand anywhere.</param>
    /// <param name="rank">The result's rank.</param>
    public static AxisOrder? Ordered(List<(int[] From, int[] To)> groups, AxisOrder order, Func<int, bool> isUnit, int rank)
    {
        groups = WithStanding(groups, isUnit);
        var standing = order.Axes.Where(a => !isUnit(a)).ToArray();
        if (standing.Length == 0)
            return AxisOrder.Plain(rank);
        var result = new List<int>(rank);
        var position = 0;
        while (position < standing.Length)
        {
            var group = groups.Single(g => g.From.Contains(standing[position]));
            var expected = group.From.Where(a => !isUnit(a)).ToArray();
            if (position + expected.Length > standing.Length || !standing.AsSpan(position, expected.Length).SequenceEqual(expected))
                return null;
            position += expected.Length;
            result.AddRange(group.To);
        }
        return new AxisOrder(result.ToArray());
    }

    // Groups of nothing but size 1 join the next one, or the one before when they are last.
    private static List<(int[] From, int[] To)> WithStanding(List<(int[] From, int[] To)> groups, Func<int, bool> isUnit)
    {
        var result = new List<(int[] From, int[] To)>();
        (int[] From, int[] To) waiting = ([], []);
        foreach (var (from, to) in groups)
        {
            waiting = ([.. waiting.From, .. from], [.. waiting.To, .. to]);
            if (from.All(isUnit))
                continue;
            result.Add(waiting);
            waiting = ([], []);
        }
        if (result.Count > 0)
            result[^1] = ([.. result[^1].From, .. waiting.From], [.. result[^1].To, .. waiting.To]);
        return result;
    }
}
