using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Ops that move elements: every case says, for each output position, where its element comes from.</summary>
public sealed class ShapeOpCases : IOpCases
{
    private static readonly DType[] DTypes = [DType.Float16, DType.BFloat16, DType.Float64, DType.Int8, DType.UInt8, DType.Int32, DType.Int64, DType.Bool];

    public static IEnumerable<OpCase> All() => [.. Permutes(), .. Slices(), .. Joins(), .. Views(), .. Repeats(), .. Selections()];

    private static IEnumerable<OpCase> Permutes()
    {
        (Shape Shape, int[] Order)[] cases =
        [
            ([], []), ([5], [0]), ([1], [-1]), ([0], [0]), ([2, 3], [1, 0]), ([2, 3], [0, 1]), ([0, 3], [1, 0]), ([3, 0, 2], [2, 0, 1]),
            ([2, 3, 4], [2, 0, 1]), ([2, 3, 4], [-1, -3, -2]), ([2, 3, 4], [0, 2, 1]), ([2, 1, 3, 1], [3, 2, 1, 0]),
            ([2, 5, 3, 4], [0, 2, 3, 1]), ([2, 3, 4, 5], [0, 3, 1, 2]), ([2, 3, 4, 5], [1, 0, 3, 2]), ([2, 2, 3, 2, 3], [4, 1, 3, 0, 2]),
            ([17, 33], [1, 0]), ([65, 9], [1, 0]), ([8, 16], [1, 0]), ([300, 130], [1, 0]), ([2, 70, 300], [0, 2, 1]), ([5, 3, 700], [1, 2, 0]),
            ([2, 40, 30, 17], [0, 3, 1, 2]), ([3, 64, 9, 40], [2, 0, 3, 1]), ([40000, 3], [1, 0]), ([3, 40000], [1, 0]),
        ];
        foreach (var (shape, order) in cases)
            yield return Permuted(OpCases.Uniform(shape, 1), order);
        foreach (var dtype in DTypes)
        {
            yield return Permuted(Numbered([3, 4, 2], dtype), [2, 0, 1]);
            yield return Permuted(Numbered([37, 21], dtype), [1, 0]);
        }
        foreach (var n in OpCases.Lengths)
            yield return Permuted(OpCases.Uniform([n, 11], 1), [1, 0]);
    }

    private static OpCase Permuted(Tensor x, int[] order)
    {
        var target = Array.ConvertAll(order, axis => x.Shape[axis]);
        return Moved(new Permute(order), x, target, p =>
        {
            var from = new int[p.Length];
            for (var i = 0; i < p.Length; i++)
                from[order[i] < 0 ? order[i] + p.Length : order[i]] = p[i];
            return from;
        });
    }

