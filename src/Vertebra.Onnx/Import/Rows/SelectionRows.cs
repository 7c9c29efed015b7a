using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Choosing and rearranging elements, some by what they are.</summary>
internal static class SelectionRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("NonZero", NonZero);
        table.Add("Compress", Compress);
        table.AddMany("Unique", Unique);
        table.Add("ReverseSequence", Reverse);
        table.Add("EyeLike", EyeLike);
        table.Add("CenterCropPad", CropOrPad);
    }

    private static OnnxValue NonZero(OnnxCall c)
    {
        var x = c.Plain(0);
        var values = HostMath.ToDoubles(x);
        var places = Enumerable.Range(0, values.Length).Where(i => values[i] != 0).ToArray();
        var result = new long[checked(x.Rank * places.Length)];
        for (var i = 0; i < places.Length; i++)
        {
            var rest = places[i];
            for (var axis = x.Rank - 1; axis >= 0; axis--)
                (rest, result[(axis * places.Length) + i]) = Math.DivRem(rest, x.Shape[axis]);
        }
        return Tensor.From(result, [x.Rank, places.Length]);
    }

    private static OnnxValue Compress(OnnxCall c)
    {
        var x = c.Plain(0);
        var conditions = HostMath.ToLongs(c.Plain(1));
        if (!c.HasAttribute("axis"))
            x = x.Reshape([-1]);
        var axis = x.Shape.NormalizeAxis(c.HasAttribute("axis") ? c.Axis("axis", 0) : 0, "Compress");
        return x.IndexSelect(axis, Tensor.From([.. Enumerable.Range(0, conditions.Length).Where(i => conditions[i] != 0).Select(i => (long)i)]));
    }

    // Results: the different slices, where each was first, which of them every slice is, how often each is there.
    private static OnnxValue[] Unique(OnnxCall c)
    {
        var x = c.Plain(0);
        if (!c.HasAttribute("axis"))
            x = x.Reshape([-1]);
        var axis = x.Shape.NormalizeAxis(c.Axis("axis", 0), "Unique");
        if (x.ElementCount == 0 && x.Shape[axis] > 0)
            throw c.Bad($"{c[0]} has slices without elements");
        var (values, (outer, length, inner)) = (HostMath.ToDoubles(x), x.Shape.Around(axis));
        var slices = Enumerable.Range(0, (int)length).Select(i =>
            Enumerable.Range(0, (int)(outer * inner)).Select(j => values[(((j / inner * length) + i) * inner) + (j % inner)]).ToArray()).ToArray();
        var comparer = Comparer<double[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b));
        var firsts = new List<int>();
        var known = new SortedDictionary<double[], int>(comparer);
        var which = new int[slices.Length];
        for (var i = 0; i < slices.Length; i++)
        {
            if (!known.TryGetValue(slices[i], out which[i]))
            {
                known[slices[i]] = which[i] = firsts.Count;
                firsts.Add(i);
            }
        }
        int[] order = c.Flag("sorted", true) ? [.. known.Values] : [.. Enumerable.Range(0, firsts.Count)];
        var rank = new int[order.Length];
        for (var i = 0; i < order.Length; i++)
            rank[order[i]] = i;
        var counts = new long[order.Length];
        foreach (var w in which)
            counts[rank[w]]++;
        var first = Tensor.From([.. order.Select(o => (long)firsts[o])]);
        return [x.IndexSelect(axis, first), first, Tensor.From([.. which.Select(w => (long)rank[w])]), Tensor.From(counts)];
    }

    // The first elements of each sequence of a batch turned around, as many as its length.
    private static OnnxValue Reverse(OnnxCall c)
    {
        var x = c.Plain(0);
        var (batchAxis, timeAxis) = (c.Axis("batch_axis", 1), c.Axis("time_axis", 0));
        var lengths = c.Longs(1);
        if (x.Rank < 2 || batchAxis + timeAxis != 1 || batchAxis is not (0 or 1) || lengths.Length != x.Shape[batchAxis])
            throw c.Bad($"{lengths.Length} lengths for {c[0]} with the batch on axis {batchAxis} and the time on axis {timeAxis}");
        var (batch, time) = (x.Shape[batchAxis], x.Shape[timeAxis]);
        MemoryBudget.Check(new([batch, time], DType.Int64));
        var index = new long[checked(batch * time)];
        for (var i = 0; i < index.Length; i++)
        {
            var (b, t) = batchAxis == 0 ? (i / time, i % time) : (i % batch, i / batch);
            if (lengths[b] < 0 || lengths[b] > time)
                throw c.Bad($"sequence {b} has the length {lengths[b]} of {time}");
            var from = t < lengths[b] ? lengths[b] - 1 - t : t;
            index[i] = batchAxis == 0 ? (b * time) + from : (from * batch) + b;
        }
        return x.Reshape([batch * time, .. x.Shape.Span[2..]]).IndexSelect(0, Tensor.From(index)).Reshape(x.Shape.Span.ToArray());
    }

    private static OnnxValue EyeLike(OnnxCall c)
    {
        var shape = c[0].Shape;
        if (shape.Rank != 2)
            throw c.Bad($"the operand must be a matrix, got {c[0]}");
        var shift = Math.Clamp(c.Int("k", 0), -shape[0], shape[1]);
        MemoryBudget.Check(new(shape, DType.Float32));
        var dtype = c.HasAttribute("dtype") ? TensorReader.TypeOf((int)c.Int("dtype")) ?? throw c.Bad("the element type is not supported") : c[0].DType;
        var values = new float[shape.ElementCount];
        for (var row = 0; row < shape[0]; row++)
        {
            if (row + shift >= 0 && row + shift < shape[1])
                values[((long)row * shape[1]) + row + shift] = 1;
        }
        return Tensor.From(values, shape).To(dtype);
    }

    private static OnnxValue CropOrPad(OnnxCall c)
    {
        var x = c.Plain(0);
        var target = c.Ints(1);
        var axes = c.IntList("axes") ?? Orders.Plain(x.Rank);
        if (axes.Length != target.Length || target.Any(t => t < 0))
            throw c.Bad($"{target.Length} sizes for {axes.Length} axes");
        var (before, after) = (new int[x.Rank], new int[x.Rank]);
        for (var i = 0; i < axes.Length; i++)
        {
            var axis = x.Shape.NormalizeAxis(axes[i], "CenterCropPad");
            var missing = target[i] - x.Shape[axis];
            if (missing < 0)
                x = x.Slice(axis, -missing / 2, (-missing / 2) + target[i]);
            else
                (before[axis], after[axis]) = (missing / 2, missing - (missing / 2));
        }
        return before.Concat(after).All(p => p == 0) ? x : x.Pad(before, after);
    }
}
