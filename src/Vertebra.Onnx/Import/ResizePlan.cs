using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>The attributes and operands of a Resize or Upsample node, in one form for all versions.</summary>
internal sealed record ResizePlan(
    string Mode, string Coordinates, string Nearest, float CubicA, bool ExcludeOutside, bool Antialias, float Extrapolation, string AspectRatio,
    int[] Axes, float[]? Scales, int[]? Sizes, float[] Roi)
{
    public static ResizePlan Read(OnnxCall c)
    {
        var isFormer = c.Node.OpType == "Upsample" || c.Opset < 11; // what opset 10 and Upsample do has other names since
        var rank = c[0].Rank;
        var axes = c.IntList("axes") is { } list ? Array.ConvertAll(list, a => c[0].Shape.NormalizeAxis(a, "Resize")) : Orders.Plain(rank);
        if (axes.Distinct().Count() != axes.Length)
            throw c.Bad($"axes [{string.Join(", ", axes)}] name one twice");
        var scaleOperand = isFormer ? 1 : 2;
        float[]? scales = c.FloatList("scales") ?? (c.Has(scaleOperand) && c[scaleOperand].Shape.ElementCount > 0 ? c.Floats(scaleOperand) : null);
        int[]? sizes = !isFormer && c.Has(3) && c[3].Shape.ElementCount > 0 ? c.Ints(3) : null;
        if ((scales?.Length ?? sizes?.Length) != axes.Length || (scales is not null && sizes is not null))
            throw c.Bad($"{scales?.Length ?? 0} scales and {sizes?.Length ?? 0} sizes for {axes.Length} axes: one of the two must be given");
        if (scales?.Any(s => !(s > 0) || !float.IsFinite(s)) == true || sizes?.Any(s => s < 0) == true)
            throw c.Bad("scales must be above 0 and sizes not negative");
        var mode = c.Text("mode", "nearest");
        mode = mode is "bilinear" or "trilinear" ? "linear" : mode;
        if (mode is not ("nearest" or "linear" or "cubic"))
            throw c.Bad($"the mode '{mode}' is unknown");
        var roi = !isFormer && c.Has(1) && c[1].Shape.ElementCount > 0 ? c.Floats(1) : [];
        var coordinates = isFormer ? "asymmetric" : c.Text("coordinate_transformation_mode", "half_pixel");
        if (coordinates == "tf_crop_and_resize" && roi.Length != 2 * axes.Length)
            throw c.Bad($"a region of {roi.Length} numbers for {axes.Length} axes");
        return new(mode, coordinates, isFormer ? "floor" : c.Text("nearest_mode", "round_prefer_floor"), c.Float("cubic_coeff_a", -0.75f),
            c.Flag("exclude_outside"), c.Flag("antialias"), c.Float("extrapolation_value", 0), c.Text("keep_aspect_ratio_policy", "stretch"), axes, scales, sizes, roi);
    }

    /// <summary>Size and scale of every axis.</summary>
    public (int[] Sizes, double[] Scales) Targets(Shape shape)
    {
        var sizes = shape.Span.ToArray();
        var scales = Enumerable.Repeat(1.0, shape.Rank).ToArray();
        for (var i = 0; i < Axes.Length; i++)
        {
            var size = shape[Axes[i]];
            scales[Axes[i]] = Scales is not null ? Scales[i] : size == 0 ? 1 : (double)Sizes![i] / size;
            sizes[Axes[i]] = Scales is not null ? checked((int)Math.Floor((double)size * Scales[i])) : Sizes![i];
        }
        if (Sizes is not null && AspectRatio != "stretch" && Axes.Length > 0)
        {
            var ratios = Axes.Select(a => scales[a]);
            var common = AspectRatio == "not_larger" ? ratios.Min() : ratios.Max();
            foreach (var axis in Axes)
                (scales[axis], sizes[axis]) = (common, checked((int)Math.Floor((shape[axis] * common) + 0.5)));
        }
        return (sizes, scales);
    }

    /// <summary>How one axis is resampled.</summary>
    public AxisMap MapOf(int axis, int size, int count, double scale)
    {
        if (size == 0 && count > 0)
            throw new ShapeException("an empty axis cannot be enlarged");
        MemoryBudget.Check(new([count, Mode == "nearest" ? 1 : size], DType.Float32));
        var index = Array.IndexOf(Axes, axis);
        var map = new AxisMap(size, count, Mode == "nearest");
        for (var o = 0; o < count; o++)
        {
            var x = Coordinate(o, size, count, scale, index);
            map.Inside[o] = Coordinates != "tf_crop_and_resize" || (x >= 0 && x <= size - 1);
            if (Mode == "nearest")
                map.Positions[o] = (long)Math.Clamp(Rounded(x), 0, size - 1);
            else
                AddTaps(map, o, x, size, scale);
        }
        return map;
    }

    private double Coordinate(int o, int size, int count, double scale, int index)
    {
        switch (Coordinates)
        {
            case "asymmetric": return o / scale;
            case "half_pixel": return ((o + 0.5) / scale) - 0.5;
            case "pytorch_half_pixel": return count > 1 ? ((o + 0.5) / scale) - 0.5 : 0;
            case "tf_half_pixel_for_nn": return (o + 0.5) / scale;
            case "align_corners": return count == 1 ? 0 : o * (double)(size - 1) / (count - 1);
            case "half_pixel_symmetric":
                var adjusted = count / (scale * size);
                return (size / 2.0 * (1 - adjusted)) + ((o + 0.5) / scale) - 0.5;
            case "tf_crop_and_resize":
                var (start, end) = (Roi[index], Roi[index + Axes.Length]);
                return count > 1 ? (start * (double)(size - 1)) + (o * (double)(end - start) * (size - 1) / (count - 1)) : 0.5 * (start + (double)end) * (size - 1);
            default: throw new FileFormatException($"the coordinate_transformation_mode '{Coordinates}' is unknown");
        }
    }

    private double Rounded(double x) => Nearest switch
    {
        "floor" => Math.Floor(x),
        "ceil" => Math.Ceiling(x),
        "round_prefer_ceil" => Math.Floor(x + 0.5),
        "round_prefer_floor" => Math.Ceiling(x - 0.5),
        _ => throw new FileFormatException($"the nearest_mode '{Nearest}' is unknown"),
    };

    private void AddTaps(AxisMap map, int o, double x, int size, double scale)
    {
        var widening = Antialias && scale < 1 ? scale : 1;
        var support = (Mode == "linear" ? 1 : 2) / widening;
        if (!(support < 1 << 20) || !double.IsFinite(x))
            throw new FileFormatException($"a scale of {scale} is out of range");
        x = Math.Clamp(x, -2.0 - support, size + 1.0 + support);
        var first = (long)Math.Floor(x - support) + 1;
        var last = (long)Math.Ceiling(x + support) - 1;
        double sum = 0;
        for (var i = first; i <= last; i++)
        {
            var isOutside = i < 0 || i >= size;
            if (isOutside && ExcludeOutside)
                continue;
            var weight = Filter((x - i) * widening);
            map.Weights[(o * (long)size) + Math.Clamp(i, 0, size - 1)] += (float)weight;
            sum += weight;
        }
        if ((ExcludeOutside || widening != 1) && sum != 0)
        {
            for (var i = 0; i < size; i++)
                map.Weights[(o * (long)size) + i] /= (float)sum;
        }
    }

    private double Filter(double distance)
    {
        var d = Math.Abs(distance);
        if (Mode == "linear")
            return Math.Max(0, 1 - d);
        double a = CubicA;
        return d <= 1 ? ((((a + 2) * d) - (a + 3)) * d * d) + 1 : d < 2 ? (((((d - 5) * d) + 8) * d) - 4) * a : 0;
    }
}

/// <summary>A linear map along one axis, dense; or, for the nearest position, which one.</summary>
internal sealed class AxisMap(int size, int count, bool isChoice)
{
    public long[] Positions { get; } = isChoice ? new long[count] : [];

    /// <summary>[count, size].</summary>
    public float[] Weights { get; } = isChoice ? [] : new float[(long)count * size];

    /// <summary>False where an output lies outside the input, and takes a fixed value.</summary>
    public bool[] Inside { get; } = new bool[count];

    public Tensor Apply(Tensor x, int axis)
    {
        if (isChoice)
            return x.IndexSelect(axis, Tensor.From(Positions));
        var inner = checked((int)x.Shape.CountBetween(axis + 1, x.Rank));
        var resized = x.Shape.With(axis, count);
        if (resized.ElementCount == 0 || x.ElementCount == 0)
            return Tensor.Zeros(resized);
        return Tensor.From(Weights, [count, size]).MatMul(x.Reshape([-1, size, inner])).Reshape(Orders.WithOpenBatch(resized.Span.ToArray(), x.Shape));
    }
}