    private static IEnumerable<OpCase> Slices()
    {
        (Shape Shape, int Axis, int Start, int End, int Step, int[] Kept)[] cases =
        [
            ([5], 0, 1, 4, 1, [1, 2, 3]), ([5], 0, -2, int.MaxValue, 1, [3, 4]), ([5], 0, 0, -1, 2, [0, 2]), ([5], -1, -100, 100, 3, [0, 3]),
            ([5], 0, 3, 3, 1, []), ([5], 0, 4, 1, 1, []), ([5], 0, 7, 9, 1, []), ([0], 0, 0, int.MaxValue, 1, []), ([1], 0, 0, 1, int.MaxValue, [0]),
            ([3, 4, 2], 1, 1, 4, 2, [1, 3]), ([3, 4, 2], 0, 1, 3, 1, [1, 2]), ([3, 4, 5], 2, 0, 5, 2, [0, 2, 4]), ([3, 4, 5], -1, 1, 2, 1, [1]),
            ([0, 4], 1, 1, 3, 1, [1, 2]), ([2, 4, 0], 1, 1, 3, 1, [1, 2]), ([2, 3, 1], 2, 0, 1, 1, [0]),
        ];
        foreach (var (shape, axis, start, end, step, kept) in cases)
        {
            var x = OpCases.Uniform(shape, 1);
            yield return Moved(new Slice(axis, start, end, step), x, shape.With(axis, kept.Length), p => Replaced(p, axis, i => kept[i]));
        }
        yield return Moved(new Slice(1, 3, 200, 2), OpCases.Uniform([500, 300], 1), [500, 99], p => [p[0], 3 + (2 * p[1])]);
        yield return Moved(new Slice(0, 1, 300, 1), OpCases.Uniform([300, 700], 1), [299, 700], p => [p[0] + 1, p[1]]);
        foreach (var dtype in DTypes)
            yield return Moved(new Slice(1, 0, 3, 2), Numbered([2, 3, 5], dtype), [2, 2, 5], p => [p[0], 2 * p[1], p[2]]);

        foreach (var (shape, axis, start, step, size) in new (Shape, int, int, int, int)[] { ([2, 3], 1, 1, 2, 7), ([3], 0, 0, 1, 3), ([2, 2, 2], -2, 1, 3, 5), ([0, 2], 0, 2, 1, 3), ([1], 0, 4, 1, 5) })
        {
            var x = OpCases.Uniform(shape, 1);
            var target = shape.With(axis, size);
            yield return new(new Unslice(axis, start, step, size), [x], inputs => [[.. Naive.Positions(target).Select(p =>
            {
                var i = p[axis < 0 ? axis + p.Length : axis] - start;
                return i < 0 || i % step != 0 || i / step >= shape[axis] ? 0 : inputs[0][Naive.Offset(shape, Replaced(p, axis, _ => i / step))];
            })]])
            { CheckSecondDerivative = true };
        }
    }

    private static IEnumerable<OpCase> Joins()
    {
        (int Axis, Shape[] Shapes)[] cases =
        [
            (0, [[3]]), (0, [[2], [0], [3]]), (-1, [[2, 3], [2, 1]]), (0, [[1, 3], [2, 3], [1, 3]]), (1, [[2, 1, 3], [2, 2, 3], [2, 0, 3]]),
            (2, [[2, 2, 3], [2, 2, 2]]), (0, [[0, 2], [0, 2]]), (1, [[0, 2], [0, 1]]), (1, [[300, 200], [300, 7]]), (0, [[300, 200], [1, 200]]),
        ];
        foreach (var (axis, shapes) in cases)
        {
            yield return Joined(axis, [.. shapes.Select((s, i) => OpCases.Uniform(s, i))]);
            yield return Divided(axis, [.. shapes.Select(s => s[axis])], OpCases.Uniform(shapes[0].With(axis, shapes.Sum(s => s[axis])), 1));
        }
        yield return Joined(0, [.. Enumerable.Range(0, 40).Select(i => OpCases.Uniform([1, 2], i))]);
        foreach (var dtype in DTypes)
        {
            yield return Joined(1, [Numbered([2, 3], dtype), Numbered([2, 5], dtype)]);
            yield return Divided(1, [3, 2], Numbered([2, 5], dtype));
        }
    }

    private static OpCase Joined(int axis, Tensor[] parts)
    {
        var shape = parts[0].Shape.With(axis, parts.Sum(p => p.Shape[axis]));
        return new(new Concat(axis), parts, x => [[.. Naive.Positions(shape).Select(p =>
        {
            var (part, at) = (0, p[axis < 0 ? axis + p.Length : axis]);
            while (at >= parts[part].Shape[axis])
                at -= parts[part++].Shape[axis];
            return x[part][Naive.Offset(parts[part].Shape, Replaced(p, axis, _ => at))];
        })]])
        { CheckSecondDerivative = shape.ElementCount is > 0 and < 20 };
    }

