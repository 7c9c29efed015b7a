using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Padding, gathering, scattering, selecting.</summary>
public sealed class IndexOpCases : IOpCases
{
    public static IEnumerable<OpCase> All() => [.. Pads(), .. Gathers(), .. TopKs(), .. OneHots()];

    private static IEnumerable<OpCase> Pads()
    {
        (Shape Shape, int[] Before, int[] After)[] cases =
        [
            ([], [], []), ([3], [0], [0]), ([3], [2], [1]), ([1], [0], [0]), ([2, 3], [0, 2], [1, 0]), ([2, 3, 4], [1, 0, 2], [0, 2, 3]), ([2, 4, 5, 3], [0, 3, 1, 0], [0, 1, 3, 0]),
            ([3, 2, 2], [2, 0, 0], [1, 0, 0]), ([2, 0, 3], [0, 0, 1], [0, 0, 2]), ([2, 40, 50, 33], [0, 1, 2, 0], [0, 2, 1, 0]), ([400, 300], [1, 1], [1, 1]),
        ];
        foreach (var (shape, before, after) in cases)
        {
            foreach (var mode in Enum.GetValues<PadMode>())
                yield return Padded(OpCases.Uniform(shape, 1), before, after, mode, 0.25);
        }
        yield return Padded(OpCases.Uniform([0, 2], 1), [2, 1], [1, 0], PadMode.Constant, -1.5);
        yield return Padded(OpCases.Uniform([1, 2], 1), [5, 0], [0, 7], PadMode.Replicate, 0);
        foreach (var dtype in Enum.GetValues<DType>())
        {
            yield return Padded(ShapeOpCases.Numbered([2, 5], dtype), [1, 0], [0, 2], PadMode.Constant, 1);
            yield return Padded(ShapeOpCases.Numbered([2, 5], dtype), [1, 4], [0, 2], PadMode.Reflect, 0);
        }
        yield return Padded(ShapeOpCases.Numbered([2], DType.Int8), [1], [1], PadMode.Constant, -3);
        yield return Padded(ShapeOpCases.Numbered([2], DType.BFloat16), [1], [1], PadMode.Constant, -2.5);
    }

    private static OpCase Padded(Tensor x, int[] before, int[] after, PadMode mode, double value)
    {
        var shape = x.Shape;
        Shape target = [.. shape.Span.ToArray().Select((size, axis) => before[axis] + size + after[axis])];
        return new(new Pad(before, after, mode, (float)value), [x], inputs => [[.. Naive.Positions(target).Select(p =>
        {
            var from = new int[p.Length];
            for (var axis = 0; axis < p.Length; axis++)
            {
                var (at, last) = (p[axis] - before[axis], shape[axis] - 1);
                if (mode == PadMode.Constant && (at < 0 || at > last))
                    return value;
                from[axis] = mode == PadMode.Reflect ? (at < 0 ? -at : at > last ? last - (at - last) : at) : Math.Clamp(at, 0, Math.Max(0, last));
            }
            return inputs[0][Naive.Offset(shape, from)];
        })]])
        {
            Tolerance = 0,
            CheckSecondDerivative = x.DType == DType.Float32 && x.ElementCount is > 0 and < 30,
        };
    }

