using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Sums, means and extremes over every arrangement of axes, and over lengths that are cut into parts.</summary>
public sealed class ReductionCases : IOpCases
{
    private static readonly (Shape Shape, int[] Axes)[] Small =
    [
        ([], []), ([5], []), ([3, 5], []), ([3, 5], [0]), ([3, 5], [1]), ([3, 5], [-1]), ([2, 3, 5], [1]), ([2, 3, 5], [0, 2]), ([2, 3, 5], [0, 1]),
        ([2, 3, 5], [1, 2]), ([2, 3, 2, 5], [1, 2]), ([2, 3, 2, 5], [3, 0]), ([2, 3, 2, 2, 3], [0, 2, 4]), ([1, 3, 1], [0]), ([1, 1], [0]), ([4, 1, 3], [1]),
    ];

    private static readonly (Shape Shape, int[] Axes)[] Large =
    [
        ([200_003], []), ([2, 140_000], [1]), ([1000, 33], [0]), ([9000, 7], [0]), ([300, 1, 300], [0]), ([2, 4000, 20], [1]), ([3, 5000], [0]), ([700, 100], [1]), ([40, 30, 50], [0, 2]),
    ];

    public static IEnumerable<OpCase> All()
    {
        foreach (var (shape, axes) in Small)
        {
            foreach (var keep in new[] { false, true })
            {
                foreach (var c in Cases(shape, axes, keep))
                    yield return c;
            }
        }
        foreach (var n in OpCases.Lengths.Where(n => n > 0))
        {
            foreach (var c in Cases([n], [0], false).Concat(Cases([3, n], [0], false)).Concat(Cases([2, n], [1], false)))
                yield return c;
        }
        foreach (var (shape, axes) in Large)
        {
            foreach (var c in Cases(shape, axes, true))
                yield return c with { CheckGradient = false };
        }
        yield return new(new Sum([], false), [OpCases.Uniform([0], 1)], _ => [[0]]);
        yield return new(new Sum([0], false), [OpCases.Uniform([0, 3], 1)], _ => [[0, 0, 0]]);
        yield return new(new Mean([0], false), [OpCases.Uniform([0, 2], 1)], _ => [[double.NaN, double.NaN]]);
        yield return new(new Max([1], false), [OpCases.Uniform([0, 2], 1)], _ => [[]]);
        var special = Tensor.From([float.NaN, 1, float.NegativeInfinity, float.NegativeInfinity, float.PositiveInfinity, 2], [3, 2]);
        yield return new(new Max([1], false), [special], _ => [[double.NaN, double.NegativeInfinity, double.PositiveInfinity]]) { CheckGradient = false };
        yield return new(new Min([1], false), [special], _ => [[double.NaN, double.NegativeInfinity, 2]]) { CheckGradient = false };
        yield return new(new Sum([1], false), [special], _ => [[double.NaN, double.NegativeInfinity, double.PositiveInfinity]]) { CheckGradient = false };
    }

    private static IEnumerable<OpCase> Cases(Shape shape, int[] axes, bool keep)
    {
        var uniform = OpCases.Uniform(shape, 1);
        var distinct = OpCases.Distinct(shape, 2);
        yield return new(new Sum(axes, keep), [uniform], x => [Naive.Reduce(x[0], shape, axes, v => v.Sum())]);
        yield return new(new Mean(axes, keep), [uniform], x => [Naive.Reduce(x[0], shape, axes, v => v.Average())]);
        yield return new(new Max(axes, keep), [distinct], x => [Naive.Reduce(x[0], shape, axes, v => v.Max())]);
        yield return new(new Min(axes, keep), [distinct], x => [Naive.Reduce(x[0], shape, axes, v => v.Min())]);
    }
}