    private static OpCase Divided(int axis, int[] sizes, Tensor x) => new(new Split(sizes, axis), [x], inputs =>
        [.. sizes.Select((size, i) => Naive.Positions(x.Shape.With(axis, size)).Select(p => inputs[0][Naive.Offset(x.Shape, Replaced(p, axis, at => at + sizes[..i].Sum()))]).ToArray())])
        { DifferentiableOutputs = sizes.Length, CheckSecondDerivative = x.DType == DType.Float32 && x.ElementCount is > 0 and < 20 };

    private static IEnumerable<OpCase> Views()
    {
        yield return new(new Squeeze(1), [OpCases.Uniform([2, 1, 3], 1)], x => [x[0]]) { CheckSecondDerivative = true };
        yield return new(new Squeeze(-1), [Numbered([1], DType.Int64)], x => [x[0]]);
        yield return new(new Unsqueeze(-1), [OpCases.Uniform([2, 3], 1)], x => [x[0]]) { CheckSecondDerivative = true };
        yield return new(new Unsqueeze(0), [OpCases.Uniform([], 1)], x => [x[0]]);
        yield return new(new DropInTraining(0.5f, WholeImages: false), [OpCases.Uniform([2, 3], 1)], x => [x[0]]) { CheckSecondDerivative = true };
        yield return new(new Flatten(1, -1), [OpCases.Uniform([2, 3, 2], 1)], x => [x[0]]) { CheckSecondDerivative = true };
        yield return new(new Flatten(0, 1), [OpCases.Uniform([0, 3, 2], 1)], x => [x[0]]);
    }

    private static IEnumerable<OpCase> Repeats()
    {
        (Shape Shape, int[] Target)[] cases =
        [
            ([], [2, 3]), ([1], [0]), ([3], [2, 3]), ([3, 1], [3, 4]), ([1, 3], [2, -1]), ([2, 1, 3, 1], [5, 2, 2, 3, 2]), ([0, 1], [0, 3]), ([1, 1], [300, 400]), ([30, 1], [30, 4000]),
        ];
        foreach (var (shape, target) in cases)
        {
            var full = target.Select((size, i) => size == -1 ? shape[i - target.Length + shape.Rank] : size).ToArray();
            yield return Moved(new Expand(target), OpCases.Uniform(shape, 1), full,
                p => [.. p[(p.Length - shape.Rank)..].Select((at, axis) => shape[axis] == 1 ? 0 : at)]);
        }
        yield return Moved(new Expand([2, 3]), Numbered([3], DType.Int8), [2, 3], p => [p[1]]);
        foreach (var n in OpCases.Lengths)
            yield return Moved(new Flip([0]), OpCases.Uniform([n], 1), [n], p => [n - 1 - p[0]]);
        yield return Moved(new Flip([0, -1]), OpCases.Uniform([2, 3, 4], 1), [2, 3, 4], p => [1 - p[0], p[1], 3 - p[2]]);
        yield return Moved(new Flip([1]), OpCases.Uniform([2, 3, 40], 1), [2, 3, 40], p => [p[0], 2 - p[1], p[2]]);
        yield return Moved(new Flip([]), OpCases.Uniform([2, 3], 1), [2, 3], p => p);
        foreach (var n in OpCases.Lengths)
            yield return Moved(new Roll([3], [0]), OpCases.Uniform([n], 1), [n], p => [(p[0] + (3 * n) - 3) % n]);
        yield return Moved(new Roll([1, -2], [1, -2]), OpCases.Uniform([2, 3, 5, 4], 1), [2, 3, 5, 4], p => [p[0], (p[1] + 2) % 3, (p[2] + 2) % 5, p[3]]);
        yield return Moved(new Roll([5, 0, -7], [1, 0, 2]), OpCases.Uniform([2, 5, 4], 1), [2, 5, 4], p => [p[0], p[1], (p[2] + 7) % 4]);
        yield return Moved(new Roll([], []), OpCases.Uniform([2, 3], 1), [2, 3], p => p);
        foreach (var dtype in DTypes)
        {
            yield return Moved(new Flip([1]), Numbered([2, 9], dtype), [2, 9], p => [p[0], 8 - p[1]]);
            yield return Moved(new Roll([-4], [1]), Numbered([2, 9], dtype), [2, 9], p => [p[0], (p[1] + 4) % 9]);
        }
    }

