using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>
/// Convolution and pooling over three axes [N, C, D, H, W], composed of those over two: a convolution is the sum over the
/// kernel's planes, and pooling goes over height and width first, then over the depth.
/// </summary>
internal static class VolumeRows
{
    public static OnnxValue Conv(OnnxCall c)
    {
        var (x, weight) = (c[0].AsChannelsLast(), c.Plain(1));
        if (weight.Rank != 5)
            throw c.Bad($"weights {weight.Spec} do not fit {c[0]}");
        var (kernel, stride, dilation, pads) = Window(c, weight.Shape.Span[2..].ToArray());
        x = Deepened(x, pads[0], pads[3]);
        var depth = Outputs(c, x.Shape[1], kernel[0], stride[0], dilation[0]);
        var groups = c.ToInt(c.Int("group", 1), "group");
        Tensor? sum = null;
        for (var k = 0; k < kernel[0]; k++)
        {
            var first = k * dilation[0];
            var part = Planes(x.Slice(1, first, first + ((depth - 1) * stride[0]) + 1, stride[0])).Conv2d(Plane(weight, k), k == 0 ? c.PlainOrNull(2) : null,
                (stride[1], stride[2]), (pads[1], pads[2], pads[4], pads[5]), (dilation[1], dilation[2]), groups);
            sum = sum is null ? part : sum + part;
        }
        return Volume(sum!, depth);
    }

    public static OnnxValue ConvTranspose(OnnxCall c)
    {
        var (x, weight) = (c[0].AsChannelsLast(), c.Plain(1));
        if (weight.Rank != 5)
            throw c.Bad($"weights {weight.Spec} do not fit {c[0]}");
        var kernel = weight.Shape.Span[2..].ToArray();
        var (stride, dilation, extra) = (WindowAttributes.List(c, "strides", 3, 1), WindowAttributes.List(c, "dilations", 3, 1), WindowAttributes.List(c, "output_padding", 3, 0));
        var (pads, added) = ImageRows.TransposedPads(c, c[0], kernel, stride, dilation, extra);
        foreach (var number in (int[])[.. kernel, .. stride, .. dilation, .. pads, .. added])
            WindowAttributes.CheckRange(c, number, 0, "a number of the window");
        var depth = checked(((x.Shape[1] - 1) * Math.Max(1, stride[0])) + ((kernel[0] - 1) * dilation[0]) + 1 + added[0]);
        var groups = c.ToInt(c.Int("group", 1), "group");
        Tensor? sum = null;
        for (var k = 0; k < kernel[0]; k++)
        {
            var planes = Planes(x).ConvTranspose2d(Plane(weight, k), null, (stride[1], stride[2]), (pads[1], pads[2], pads[4], pads[5]), (added[1], added[2]), (dilation[1], dilation[2]), groups);
            var part = new Unslice(1, k * dilation[0], stride[0], depth).Apply(Volume(planes, x.Shape[1]).Stored);
            sum = sum is null ? part : sum + part;
        }
        var y = sum!.Slice(1, pads[0], depth - pads[3]);
        return OnnxValue.ChannelsLast(c.PlainOrNull(2) is { } bias ? y + bias : y);
    }

    public static OnnxValue MaxPool(OnnxCall c) => c.OutputCount > 1 ? throw c.Bad("positions of largest elements in volumes are not supported")
        : Pool(c, (x, window) => new MaxPool2d(false)
        {
            Kernel = window.Kernel, Stride = window.Stride, Padding = window.Padding, Dilation = window.Dilation, CeilMode = c.Flag("ceil_mode"),
        }.Apply(x));

    public static OnnxValue AveragePool(OnnxCall c) => Pool(c, (x, window) => new AvgPool2d(c.Flag("count_include_pad"))
    {
        Kernel = window.Kernel, Stride = window.Stride, Padding = window.Padding, Dilation = window.Dilation, CeilMode = c.Flag("ceil_mode"),
    }.Apply(x));

    private static OnnxValue Pool(OnnxCall c, Func<Tensor, WindowAttributes, Tensor> pool)
    {
        var x = c[0].AsChannelsLast();
        var (kernel, stride, dilation, pads) = Window(c, c.IntList("kernel_shape") ?? throw c.Bad("the attribute 'kernel_shape' is missing"));
        var planes = pool(Planes(x), new((kernel[1], kernel[2]), (stride[1], stride[2]), (dilation[1], dilation[2]), (pads[1], pads[2], pads[4], pads[5])));
        var (height, width, channels) = (planes.Shape[1], planes.Shape[2], planes.Shape[3]);
        // The depth as the height of an image, the plane as its width.
        var upright = planes.Reshape([-1, x.Shape[1], height * width, channels]);
        var pooled = pool(upright, new((kernel[0], 1), (stride[0], 1), (dilation[0], 1), (pads[0], 0, pads[3], 0)));
        return OnnxValue.ChannelsLast(pooled.Reshape([-1, pooled.Shape[1], height, width, channels]));
    }

    // ---------------------------------------------------------------- details

    private static (int[] Kernel, int[] Stride, int[] Dilation, int[] Pads) Window(OnnxCall c, int[] kernel)
    {
        if (kernel.Length != 3 || c[0].Shape.ElementCount == 0)
            throw c.Bad($"a kernel of {kernel.Length} axes does not fit {c[0]}");
        var (stride, dilation) = (WindowAttributes.List(c, "strides", 3, 1), WindowAttributes.List(c, "dilations", 3, 1));
        foreach (var number in (int[])[.. kernel, .. stride, .. dilation])
            WindowAttributes.CheckRange(c, number, 1, "a number of the window");
        var pads = WindowAttributes.Pads(c, c[0], kernel, stride, dilation);
        foreach (var pad in pads)
            WindowAttributes.CheckRange(c, pad, 0, "padding");
        return (kernel, stride, dilation, pads);
    }

    private static int Outputs(OnnxCall c, int size, int kernel, int stride, int dilation)
    {
        var free = size - (((long)kernel - 1) * dilation) - 1;
        return free >= 0 ? (int)(free / stride) + 1 : throw c.Bad($"{c[0]} is not as deep as the kernel");
    }

    private static Tensor Deepened(Tensor x, int before, int after) => before + after == 0 ? x : x.Pad([0, before, 0, 0, 0], [0, after, 0, 0, 0]);

    /// <summary>[N, D, H, W, C] as images [N · D, H, W, C].</summary>
    private static Tensor Planes(Tensor x) => x.Reshape([-1, x.Shape[2], x.Shape[3], x.Shape[4]]);

    private static OnnxValue Volume(Tensor planes, int depth) => OnnxValue.ChannelsLast(planes.Reshape([-1, depth, planes.Shape[1], planes.Shape[2], planes.Shape[3]]));

    private static Tensor Plane(Tensor weight, int k) => weight.Slice(2, k, k + 1).Squeeze(2);
}
