using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Further operators over windows: norms of windows, and windows put back in their places.</summary>
internal static class WindowRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("LpPool", LpPool);
        table.Add("GlobalLpPool", GlobalLpPool);
        table.Add("MaxUnpool", MaxUnpool);
        table.Add("Col2Im", ColumnsToImage);
    }

    // The mean over a window of which the padding counts, times its size, is the sum.
    private static OnnxValue LpPool(OnnxCall c)
    {
        var (x, p) = (c[0], c.Int("p", 2));
        var kernel = c.IntList("kernel_shape") ?? throw c.Bad("the attribute 'kernel_shape' is missing");
        if (p < 1 || c.Flag("ceil_mode"))
            throw c.Bad($"p = {p} with ceil_mode {c.Int("ceil_mode", 0)} is not supported");
        var window = WindowAttributes.Read(c, x, kernel);
        var mean = new AvgPool2d(CountIncludePad: true) { Kernel = window.Kernel, Stride = window.Stride, Padding = window.Padding, Dilation = window.Dilation };
        return WindowAttributes.OnImages(x, t => Root(mean.Apply(Raised(t, p)) * kernel.Aggregate(1f, (size, k) => size * k), p));
    }

    private static OnnxValue GlobalLpPool(OnnxCall c)
    {
        var (last, p) = (c[0].AsChannelsLast(), c.Int("p", 2));
        if (last.Rank < 3 || p < 1)
            throw c.Bad($"p = {p} does not fit {c[0]}");
        return OnnxValue.ChannelsLast(Root(Raised(last, p).Sum(Enumerable.Range(1, last.Rank - 2).ToArray(), keepAxes: true), p));
    }

    private static Tensor Raised(Tensor x, long p) => p == 1 ? x.Abs() : p == 2 ? x.Square() : x.Abs().Pow(p);

    private static Tensor Root(Tensor x, long p) => p == 1 ? x : p == 2 ? x.Sqrt() : x.Pow(1f / p);

    // The indices are positions in the whole tensor before pooling; a larger shape that is asked for is filled with zeros.
    private static OnnxValue MaxUnpool(OnnxCall c)
    {
        var (x, index) = (c.Plain(0), c.Plain(1).To(DType.Int64));
        var kernel = c.IntList("kernel_shape") ?? throw c.Bad("the attribute 'kernel_shape' is missing");
        var axes = kernel.Length;
        if (x.Rank != axes + 2 || index.Shape != x.Shape)
            throw c.Bad($"{c[0]} and {c[1]} do not fit a kernel of {axes} axes");
        var (strides, pads) = (WindowAttributes.List(c, "strides", axes, 1), WindowAttributes.List(c, "pads", 2 * axes, 0));
        var sizes = x.Shape.Span.ToArray();
        for (var i = 0; i < axes; i++)
            sizes[2 + i] = checked(((sizes[2 + i] - 1) * strides[i]) + kernel[i] - pads[i] - pads[i + axes]);
        var flat = Tensor.Zeros([checked((int)((Shape)sizes).ElementCount)]).ScatterAdd(0, index.Reshape([-1]), x.Reshape([-1])).Reshape(sizes);
        if (!c.Has(2))
            return flat;
        var target = c.Ints(2);
        if (target.Length != x.Rank || target.Zip(sizes).Any(s => s.First < s.Second))
            throw c.Bad($"the output shape [{string.Join(", ", target)}] is smaller than [{string.Join(", ", sizes)}]");
        return flat.Pad(new int[x.Rank], [.. target.Zip(sizes, (wanted, size) => wanted - size)]);
    }

    // [N, C · window, places] → [N, C, image]: every element is added where it was taken from.
    private static OnnxValue ColumnsToImage(OnnxCall c)
    {
        var x = c.Plain(0);
        var (image, block) = (c.Ints(1), c.Ints(2));
        var axes = image.Length;
        var (strides, pads, dilations) = (WindowAttributes.List(c, "strides", axes, 1), WindowAttributes.List(c, "pads", 2 * axes, 0), WindowAttributes.List(c, "dilations", axes, 1));
        if (block.Length != axes || axes == 0 || strides.Concat(dilations).Concat(block).Concat(image).Any(v => v < 1))
            throw c.Bad($"blocks [{string.Join(", ", block)}] do not fit an image [{string.Join(", ", image)}]");
        Shape places = [.. Enumerable.Range(0, axes).Select(i => ((image[i] + pads[i] + pads[i + axes] - (dilations[i] * (block[i] - 1)) - 1) / strides[i]) + 1)];
        var (window, pixels) = (checked((int)((Shape)block).ElementCount), checked((int)((Shape)image).ElementCount));
        if (x.Rank != 3 || x.Shape[1] % window != 0 || x.Shape[2] != places.ElementCount)
            throw c.Bad($"{c[0]} does not hold {places.ElementCount} windows of {window}");
        // What falls into the padding goes to one place behind the image.
        var index = new long[checked(window * (int)places.ElementCount)];
        for (var i = 0; i < index.Length; i++)
        {
            var (within, place) = (i / (int)places.ElementCount, i % (int)places.ElementCount);
            long pixel = 0, stride = 1;
            for (var axis = axes - 1; axis >= 0; axis--)
            {
                var at = (place % places[axis] * strides[axis]) + (within % block[axis] * dilations[axis]) - pads[axis];
                pixel = pixel < 0 || at < 0 || at >= image[axis] ? -1 : pixel + (at * stride);
                (place, within, stride) = (place / places[axis], within / block[axis], stride * image[axis]);
            }
            index[i] = pixel < 0 ? pixels : pixel;
        }
        var (batch, channels) = (x.Shape[0], x.Shape[1] / window);
        return Tensor.Zeros([batch, channels, pixels + 1]).IndexAdd(2, Tensor.From(index), x.Reshape([batch, channels, index.Length])).Slice(2, 0, pixels).Reshape([batch, channels, .. image]);
    }
}
