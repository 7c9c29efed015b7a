using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>
/// Kernel, strides, dilations and pads of a convolution or pooling over one or two axes, checked. One axis is two of which the
/// first has size 1.
/// </summary>
internal sealed record WindowAttributes(Size2d Kernel, Size2d Stride, Size2d Dilation, Padding2d Padding)
{
    // Larger ones make no sense, and their products would not fit 32 bits.
    private const int Largest = 1 << 14;
    private const long LargestExtent = 1 << 28;

    /// <param name="c">The node.</param>
    /// <param name="x">Its image [N, C, H, W] or line [N, C, L].</param>
    /// <param name="kernel">Kernel sizes over the spatial axes.</param>
    public static WindowAttributes Read(OnnxCall c, OnnxValue x, int[] kernel)
    {
        var axes = SpatialAxes(c, x);
        if (kernel.Length != axes)
            throw c.Bad($"a kernel of {kernel.Length} axes does not fit {x}");
        var strides = List(c, "strides", axes, 1);
        var dilations = List(c, "dilations", axes, 1);
        var pads = Pads(c, x, kernel, strides, dilations);
        for (var i = 0; i < axes; i++)
        {
            CheckRange(c, kernel[i], 1, "kernel");
            CheckRange(c, strides[i], 1, "stride");
            CheckRange(c, dilations[i], 1, "dilation");
            CheckRange(c, pads[i], 0, "padding");
            CheckRange(c, pads[i + axes], 0, "padding");
            if (x.Shape[2 + i] > LargestExtent)
                throw c.Bad($"an axis of {x} is too long");
        }
        return axes == 1
            ? new((1, kernel[0]), (1, strides[0]), (1, dilations[0]), (0, pads[0], 0, pads[1]))
            : new((kernel[0], kernel[1]), (strides[0], strides[1]), (dilations[0], dilations[1]), (pads[0], pads[1], pads[2], pads[3]));
    }

    /// <summary>Number of axes the window moves over.</summary>
    public static int SpatialAxes(OnnxCall c, OnnxValue x) => x.Rank is 3 or 4 ? x.Rank - 2
        : throw c.Bad($"{x}: only lines [N, C, L], images [N, C, H, W] and volumes [N, C, D, H, W] are supported");

    /// <summary>A list attribute with one entry for each axis.</summary>
    public static int[] List(OnnxCall c, string name, int count, int otherwise)
    {
        var list = c.IntList(name) ?? [.. Enumerable.Repeat(otherwise, count)];
        return list.Length == count ? list : throw c.Bad($"{name} has {list.Length} entries, {count} are needed");
    }

    /// <summary>Applies a function of images [N, H, W, C] to an image or, as an image of one row, to a line.</summary>
    public static OnnxValue OnImages(OnnxValue x, Func<Tensor, Tensor> function)
    {
        var last = x.AsChannelsLast();
        return OnnxValue.ChannelsLast(x.Rank == 3 ? function(last.Unsqueeze(1)).Squeeze(1) : function(last));
    }

    /// <summary>Pads of any number of axes, stated or worked out from auto_pad: those before, then those after.</summary>
    public static int[] Pads(OnnxCall c, OnnxValue x, int[] kernel, int[] strides, int[] dilations)
    {
        var mode = c.Text("auto_pad", "NOTSET");
        if (mode is "NOTSET" or "")
            return List(c, "pads", 2 * kernel.Length, 0);
        var pads = new int[2 * kernel.Length];
        if (mode == "VALID")
            return pads;
        if (mode is not ("SAME_UPPER" or "SAME_LOWER"))
            throw c.Bad($"auto_pad '{mode}' is unknown");
        for (var i = 0; i < kernel.Length; i++)
        {
            long size = x.Shape[2 + i];
            var outputs = (size + Math.Max(1, strides[i]) - 1) / Math.Max(1, strides[i]);
            var total = Math.Max(0, ((outputs - 1) * strides[i]) + ((kernel[i] - 1L) * dilations[i]) + 1 - size);
            var before = mode == "SAME_UPPER" ? total / 2 : total - (total / 2);
            (pads[i], pads[i + kernel.Length]) = (c.ToInt(before, "padding"), c.ToInt(total - before, "padding"));
        }
        return pads;
    }

    /// <exception cref="VertebraException">A number lies outside what windows may have.</exception>
    public static void CheckRange(OnnxCall c, int value, int least, string what)
    {
        if (value < least || value > Largest)
            throw c.Bad($"{what} {value} is outside {least} to {Largest}{(value < 0 && what == "padding" ? " (negative padding is not supported)" : "")}");
    }
}
