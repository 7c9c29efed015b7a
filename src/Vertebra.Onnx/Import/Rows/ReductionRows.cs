using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Reductions, the places of largest elements, running sums.</summary>
internal static class ReductionRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("ReduceSum", c => Reduce(c, (x, axes, keep) => x.Sum(axes, keep), (a, b) => a + b, axesByOperandSince: 13));
        table.Add("ReduceMean", c => Reduce(c, (x, axes, keep) => x.Mean(axes, keep), null));
        table.Add("ReduceMax", c => Reduce(c, (x, axes, keep) => x.Max(axes, keep), Math.Max));
        table.Add("ReduceMin", c => Reduce(c, (x, axes, keep) => x.Min(axes, keep), Math.Min));
        table.Add("ReduceProd", c => Reduce(c, null, (a, b) => a * b));
        table.Add("ReduceL1", c => Reduce(c, (x, axes, keep) => x.Abs().Sum(axes, keep), null));
        table.Add("ReduceL2", c => Reduce(c, (x, axes, keep) => x.Square().Sum(axes, keep).Sqrt(), null));
        table.Add("ReduceSumSquare", c => Reduce(c, (x, axes, keep) => x.Square().Sum(axes, keep), null));
        table.Add("ReduceLogSum", c => Reduce(c, (x, axes, keep) => x.Sum(axes, keep).Log(), null));
        table.Add("ReduceLogSumExp", c => Reduce(c, LogSumExp, null));
        table.Add("ArgMax", c => Extreme(c, x => x));
        table.Add("ArgMin", c => Extreme(c, x => -x));
        table.Add("CumSum", CumulativeSum);
        table.AddMany("TopK", TopK);
    }

    private static Tensor LogSumExp(Tensor x, IntList axes, bool keep)
    {
        // Subtracting the largest keeps the exponentials in range; where it is infinite there is nothing to keep.
        var largest = x.Max(axes, keepAxes: true);
        var shift = largest.Abs().Less(float.PositiveInfinity).Where(largest, 0);
        var sum = (x - shift).Exp().Sum(axes, keepAxes: true).Log() + shift;
        return keep ? sum : sum.Sum(axes);
    }

    private static OnnxValue Reduce(OnnxCall c, Func<Tensor, IntList, bool, Tensor>? floats, Func<long, long, long>? integers, int axesByOperandSince = 18)
    {
        var x = c[0];
        var keep = c.Flag("keepdims", otherwise: true);
        var axes = c.Opset >= axesByOperandSince ? (c.Has(1) ? c.Ints(1) : null) : c.IntList("axes");
        if (axes is null or [])
        {
            if (c.Flag("noop_with_empty_axes"))
                return x;
            axes = Orders.Plain(x.Rank);
        }
        axes = [.. axes.Select(a => x.Shape.NormalizeAxis(a, c.Node.OpType)).Distinct()];
        if (axes.Length == 0)
            axes = []; // a scalar reduces to itself
        if (!x.DType.IsFloat() || floats is null)
            return ReduceOnHost(x.AsPlain(), axes, keep, integers ?? throw c.Bad($"there is no such reduction of {x}"));
        if (keep)
            return x.With(x.Rank == 0 ? floats(x.Stored, default, true) : floats(x.Stored, Array.ConvertAll(axes, a => x.StoredAxis(a)), true));
        // Without the reduced axes the others must stand in ONNX's order.
        var remaining = x.Order.Where(a => !axes.Contains(a)).ToArray();
        var isSorted = remaining.SequenceEqual(remaining.Order());
        return isSorted ? floats(x.Stored, Array.ConvertAll(axes, a => x.StoredAxis(a)), false) : floats(x.AsPlain(), axes, false);
    }

    // Products, and reductions of integers: shapes are computed so.
    private static Tensor ReduceOnHost(Tensor x, int[] axes, bool keep, Func<long, long, long> function)
    {
        HostMath.RequireData(x);
        var sizes = x.Shape.Span.ToArray();
        foreach (var axis in axes)
            sizes[axis] = 1;
        Shape reduced = sizes;
        var values = x.DType.IsFloat() ? null : HostMath.ToLongs(x);
        var floats = x.DType.IsFloat() ? x.ToArray<float>() : null;
        var steps = Layout.Strides(reduced);
        for (var axis = 0; axis < sizes.Length; axis++)
            steps[axis] = axes.Contains(axis) ? 0 : steps[axis];
        var integers = new long?[reduced.ElementCount];
        var products = new double[reduced.ElementCount];
        Array.Fill(products, 1);
        var position = new int[sizes.Length];
        for (long i = 0; i < x.ElementCount; i++)
        {
            long target = 0;
            for (var axis = 0; axis < sizes.Length; axis++)
                target += position[axis] * steps[axis];
            if (values is not null)
                integers[target] = integers[target] is { } former ? function(former, values[i]) : values[i];
            else
                products[target] *= floats![i];
            for (var axis = sizes.Length - 1; axis >= 0 && ++position[axis] == x.Shape[axis]; axis--)
                position[axis] = 0;
        }
        var result = values is null
            ? Tensor.From(Array.ConvertAll(products, p => (float)p), reduced)
            : Tensor.From(Array.ConvertAll(integers, v => v ?? 0), reduced).To(x.DType);
        return keep ? result : result.Reshape([.. Enumerable.Range(0, sizes.Length).Where(a => !axes.Contains(a)).Select(a => sizes[a])]);
    }

    private static OnnxValue Extreme(OnnxCall c, Func<Tensor, Tensor> toLargest)
    {
        var plain = toLargest(c.Plain(0).To(DType.Float32));
        var axis = plain.Shape.NormalizeAxis(c.Axis("axis", 0), c.Node.OpType);
        var keep = c.Flag("keepdims", otherwise: true);
        Tensor found;
        if (c.Flag("select_last_index"))
        {
            HostMath.RequireData(plain);
            var reversed = plain.Flip(axis).ArgMax(axis);
            found = HostMath.Unary(reversed, i => plain.Shape[axis] - 1 - i);
        }
        else
        {
            found = plain.ArgMax(axis);
        }
        return keep ? found.Unsqueeze(axis) : found;
    }

    private static OnnxValue CumulativeSum(OnnxCall c)
    {
        var x = c.Plain(0);
        var axis = x.Shape.NormalizeAxis(c.ToInt(c.Long(1), "axis"), "CumSum");
        var (exclusive, reverse) = (c.Flag("exclusive"), c.Flag("reverse"));
        var sum = new CumSum(axis, reverse).Apply(x.To(DType.Float32));
        if (exclusive)
            sum = sum - x.To(DType.Float32);
        return sum.To(x.DType);
    }

    private static OnnxValue[] TopK(OnnxCall c)
    {
        var x = c.Plain(0);
        var axis = x.Shape.NormalizeAxis(c.Axis("axis", -1), "TopK");
        var k = c.ToInt(c.Opset >= 10 ? c.Long(1) : c.Int("k"), "k");
        var (values, indices) = x.To(DType.Float32).TopK(k, axis, c.Flag("largest", otherwise: true));
        return [values.To(x.DType), indices];
    }
}
