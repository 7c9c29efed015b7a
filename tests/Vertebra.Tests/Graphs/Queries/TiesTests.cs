using Vertebra.Graphs;

namespace Vertebra.Tests.Graphs.Queries;

/// <summary>The unification of polynomials: whatever is tied stays position by position the same, whichever indices go.</summary>
public class TiesTests
{
    [Fact]
    public void Tied_extents_lose_and_exchange_the_same_positions()
    {
        var free = 0;
        for (var seed = 0; seed < 3000; seed++)
        {
            var random = new Random(seed);
            var pairs = Enumerable.Range(0, random.Next(1, 6)).Aggregate((List<(Extent A, Extent B)>)[], (made, _) => [.. made, RandomPair(random, made)]);
            foreach (var (a, b) in pairs)
                Ties.Tie(a, b, "here");
            var leaves = pairs.SelectMany(p => p.A.Leaves().Concat(p.B.Leaves())).Distinct().Where(d => d.Size > 1).ToList();
            free += leaves.Count(d => d.FixedBecause is null);
            var kept = leaves.Where(d => d.FixedBecause is null).ToDictionary(d => d, d => Enumerable.Range(0, d.Size).OrderBy(_ => random.Next()).Take(random.Next(1, d.Size + 1)).ToArray());
            foreach (var (a, b) in pairs)
            {
                Assert.Equal(Positions(a), Positions(b));
                Assert.Equal(a.Leaves().Where(d => d.FixedBecause is null && d.Size > 1).ToHashSet(), b.Leaves().Where(d => d.FixedBecause is null && d.Size > 1).ToHashSet());
                foreach (var leaf in a.Leaves().Where(kept.ContainsKey))
                    Assert.Equal(a.PositionsOf(leaf, leaf.Size - 1), GoneWithout(b, leaf));
            }

            int[] Positions(Extent extent) => extent.Select(d => kept.GetValueOrDefault(d)) ?? [.. Enumerable.Range(0, extent.Size)];
        }
        Assert.True(free > 2000, $"only {free} dimensions were free: the test would see nothing");
    }

    [Fact]
    public void A_flattened_axis_is_the_product_it_was_made_of()
    {
        var (rows, channels, flat) = (new Dimension(49), new Dimension(8), new Dimension(392));
        Ties.Tie(flat, Extent.Product(rows, channels), "a flatten");
        Assert.Equal([rows, channels], flat.Leaves());
        Assert.Equal(Enumerable.Range(0, 49).Select(i => (i * 8) + 3), flat.PositionsOf(channels, 3));
    }

    [Fact]
    public void A_sum_cuts_the_outer_factor_of_a_product()
    {
        var (groups, width) = (new Dimension(8), new Dimension(4));
        var (a, b) = (new Dimension(12), new Dimension(20));
        Ties.Tie(Extent.Product(groups, width), Extent.Sum(a, b), "a group norm after a concat");
        Assert.Equal([3, 4], a.Leaves().Select(d => d.Size));
        Assert.Equal([5, 4], b.Leaves().Select(d => d.Size));
        Assert.Same(width, a.Leaves()[1]);
    }

    [Fact]
    public void What_has_no_common_refinement_is_fixed_with_the_reason()
    {
        var (a, b) = (Extent.Product(new Dimension(3), new Dimension(4)), Extent.Product(new Dimension(4), new Dimension(3)));
        Ties.Tie(a, b, "a transposition");
        Assert.All(a.Leaves().Concat(b.Leaves()), d => Assert.Contains("a transposition", d.FixedBecause));
    }

    private static int[] GoneWithout(Extent extent, Dimension dimension)
    {
        var left = extent.Select(d => d == dimension ? [.. Enumerable.Range(0, d.Size - 1)] : null)!;
        return [.. Enumerable.Range(0, extent.Size).Except(left)];
    }

    // Two extents of one size, made of new dimensions and of those that earlier pairs are made of.
    private static (Extent A, Extent B) RandomPair(Random random, List<(Extent A, Extent B)> earlier)
    {
        int[] sizes = [6, 8, 12, 16, 24, 36];
        var size = sizes[random.Next(sizes.Length)];
        return (RandomExtent(random, size, earlier), RandomExtent(random, size, earlier));
    }

    private static Extent RandomExtent(Random random, int size, List<(Extent A, Extent B)> earlier)
    {
        var known = earlier.SelectMany(p => (Extent[])[p.A, p.B]).Where(e => e.Size == size).ToList();
        var choice = random.Next(5);
        if (choice == 0 && known.Count > 0)
            return known[random.Next(known.Count)];
        var divisors = Enumerable.Range(2, Math.Max(0, size - 2)).Where(d => size % d == 0 && d < size).ToList();
        if (choice is 1 or 2 && divisors.Count > 0)
        {
            var outer = divisors[random.Next(divisors.Count)];
            return Extent.Product(RandomExtent(random, outer, earlier), RandomExtent(random, size / outer, earlier));
        }
        if (choice == 3 && size > 2)
        {
            var first = random.Next(1, size);
            return Extent.Sum(RandomExtent(random, first, earlier), RandomExtent(random, size - first, earlier));
        }
        return new Dimension(size);
    }
}