    private static IEnumerable<OpCase> Selections()
    {
        (Shape Shape, int Axis, long[] Index)[] cases =
        [
            ([5], 0, [4, 0, 0, 2]), ([5], 0, []), ([3, 4], 0, [2, 2]), ([3, 4], -1, [3, 0, 1, 1, 2]), ([2, 3, 2], 1, [1]), ([0, 3], 1, [2, 0]), ([2, 3, 0], 1, [2]), ([6, 5, 9000], 1, [4, 1, 4]),
        ];
        foreach (var (shape, axis, index) in cases)
        {
            var target = shape.With(axis, index.Length);
            var small = shape.ElementCount is > 0 and < 20 && index.Length > 0;
            yield return new(new IndexSelect(axis), [OpCases.Uniform(shape, 1), Tensor.From(index)], x =>
                [[.. Naive.Positions(target).Select(p => x[0][Naive.Offset(shape, Replaced(p, axis, i => (int)index[i]))])]])
            { CheckSecondDerivative = small };
            yield return new(new IndexAdd(axis), [OpCases.Uniform(shape, 1), Tensor.From(index), OpCases.Uniform(target, 2)], x =>
            {
                var sum = (double[])x[0].Clone();
                foreach (var p in Naive.Positions(target))
                    sum[Naive.Offset(shape, Replaced(p, axis, i => (int)index[i]))] += x[2][Naive.Offset(target, p)];
                return [sum];
            })
            { CheckSecondDerivative = small };
        }
        foreach (var dtype in DTypes)
            yield return new(new IndexSelect(0), [Numbered([3, 2], dtype), Tensor.From(2L, 0)], x => [[x[0][4], x[0][5], x[0][0], x[0][1]]]);
    }

    /// <summary>A case of an op that takes each output element from one input element.</summary>
    private static OpCase Moved(Op op, Tensor x, Shape target, Func<int[], int[]> origin) =>
        new(op, [x], inputs => [[.. Naive.Positions(target).Select(p => inputs[0][Naive.Offset(x.Shape, origin(p))])]])
        {
            Tolerance = 0,
            CheckSecondDerivative = x.DType == DType.Float32 && x.ElementCount is > 0 and < 20,
        };

    private static int[] Replaced(int[] position, int axis, Func<int, int> change)
    {
        var changed = (int[])position.Clone();
        axis = axis < 0 ? axis + position.Length : axis;
        changed[axis] = change(changed[axis]);
        return changed;
    }

    /// <summary>0, 1, 2, ... in any element type (alternating for bool).</summary>
    public static Tensor Numbered(Shape shape, DType dtype)
    {
        var n = Enumerable.Range(0, (int)shape.ElementCount).ToArray();
        return dtype switch
        {
            DType.Float32 => Tensor.From(Array.ConvertAll(n, i => (float)i), shape),
            DType.Float64 => Tensor.From(Array.ConvertAll(n, i => (double)i), shape),
            DType.Float16 => Tensor.From(Array.ConvertAll(n, i => (Half)i), shape),
            DType.BFloat16 => Tensor.From(Array.ConvertAll(n, i => (ushort)(BitConverter.SingleToInt32Bits(i) >> 16)), shape),
            DType.Int8 => Tensor.From(Array.ConvertAll(n, i => (sbyte)i), shape),
            DType.UInt8 => Tensor.From(Array.ConvertAll(n, i => (byte)i), shape),
            DType.Int32 => Tensor.From(n, shape),
            DType.Int64 => Tensor.From(Array.ConvertAll(n, i => (long)i), shape),
            _ => Tensor.From(Array.ConvertAll(n, i => i % 3 == 1), shape),
        };
    }
}
