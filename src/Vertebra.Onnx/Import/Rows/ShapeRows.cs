using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Operators that make, cut, join and reshape tensors. Where the order of axes does not matter to them, an image stays one.</summary>
internal static class ShapeRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("Identity", c => c[0]);
        table.AddMany("Dropout", Dropout);
        table.Add("Constant", Constant);
        table.Add("ConstantOfShape", ConstantOfShape);
        table.Add("Range", Range);
        table.Add("Shape", ShapeOf);
        table.Add("Size", c => Tensor.From([c[0].Shape.ElementCount], Shape.Scalar));
        table.Add("Reshape", c => Reshape(c, c.Opset < 5 ? c.IntList("shape") ?? throw c.Bad("the attribute 'shape' is missing") : c.Ints(1)));
        table.Add("Flatten", Flatten);
        table.Add("Transpose", Transpose);
        table.Add("Concat", Concat);
        table.AddMany("Split", Split);
        table.Add("Slice", Slice);
        table.Add("Squeeze", Squeeze);
        table.Add("Unsqueeze", Unsqueeze);
        table.Add("Expand", Expand);
        table.Add("Tile", Tile);
        table.Add("Pad", Pad);
    }

    // ---------------------------------------------------------------- making

    private static OnnxValue[] Dropout(OnnxCall c)
    {
        if (c.Opset >= 12 && c.Has(2) && c.Number(2) != 0 && !(c.Has(1) && c.Number(1) == 0))
            throw c.Bad("dropout in training mode is not supported: export the network in evaluation mode");
        return c.OutputCount == 1 ? [c[0]] : [c[0], True().Expand(c[0].Shape)];
    }

    private static Tensor True() => Tensor.From([true], Shape.Scalar);

    private static OnnxValue Constant(OnnxCall c) => c.TensorAttribute("value")
        ?? throw c.Bad($"a constant by '{c.Node.Attributes.Keys.FirstOrDefault()}' is not supported");

    private static OnnxValue ConstantOfShape(OnnxCall c)
    {
        var value = c.TensorAttribute("value") ?? Tensor.Scalar(0);
        return value.ElementCount == 1 ? value.Reshape([]).Expand(c.Ints(0)) : throw c.Bad($"the value must be one number, it is {value.Spec}");
    }

    private static OnnxValue Range(OnnxCall c)
    {
        var (start, limit, delta) = (c.Number(0), c.Number(1), c.Number(2));
        var count = delta == 0 ? double.NaN : Math.Max(0, Math.Ceiling((limit - start) / delta));
        if (!(count <= Array.MaxLength))
            throw c.Bad($"from {start} to {limit} in steps of {delta} there are too many numbers");
        MemoryBudget.Check(new([(int)count], c[0].DType));
        if (c[0].DType == DType.Float32)
            return Tensor.From(Array.ConvertAll(Positions((int)count), i => (float)(start + (i * delta))));
        var (first, step) = (c.Long(0), c.Long(2));
        return Tensor.From(Array.ConvertAll(Positions((int)count), i => first + (i * step))).To(c[0].DType);
    }

    private static int[] Positions(int count) => [.. Enumerable.Range(0, count)];

    private static OnnxValue ShapeOf(OnnxCall c)
    {
        var sizes = Array.ConvertAll(c[0].Shape.Span.ToArray(), s => (long)s);
        var start = Clamped(c.Int("start", 0), sizes.Length);
        var end = Clamped(c.Int("end", sizes.Length), sizes.Length);
        return Tensor.From(sizes[start..Math.Max(start, end)]);
    }

    private static int Clamped(long position, int size) => (int)Math.Clamp(position < 0 ? position + size : position, 0, size);

    // ---------------------------------------------------------------- reshaping

    private static OnnxValue Reshape(OnnxCall c, int[] target)
    {
        var x = c[0];
        var sizes = (int[])target.Clone();
        for (var axis = 0; axis < sizes.Length; axis++)
        {
            if (sizes[axis] == 0 && !c.Flag("allowzero"))
                sizes[axis] = axis < x.Rank ? x.Shape[axis] : throw c.Bad($"0 keeps axis {axis}, which {x} has not");
            if (sizes[axis] < -1)
                throw c.Bad($"the target [{string.Join(", ", target)}] has the size {sizes[axis]}");
        }
        var unknown = Array.IndexOf(sizes, -1);
        if (unknown >= 0)
        {
            var known = sizes.Where((_, i) => i != unknown).Aggregate(1L, (product, size) => checked(product * size));
            if (known == 0 || x.Shape.ElementCount % known != 0)
                throw c.Bad($"{x} does not fill [{string.Join(", ", target)}]");
            sizes[unknown] = c.ToInt(x.Shape.ElementCount / known, "a size");
        }
        return KeepingImages(x, sizes) ?? x.InPlainSequence().Reshape(Orders.WithOpenBatch(sizes, x.Shape));
    }

    /// <summary>
    /// Channels [N, C, H, W] split into [N, a, b, H, W] (channel shuffle does this), or joined again: the spatial axes need not move.
    /// </summary>
    private static OnnxValue? KeepingImages(OnnxValue x, int[] sizes)
    {
        if (x.Shape.ElementCount == 0 || x.Rank < 3 || sizes.Length < 3 || sizes[0] != x.Shape[0])
            return null;
        if (x.Image is { } image && image.Shape.Span.SequenceEqual(sizes))
            return image;
        if (sizes.Length == 3 && x.Rank == 4 && x.IsChannelsLast && x.Shape[1] % sizes[1] == 0)
            return OnnxValue.Grouped(x, sizes);
        if (sizes.Length == x.Rank + 1 && x.IsChannelsLast && sizes.AsSpan(3).SequenceEqual(x.Shape.Span[2..]))
        {
            var split = x.Stored.Reshape([-1, .. sizes.AsSpan(3), sizes[1], sizes[2]]);
            return OnnxValue.Ordered(split, SpatialFirst(sizes.Length));
        }
        if (sizes.Length == x.Rank - 1 && !Orders.Same(x.Order, Orders.Plain(x.Rank)) && sizes.AsSpan(2).SequenceEqual(x.Shape.Span[3..]))
            return OnnxValue.ChannelsLast(x.In(SpatialFirst(x.Rank)).Reshape([-1, .. sizes.AsSpan(2), sizes[1]]));
        return null;
    }

    // [N, a, b, H, W] as [N, H, W, a, b].
    private static int[] SpatialFirst(int rank) => [0, .. Enumerable.Range(3, rank - 3), 1, 2];

    private static OnnxValue Flatten(OnnxCall c)
    {
        var x = c[0];
        var axis = c.Axis("axis", 1);
        axis = axis < 0 ? axis + x.Rank : axis;
        if (axis < 0 || axis > x.Rank)
            throw c.Bad($"axis {axis} does not exist in {x}");
        int[] sizes = [c.ToInt(x.Shape.CountBetween(0, axis), "a size"), c.ToInt(x.Shape.CountBetween(axis, x.Rank), "a size")];
        return x.InPlainSequence().Reshape(axis == 1 ? Orders.WithOpenBatch(sizes, x.Shape) : sizes);
    }

    private static OnnxValue Transpose(OnnxCall c)
    {
        var order = c.IntList("perm") ?? [.. Orders.Plain(c[0].Rank).Reverse()];
        if (!order.Order().SequenceEqual(Orders.Plain(c[0].Rank)))
            throw c.Bad($"perm [{string.Join(", ", order)}] does not name each axis of {c[0]} once");
        return c[0].Transposed(order);
    }

    private static OnnxValue Squeeze(OnnxCall c)
    {
        var x = c[0];
        var axes = (c.Opset >= 13 ? (c.Has(1) ? c.Ints(1) : null) : c.IntList("axes"))
            ?? [.. Orders.Plain(x.Rank).Where(a => x.Shape[a] == 1)];
        var gone = axes.Select(a => x.Shape.NormalizeAxis(a, "Squeeze")).ToHashSet();
        if (gone.FirstOrDefault(a => x.Shape[a] != 1, -1) is >= 0 and var axis)
            throw c.Bad($"axis {axis} of {x} is not of size 1");
        return Without(x, gone);
    }

    /// <summary>The value without some axes of size 1.</summary>
    internal static OnnxValue Without(OnnxValue x, IReadOnlySet<int> gone)
    {
        var tensor = x.Stored;
        for (var stored = x.Rank - 1; stored >= 0; stored--)
        {
            if (gone.Contains(x.Order[stored]))
                tensor = tensor.Squeeze(stored);
        }
        return OnnxValue.Ordered(tensor, [.. x.Order.Where(a => !gone.Contains(a)).Select(a => a - gone.Count(g => g < a))]);
    }

    private static OnnxValue Unsqueeze(OnnxCall c)
    {
        var x = c[0];
        var axes = c.Opset >= 13 ? c.Ints(1) : c.IntList("axes") ?? throw c.Bad("the attribute 'axes' is missing");
        var rank = x.Rank + axes.Length;
        var added = new SortedSet<int>();
        foreach (var axis in axes)
        {
            var normal = axis < 0 ? axis + rank : axis;
            if (normal < 0 || normal >= rank || !added.Add(normal))
                throw c.Bad($"axes [{string.Join(", ", axes)}] cannot be added to {x}");
        }
        var (tensor, order) = (x.Stored, x.Order.ToList());
        foreach (var axis in added)
        {
            order = [.. order.Select(a => a >= axis ? a + 1 : a)];
            order.Insert(axis, axis);
            tensor = tensor.Unsqueeze(axis);
        }
        return OnnxValue.Ordered(tensor, [.. order]);
    }

    private static OnnxValue Expand(OnnxCall c)
    {
        var x = c.Plain(0);
        var shape = Vertebra.Shape.Broadcast(x.Shape, c.Ints(1), "Expand");
        if (shape == x.Shape)
            return c[0];
        var lead = shape.Rank - x.Rank;
        return x.Expand([.. shape.Select((size, axis) => axis >= lead && x.Shape[axis - lead] == size ? -1 : size)]);
    }

    private static OnnxValue Tile(OnnxCall c)
    {
        var x = c.Plain(0);
        var repeats = c.Ints(1);
        if (repeats.Length != x.Rank || repeats.Any(r => r < 0))
            throw c.Bad($"[{string.Join(", ", repeats)}] cannot repeat {x}");
        var (interleaved, wide, sizes) = (new int[2 * x.Rank], new int[2 * x.Rank], new int[x.Rank]);
        for (var axis = 0; axis < x.Rank; axis++)
        {
            (interleaved[2 * axis], interleaved[(2 * axis) + 1]) = (1, x.Shape[axis]);
            (wide[2 * axis], wide[(2 * axis) + 1]) = (repeats[axis], -1);
            sizes[axis] = checked(x.Shape[axis] * repeats[axis]);
        }
        return x.Reshape(interleaved).Expand(wide).Reshape(sizes);
    }

    // ---------------------------------------------------------------- joining and cutting

    private static OnnxValue Concat(OnnxCall c)
    {
        var values = c.Inputs.Select((_, i) => c[i]).ToArray();
        if (values.Length == 0)
            throw c.Bad("there is nothing to join");
        if (values.Any(v => v.Rank != values[0].Rank))
            throw c.Bad($"{string.Join(", ", values.Select(v => v.ToString()))} have different numbers of axes");
        if (values.Length == 1)
            return values[0];
        var order = Alignment.CommonOrder(values);
        var axis = values[0].Shape.NormalizeAxis(c.Opset < 4 ? c.Axis("axis", 1) : c.ToInt(c.Int("axis"), "axis"), "Concat");
        return OnnxValue.Ordered(Tensor.Concat(Array.ConvertAll(values, v => v.In(order)), Array.IndexOf(order, axis)), order);
    }

    private static OnnxValue[] Split(OnnxCall c)
    {
        var x = c[0];
        var axis = x.StoredAxis(c.Axis("axis", 0));
        var size = x.Stored.Shape[axis];
        var sizes = c.Opset >= 13 ? (c.Has(1) ? c.Ints(1) : null) : c.IntList("split");
        sizes ??= EqualParts(size, c.ToInt(c.Int("num_outputs", c.OutputCount), "num_outputs"), c);
        return Array.ConvertAll(x.Stored.Split(sizes, axis), x.With);
    }

    private static int[] EqualParts(int size, int count, OnnxCall c)
    {
        if (count < 1 || count > c.OutputCount)
            throw c.Bad($"{count} parts for {c.OutputCount} results");
        var part = (size + count - 1) / count;
        return [.. Enumerable.Range(0, count).Select(i => Math.Clamp(size - (i * part), 0, part))];
    }

    private static OnnxValue Slice(OnnxCall c)
    {
        var x = c[0];
        var byOperand = c.Opset >= 10;
        var starts = byOperand ? c.Longs(1) : c.LongList("starts") ?? throw c.Bad("the attribute 'starts' is missing");
        var ends = byOperand ? c.Longs(2) : c.LongList("ends") ?? throw c.Bad("the attribute 'ends' is missing");
        var axes = (byOperand ? (c.Has(3) ? c.Longs(3) : null) : c.LongList("axes")) ?? [.. Enumerable.Range(0, starts.Length).Select(i => (long)i)];
        var steps = byOperand && c.Has(4) ? c.Longs(4) : [.. Enumerable.Repeat(1L, starts.Length)];
        if (ends.Length != starts.Length || axes.Length != starts.Length || steps.Length != starts.Length)
            throw c.Bad($"{starts.Length} starts, {ends.Length} ends, {axes.Length} axes and {steps.Length} steps do not belong together");
        var tensor = x.Stored;
        for (var i = 0; i < starts.Length; i++)
            tensor = Sliced(c, tensor, x.StoredAxis(axes[i]), starts[i], ends[i], steps[i]);
        return ReferenceEquals(tensor, x.Stored) ? x : x.With(tensor);
    }

    private static Tensor Sliced(OnnxCall c, Tensor x, int axis, long start, long end, long step)
    {
        long size = x.Shape[axis];
        if (step == 0)
            throw c.Bad("a slice's step is 0");
        start = start < 0 ? Math.Max(start + size, step < 0 ? -1 : 0) : Math.Min(start, step < 0 ? size - 1 : size);
        end = end < 0 ? Math.Max(end + size, step < 0 ? -1 : 0) : Math.Min(end, size);
        if (step < 0)
        {
            // Positions counted from the other end.
            x = x.Flip(axis);
            (start, end, step) = (size - 1 - start, size - 1 - end, step == long.MinValue ? long.MaxValue : -step);
        }
        if (start == 0 && end == size && step == 1)
            return x;
        return x.Slice(axis, (int)start, (int)Math.Max(start, end), (int)Math.Min(step, int.MaxValue / 2));
    }

    private static OnnxValue Pad(OnnxCall c)
    {
        var x = c[0];
        var byOperand = c.Opset >= 11;
        var pads = byOperand ? c.Ints(1) : c.IntList("pads") ?? c.IntList("paddings") ?? throw c.Bad("the attribute 'pads' is missing");
        var value = byOperand ? (c.Has(2) ? (float)c.Number(2) : 0) : c.Float("value", 0);
        var axes = c.Has(3) ? Array.ConvertAll(c.Ints(3), a => x.Shape.NormalizeAxis(a, "Pad")) : Orders.Plain(x.Rank);
        if (pads.Length != 2 * axes.Length)
            throw c.Bad($"{pads.Length} pads for {axes.Length} axes of {x}");
        var (before, after) = (new int[x.Rank], new int[x.Rank]);
        for (var i = 0; i < axes.Length; i++)
            (before[x.StoredAxis(axes[i])], after[x.StoredAxis(axes[i])]) = (pads[i], pads[i + axes.Length]);
        var tensor = Cropped(x.Stored, before, after);
        if (before.All(b => b == 0) && after.All(a => a == 0))
            return x.With(tensor);
        return x.With(c.Text("mode", "constant") switch
        {
            "constant" => tensor.Pad(before, after, PadMode.Constant, value),
            "reflect" => tensor.Pad(before, after, PadMode.Reflect),
            "edge" => tensor.Pad(before, after, PadMode.Replicate),
            "wrap" => Wrapped(tensor, before, after),
            var mode => throw c.Bad($"the mode '{mode}' is unknown"),
        });
    }

    /// <summary>Negative pads cut off; they become 0.</summary>
    private static Tensor Cropped(Tensor x, int[] before, int[] after)
    {
        for (var axis = 0; axis < x.Rank; axis++)
        {
            if (before[axis] >= 0 && after[axis] >= 0)
                continue;
            var (start, end) = (Math.Max(0L, -(long)before[axis]), x.Shape[axis] - Math.Max(0L, -(long)after[axis]));
            if (start > end)
                throw new ShapeException($"pads {before[axis]} and {after[axis]} cut more off axis {axis} than {x.Shape} has");
            x = x.Slice(axis, (int)start, (int)end);
            (before[axis], after[axis]) = (Math.Max(0, before[axis]), Math.Max(0, after[axis]));
        }
        return x;
    }

    private static Tensor Wrapped(Tensor x, int[] before, int[] after)
    {
        for (var axis = 0; axis < x.Rank; axis++)
        {
            if (before[axis] == 0 && after[axis] == 0)
                continue;
            var size = x.Shape[axis];
            var count = checked(before[axis] + size + after[axis]);
            if (size == 0)
                throw new ShapeException($"axis {axis} of {x.Shape} has nothing to repeat");
            MemoryBudget.Check(new([count], DType.Int64));
            var origins = new long[count];
            for (var i = 0; i < count; i++)
                origins[i] = (((i - before[axis]) % size) + size) % size;
            x = x.IndexSelect(axis, Tensor.From(origins));
        }
        return x;
    }
}
