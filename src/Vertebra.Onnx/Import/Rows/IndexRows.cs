using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Operators that pick and place elements by index.</summary>
internal static class IndexRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("Gather", Gather);
        table.Add("GatherElements", GatherElements);
        table.Add("GatherND", GatherNd);
        table.Add("ScatterElements", ScatterElements);
        table.Add("Scatter", ScatterElements);
        table.Add("ScatterND", ScatterNd);
        table.Add("OneHot", OneHot);
        table.Add("Trilu", Trilu);
    }

    private static OnnxValue Gather(OnnxCall c)
    {
        var (x, index) = (c[0], c[1]);
        var stored = x.StoredAxis(c.Axis("axis", 0));
        var axis = x.Order[stored];
        if (index.Rank == 0 && !index.IsMeta)
        {
            var position = Normalised(c, [c.Long(1)], x.Shape[axis])[0];
            return ShapeRows.Without(x.With(x.Stored.Slice(stored, (int)position, (int)position + 1)), new HashSet<int> { axis });
        }
        var plain = x.AsPlain();
        Shape shape = [.. plain.Shape.Span[..axis], .. index.Shape, .. plain.Shape.Span[(axis + 1)..]];
        return plain.IndexSelect(axis, Positions(c, index, x.Shape[axis]).Reshape([-1])).Reshape(shape);
    }

    /// <summary>Indices as int64 from 0 on; while a graph is made unknown ones are taken as they are, and an op checks them at every run.</summary>
    private static Tensor Positions(OnnxCall c, OnnxValue index, int size) => index.IsMeta
        ? index.AsPlain().To(DType.Int64)
        : Tensor.From(Normalised(c, HostMath.ToLongs(index.AsPlain()), size), index.Shape);

    private static long[] Normalised(OnnxCall c, long[] indices, int size) => Array.ConvertAll(indices, i => i >= -size && i < size ? (i < 0 ? i + size : i)
        : throw c.Bad($"index {i} is outside an axis of size {size} of {c[0]}"));

    private static OnnxValue GatherElements(OnnxCall c)
    {
        var (x, index) = (c.Plain(0), c[1]);
        var axis = x.Shape.NormalizeAxis(c.Axis("axis", 0), "GatherElements");
        if (index.Rank != x.Rank)
            throw c.Bad($"{index} does not index {c[0]}");
        for (var other = 0; other < x.Rank; other++)
        {
            if (other != axis && index.Shape[other] < x.Shape[other])
                x = x.Slice(other, 0, index.Shape[other]);
        }
        return x.Gather(axis, Positions(c, index, x.Shape[axis]));
    }

    private static OnnxValue GatherNd(OnnxCall c)
    {
        var (x, index) = (c.Plain(0), c[1]);
        var batch = c.Axis("batch_dims", 0);
        var depth = index.Rank == 0 ? 0 : index.Shape[-1];
        if (batch < 0 || batch >= index.Rank || batch + depth > x.Rank || !index.Shape.Span[..batch].SequenceEqual(x.Shape.Span[..batch]))
            throw c.Bad($"{index} does not index {c[0]} behind {batch} axes of a batch");
        var rows = Rows(c, HostMath.ToLongs(index.AsPlain()), x.Shape, batch, depth, index.Shape.CountBetween(batch, index.Rank - 1));
        var inner = checked((int)x.Shape.CountBetween(batch + depth, x.Rank));
        Shape shape = [.. index.Shape.Span[..^1], .. x.Shape.Span[(batch + depth)..]];
        return x.Reshape([checked((int)x.Shape.CountBetween(0, batch + depth)), inner]).IndexSelect(0, Tensor.From(rows)).Reshape(shape);
    }

    /// <summary>Tuples of <paramref name="depth"/> indices as numbers of rows, where a row is what lies behind the indexed axes.</summary>
    private static long[] Rows(OnnxCall c, long[] index, Shape shape, int batch, int depth, long perBatch)
    {
        var rows = new long[depth == 0 ? shape.CountBetween(0, batch) * perBatch : index.Length / depth];
        for (var i = 0; i < rows.Length; i++)
        {
            var row = perBatch == 0 ? 0 : i / perBatch; // the batch, row-major
            for (var j = 0; j < depth; j++)
                row = (row * shape[batch + j]) + Normalised(c, [index[(i * depth) + j]], shape[batch + j])[0];
            rows[i] = row;
        }
        return rows;
    }

    // ---------------------------------------------------------------- placing

    private static OnnxValue ScatterNd(OnnxCall c)
    {
        var (x, index, updates) = (c.Plain(0), c[1], c.Plain(2));
        var depth = index.Rank == 0 ? 0 : index.Shape[-1];
        if (index.Rank == 0 || depth > x.Rank)
            throw c.Bad($"{index} does not index {c[0]}");
        Shape expected = [.. index.Shape.Span[..^1], .. x.Shape.Span[depth..]];
        if (updates.Shape != expected)
            throw c.Bad($"the updates must have shape {expected}, they are {c[2]}");
        var rows = Rows(c, HostMath.ToLongs(index.AsPlain()), x.Shape, 0, depth, index.Shape.CountBetween(0, index.Rank - 1));
        var inner = checked((int)x.Shape.CountBetween(depth, x.Rank));
        var matrix = x.Reshape([checked((int)x.Shape.CountBetween(0, depth)), inner]);
        return Place(c, matrix, rows, updates.Reshape([rows.Length, inner])).Reshape(x.Shape);
    }

    private static OnnxValue ScatterElements(OnnxCall c)
    {
        var (x, index, updates) = (c.Plain(0), c[1], c.Plain(2));
        var axis = x.Shape.NormalizeAxis(c.Axis("axis", 0), "ScatterElements");
        if (index.Rank != x.Rank || updates.Shape != index.Shape)
            throw c.Bad($"{index} and {c[2]} do not fit {c[0]}");
        var positions = Normalised(c, HostMath.ToLongs(index.AsPlain()), x.Shape[axis]);
        var (own, others) = (Layout.Strides(x.Shape), Layout.Strides(index.Shape));
        var rows = new long[positions.Length];
        for (long i = 0; i < rows.Length; i++)
        {
            for (var a = 0; a < x.Rank; a++)
            {
                var position = a == axis ? positions[i] : i / others[a] % index.Shape[a];
                rows[i] += position < x.Shape[a] ? position * own[a] : throw c.Bad($"{index} reaches beyond {c[0]}");
            }
        }
        return Place(c, x.Reshape([checked((int)x.ElementCount), 1]), rows, updates.Reshape([rows.Length, 1])).Reshape(x.Shape);
    }

    /// <summary>A matrix with some rows replaced by (or combined with) others, in order.</summary>
    private static Tensor Place(OnnxCall c, Tensor x, long[] rows, Tensor updates)
    {
        switch (c.Text("reduction", "none"))
        {
            case "none":
                // Each row comes from x or from the last update of it.
                MemoryBudget.Check(new([x.Shape[0]], DType.Int64));
                var origins = new long[x.Shape[0]];
                for (var i = 0; i < origins.Length; i++)
                    origins[i] = i;
                for (var i = 0; i < rows.Length; i++)
                    origins[rows[i]] = origins.Length + i;
                return Tensor.Concat([x, updates], 0).IndexSelect(0, Tensor.From(origins));
            case "add" when x.DType == DType.Float32: return x.IndexAdd(0, Tensor.From(rows), updates);
            case "add": return Combine(x, rows, updates, (a, b) => a + b);
            case "mul": return Combine(x, rows, updates, (a, b) => a * b);
            case "max": return Combine(x, rows, updates, Math.Max);
            case "min": return Combine(x, rows, updates, Math.Min);
            case var other: throw c.Bad($"the reduction '{other}' is unknown");
        }
    }

    private static Tensor Combine(Tensor x, long[] rows, Tensor updates, Func<double, double, double> function)
    {
        var (values, others, inner) = (HostMath.ToDoubles(x), HostMath.ToDoubles(updates), x.Shape[1]);
        for (var i = 0; i < rows.Length; i++)
        {
            for (var j = 0; j < inner; j++)
            {
                ref var value = ref values[(rows[i] * inner) + j];
                value = function(value, others[((long)i * inner) + j]);
            }
        }
        return Tensor.From(values, x.Shape).To(x.DType);
    }

    // ---------------------------------------------------------------- patterns

    private static OnnxValue OneHot(OnnxCall c)
    {
        var (depth, values) = (c.ToInt((long)c.Number(1), "depth"), c.Plain(2));
        if (values.ElementCount != 2 || depth < 1)
            throw c.Bad($"{c[2]} must hold the value elsewhere and the value at the index, and the depth {depth} be at least 1");
        var index = c[0];
        var axis = c.Axis("axis", -1);
        axis = axis < 0 ? axis + index.Rank + 1 : axis;
        if (axis < 0 || axis > index.Rank)
            throw c.Bad($"axis {axis} does not exist in a result of {index.Rank + 1} axes");
        MemoryBudget.Check(new([.. index.Shape, depth], DType.Int64));
        // An index out of range gives a line without a hit.
        var positions = Array.ConvertAll(HostMath.ToDoubles(index.AsPlain()), i => (long)i < 0 ? (long)i + depth : (long)i);
        var classes = Array.ConvertAll(Enumerable.Range(0, depth).ToArray(), i => (long)i);
        var hits = Tensor.From(positions, [.. index.Shape, 1]).EqualTo(Tensor.From(classes));
        var (off, on) = (values.Reshape([2]).Slice(0, 0, 1), values.Reshape([2]).Slice(0, 1, 2));
        var last = HostMath.Where(hits, on, off);
        int[] order = [.. Enumerable.Range(0, axis), index.Rank, .. Enumerable.Range(axis, index.Rank - axis)];
        return OnnxValue.Plain(last).Transposed(order);
    }

    private static OnnxValue Trilu(OnnxCall c)
    {
        var x = c.Plain(0);
        if (x.Rank < 2)
            throw c.Bad($"{c[0]} is no matrix");
        var (k, upper) = (c.Has(1) ? c.Long(1) : 0, c.Flag("upper", otherwise: true));
        var (rows, columns) = (x.Shape[-2], x.Shape[-1]);
        MemoryBudget.Check(new([rows, columns], DType.Bool));
        var keep = new bool[(long)rows * columns];
        for (var i = 0; i < rows; i++)
        {
            for (var j = 0; j < columns; j++)
                keep[((long)i * columns) + j] = upper ? j >= i + k : j <= i + k;
        }
        var mask = Tensor.From(keep, [rows, columns]);
        return x.DType == DType.Float32 ? mask.Where(x, 0) : HostMath.Where(mask, x, Tensor.From([0L], Shape.Scalar).To(x.DType));
    }
}