    private static IEnumerable<OpCase> Gathers()
    {
        (Shape Shape, int Axis, int Count)[] cases =
        [
            ([5], 0, 8), ([1], -1, 1), ([5], 0, 0), ([3, 4], 1, 2), ([3, 4], 0, 5), ([2, 3, 4], 1, 2), ([2, 3, 4], -1, 1), ([0, 3], 1, 2), ([2, 3, 0], 1, 2), ([3, 20, 2000], 1, 7), ([5000, 9], 1, 3),
        ];
        foreach (var (shape, axis, count) in cases)
        {
            var x = OpCases.Uniform(shape, 1);
            var target = shape.With(axis, count);
            var index = OpCases.Indices(target, Math.Max(1, shape[axis]), 2);
            int Place(double[] indices, int[] p)
            {
                var from = (int[])p.Clone();
                from[axis < 0 ? axis + p.Length : axis] = (int)indices[Naive.Offset(target, p)];
                return Naive.Offset(shape, from);
            }
            var small = shape.ElementCount is > 0 and < 30 && count > 0;
            yield return new(new Gather(axis), [x, index], v => [[.. Naive.Positions(target).Select(p => v[0][Place(v[1], p)])]]) { CheckSecondDerivative = small };
            yield return new(new ScatterAdd(axis), [x, index, OpCases.Uniform(target, 3)], v =>
            {
                var sum = (double[])v[0].Clone();
                foreach (var p in Naive.Positions(target))
                    sum[Place(v[1], p)] += v[2][Naive.Offset(target, p)];
                return [sum];
            })
            { CheckSecondDerivative = small };
        }
        foreach (var dtype in Enum.GetValues<DType>())
            yield return new(new Gather(1), [ShapeOpCases.Numbered([2, 3], dtype), Tensor.From([2L, 0, 1, 1], [2, 2])], v => [[v[0][2], v[0][0], v[0][4], v[0][4]]]);
    }

    private static IEnumerable<OpCase> TopKs()
    {
        foreach (var largest in new[] { true, false })
        {
            foreach (var n in OpCases.Lengths)
            {
                yield return Top(OpCases.Distinct([n], 1), n / 2, 0, largest);
                yield return Top(OpCases.Distinct([n], 1), n, 0, largest);
            }
            yield return Top(OpCases.Distinct([3, 5, 2], 1), 2, 1, largest);
            yield return Top(OpCases.Distinct([4, 6], 1), 3, -1, largest);
            yield return Top(OpCases.Distinct([0, 6], 1), 3, -1, largest);
            yield return Top(OpCases.Distinct([400, 30], 1), 3, -1, largest);
            var tied = Tensor.From(1f, 0f, 1f, -0f, float.PositiveInfinity, -1f, 0f, 1f, float.NegativeInfinity, float.NaN, -1f, float.NaN);
            for (var k = 0; k <= 12; k += 3)
                yield return Top(tied, k, 0, largest) with { CheckGradient = false };
        }
    }

    private static OpCase Top(Tensor x, int k, int axis, bool largest)
    {
        var (shape, target) = (x.Shape, x.Shape.With(axis, k));
        var at = axis < 0 ? axis + x.Rank : axis;
        return new(new TopK(k, axis, largest), [x], inputs =>
        {
            var picks = Naive.Positions(target).Select(p =>
            {
                double Element(int i) => inputs[0][Naive.Offset(shape, [.. p[..at], i, .. p[(at + 1)..]])];
                // Rank by counting who goes first; quadratic, and nothing like a heap. NaN ranks above infinity.
                int Compare(int i, int j) => (double.IsNaN(Element(i)), double.IsNaN(Element(j))) switch
                {
                    (true, true) => 0,
                    (true, false) => 1,
                    (false, true) => -1,
                    _ => Element(i) == Element(j) ? 0 : Element(i) > Element(j) ? 1 : -1,
                };
                bool GoesBefore(int i, int j) => (largest ? Compare(i, j) : -Compare(i, j)) is var c && (c > 0 || (c == 0 && i < j));
                var index = Enumerable.Range(0, shape[at]).Single(j => Enumerable.Range(0, shape[at]).Count(i => GoesBefore(i, j)) == p[at]);
                return (Value: Element(index), Index: (double)index);
            }).ToArray();
            return [[.. picks.Select(p => p.Value)], [.. picks.Select(p => p.Index)]];
        })
        { Tolerance = 0, CheckSecondDerivative = x.ElementCount is > 0 and < 30 && k > 0 };
    }

    private static IEnumerable<OpCase> OneHots()
    {
        yield return new(new OneHot(3), [Tensor.From([2L, 0, 1, 1], [2, 2])], _ => [[0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0]]);
        yield return new(new OneHot(1), [Tensor.From([0L], [])], _ => [[1]]);
        yield return new(new OneHot(4), [Tensor.Zeros([0], DType.Int64)], _ => [[]]);
    }
}
