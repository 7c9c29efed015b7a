using Vertebra.Graphs;
using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Rows of convolutions, pooling and resampling: all of images, channels first.</summary>
internal static partial class OnnxOps
{
    private static readonly AxisOrder ImageOrder = AxisOrder.ChannelsFirst(4);

    private static void Convolution(Node node, OnnxEmitter e)
    {
        var op = (Conv2d)node.Op;
        e.Result("Conv", ImageOrder, ConvolutionOperands(node, e), ConvolutionAttributes(op, node.Inputs[1].Shape));
    }

    private static void TransposedConvolution(Node node, OnnxEmitter e)
    {
        var op = (ConvTranspose2d)node.Op;
        e.Result("ConvTranspose", ImageOrder, ConvolutionOperands(node, e),
            [.. ConvolutionAttributes(op, node.Inputs[1].Shape), ("output_padding", Longs(op.OutputPadH, op.OutputPadW))]);
    }

    // Weights are [O, I / groups, KH, KW] here and there.
    private static IEnumerable<string> ConvolutionOperands(Node node, OnnxEmitter e) => [e.Image(node.Inputs[0]), .. node.Inputs.Skip(1).Select(e.Plain)];

    // A Conv has the same weights for all images. Here the kernels of each become a matrix, and the pixels under each place of a kernel a column.
    private static void PerImageConvolution(Node node, OnnxEmitter e)
    {
        var (op, weight, output) = ((PerImageConv2d)node.Op, node.Inputs[1], node.Outputs[0]);
        var (filters, taps) = (weight.Shape[1] / op.Groups, weight.Shape.CountBetween(2, 5));
        var pixels = PixelsUnderTaps(op, node, e);
        var columns = e.Step("Reshape", [pixels, e.Int64(0, op.Groups, taps, -1)]);
        var kernels = e.Step("Reshape", [e.Plain(weight), e.Int64(0, op.Groups, filters, taps)]);
        var shape = e.IsOpen(output, 1) || e.IsOpen(output, 2)
            ? e.Step("Concat", [e.Int64(0, output.Shape[3]), e.Step("Slice", [e.Step("Shape", [pixels]), e.Int64(2), e.Int64(4)])], ("axis", 0))
            : e.Int64(0, output.Shape[3], output.Shape[1], output.Shape[2]);
        e.Result("Reshape", ImageOrder, [e.Step("MatMul", [kernels, columns]), shape]);
    }

    // [N, C · KH · KW, OH, OW]: a depthwise convolution by kernels that pick one pixel each, which stand in the file once and not for every channel.
    private static string PixelsUnderTaps(PerImageConv2d op, Node node, OnnxEmitter e)
    {
        var (x, weight) = (node.Inputs[0], node.Inputs[1].Shape);
        if (weight[3] == 1 && weight[4] == 1 && op is { StrideH: 1, StrideW: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 })
            return e.Image(x);
        var taps = weight[3] * weight[4];
        var picks = new float[taps * taps];
        for (var tap = 0; tap < taps; tap++)
            picks[(tap * taps) + tap] = 1;
        var table = Tensor.From(picks, [taps, 1, weight[3], weight[4]]);
        return e.Step("Conv", [e.Image(x), e.Step("Tile", [e.Table(table, "picks"), e.Int64(x.Shape[3], 1, 1, 1)])],
            ConvolutionAttributes(new Conv2d { Stride = op.Stride, Padding = op.Padding, Dilation = op.Dilation, Groups = x.Shape[3] }, table.Shape));
    }

    private static (string, object)[] ConvolutionAttributes(ConvolutionOp op, Shape weight) =>
    [
        ("kernel_shape", Longs(weight[2], weight[3])), ("strides", Longs(op.StrideH, op.StrideW)), ("pads", Pads(op)),
        ("dilations", Longs(op.DilationH, op.DilationW)), ("group", op.Groups),
    ];

    private static void MaxPool(Node node, OnnxEmitter e)
    {
        var op = (MaxPool2d)node.Op;
        e.Result("MaxPool", ImageOrder, [ApartFromPad(node, e)], [.. PoolAttributes(op, node), ("dilations", Longs(op.DilationH, op.DilationW))]);
    }

    // ONNX Runtime (seen in 1.30) merges a Pad into the pool after it, although a MaxPool ignores its padding while the zeros of a Pad
    // compete, and no pool takes as much padding as its kernel is wide. A maximum with the lowest number changes nothing and keeps the two apart.
    private static string ApartFromPad(Node pool, OnnxEmitter e)
    {
        var image = e.Image(pool.Inputs[0]);
        return e.ProducerOf(pool.Inputs[0])?.Op is Pad ? e.Step("Max", [image, e.Float(float.MinValue)]) : image;
    }

    private static void AveragePool(Node node, OnnxEmitter e)
    {
        var op = (AvgPool2d)node.Op;
        var isDilated = op.DilationH > 1 || op.DilationW > 1;
        if (isDilated)
            RequireOpset(19, "an average pool with dilation", node, e);
        (string, object)[] dilations = isDilated ? [("dilations", Longs(op.DilationH, op.DilationW))] : [];
        e.Result("AveragePool", ImageOrder, [ApartFromPad(node, e)], [.. PoolAttributes(op, node), ("count_include_pad", op.CountIncludePad ? 1 : 0), .. dilations]);
    }

    private static (string, object)[] PoolAttributes(Pool2d op, Node node) =>
    [
        ("kernel_shape", Longs(op.KernelH, op.KernelW)), ("strides", Longs(op.StrideH, op.StrideW)), ("pads", Pads(op)), ("ceil_mode", op.CeilMode ? 1 : 0),
    ];

    private static long[] Pads(SlidingWindowOp op) => Longs(op.PadTop, op.PadLeft, op.PadBottom, op.PadRight);

    // ---------------------------------------------------------------- pools that share the image out

    private static void AdaptiveAveragePool(Node node, OnnxEmitter e)
    {
        var op = (AdaptiveAvgPool2d)node.Op;
        if (IsRegularPool(node, op.Height, op.Width, "GlobalAveragePool", "AveragePool", e))
            return;
        var shape = node.Inputs[0].Shape;
        var (rows, columns) = (PoolAxis.Adaptive(shape[1], op.Height), PoolAxis.Adaptive(shape[2], op.Width));
        MatrixPair(node, e, Averages(rows), Averages(columns));
    }

    private static void AdaptiveMaxPool(Node node, OnnxEmitter e)
    {
        var op = (AdaptiveMaxPool2d)node.Op;
        if (IsRegularPool(node, op.Height, op.Width, "GlobalMaxPool", "MaxPool", e))
            return;
        var shape = node.Inputs[0].Shape;
        // The largest of a window is the largest of its rows' largest: one axis after the other.
        var rows = LargestOf(e.Image(node.Inputs[0]), PoolAxis.Adaptive(shape[1], op.Height), 2, e);
        e.Result("Concat", ImageOrder, [.. WindowsOf(rows, PoolAxis.Adaptive(shape[2], op.Width), 3, e)], ("axis", 3));
    }

    /// <summary>Writes the pool if its windows are all alike.</summary>
    private static bool IsRegularPool(Node node, int height, int width, string global, string windowed, OnnxEmitter e)
    {
        var input = node.Inputs[0];
        var shape = input.Shape;
        if (height == 1 && width == 1)
        {
            e.Result(global, ImageOrder, [e.Image(input)]);
            return true;
        }
        if (e.IsOpen(input, 1) || e.IsOpen(input, 2))
            throw new VertebraException($"{node}: pooling to {height}x{width} has windows that follow the image's size, which ONNX cannot express; export with a fixed size");
        if (shape[1] % height != 0 || shape[2] % width != 0)
            return false;
        var window = Longs(shape[1] / height, shape[2] / width);
        e.Result(windowed, ImageOrder, [e.Image(input)], ("kernel_shape", window), ("strides", window));
        return true;
    }

    private static string LargestOf(string image, PoolAxis axis, int position, OnnxEmitter e) => e.Step("Concat", [.. WindowsOf(image, axis, position, e)], ("axis", position));

    private static IEnumerable<string> WindowsOf(string image, PoolAxis axis, int position, OnnxEmitter e)
    {
        for (var o = 0; o < axis.Count; o++)
        {
            var window = e.Step("Slice", [image, e.Int64(axis.Begin[o]), e.Int64(axis.End[o]), e.Int64(position)]);
            yield return e.Opset >= 18 ? e.Step("ReduceMax", [window, e.Int64(position)], ("keepdims", 1))
                : e.Step("ReduceMax", [window], ("axes", Longs(position)), ("keepdims", 1));
        }
    }

    private static float[,] Averages(PoolAxis axis)
    {
        var matrix = new float[axis.Count, axis.Size];
        for (var o = 0; o < axis.Count; o++)
        {
            for (var i = axis.Begin[o]; i < axis.End[o]; i++)
                matrix[o, i] = 1f / axis.Length[o];
        }
        return matrix;
    }

    // ---------------------------------------------------------------- resampling

    // Resize names the same interpolations from opset 13 on, antialiasing from 18 on. Between fixed sizes cubic and
    // antialiased ones are matrix products along each axis, which leave nothing to a runtime's interpretation; ONNX Runtime (seen in 1.30) also moves Transposes
    // through a cubic Resize, and then refuses it.
    private static void Resample(Node node, OnnxEmitter e)
    {
        var op = (Interpolate)node.Op;
        var (input, output) = (node.Inputs[0], node.Outputs[0]);
        var isOpen = e.IsOpen(input, 1) || e.IsOpen(input, 2);
        if ((op.Antialias || op.Mode == InterpolationMode.Bicubic) && !isOpen)
        {
            var (rows, columns) = op.Weights(input.Shape[1], input.Shape[2]);
            MatrixPair(node, e, Matrix(rows), Matrix(columns));
            return;
        }
        if (op.Antialias)
            RequireOpset(18, "antialiased resizing of images of any size", node, e);
        var mode = op.Mode switch { InterpolationMode.Nearest => "nearest", InterpolationMode.Bilinear => "linear", _ => "cubic" };
        var place = op.Mode == InterpolationMode.Nearest ? "asymmetric" : op.AlignCorners ? "align_corners" : "half_pixel";
        (string, object)[] attributes =
        [
            ("mode", mode), ("coordinate_transformation_mode", place),
            .. op.Mode == InterpolationMode.Nearest ? [("nearest_mode", (object)"floor")] : Array.Empty<(string, object)>(),
            .. op.Mode == InterpolationMode.Bicubic ? [("cubic_coeff_a", (object)(op.Antialias ? -0.5f : -0.75f))] : Array.Empty<(string, object)>(),
            .. op.Antialias ? [("antialias", 1), ("exclude_outside", (object)1)] : Array.Empty<(string, object)>(),
        ];
        e.Result("Resize", ImageOrder, [e.Image(input), "", "", e.ShapeOf(output, ImageOrder)], attributes);
    }

    // The interpolations were renamed in opset 20.
    private static void SampleGrid(Node node, OnnxEmitter e)
    {
        var op = (GridSample)node.Op;
        RequireOpset(16, "sampling at a grid", node, e);
        var mode = op.Mode switch
        {
            InterpolationMode.Nearest => "nearest",
            InterpolationMode.Bilinear => e.Opset >= 20 ? "linear" : "bilinear",
            _ => e.Opset >= 20 ? "cubic" : "bicubic",
        };
        e.Result("GridSample", ImageOrder, [e.Image(node.Inputs[0]), e.Plain(node.Inputs[1])],
            ("mode", mode), ("padding_mode", op.Padding.ToString().ToLowerInvariant()), ("align_corners", op.AlignCorners ? 1 : 0));
    }

    private static void AlignRegions(Node node, OnnxEmitter e)
    {
        var op = (RoiAlign)node.Op;
        if (op.HalfPixel)
            RequireOpset(16, "pooling of regions with pixel centres at halves", node, e);
        (string, object)[] place = e.Opset >= 16 ? [("coordinate_transformation_mode", op.HalfPixel ? "half_pixel" : "output_half_pixel")] : [];
        e.Result("RoiAlign", ImageOrder, [e.Image(node.Inputs[0]), e.Plain(node.Inputs[1]), e.Plain(node.Inputs[2])],
            [("mode", op.Largest ? "max" : "avg"), ("output_height", op.Height), ("output_width", op.Width), ("sampling_ratio", op.SamplingRatio), ("spatial_scale", op.Scale), .. place]);
    }

    private static float[,] Matrix(AxisWeights axis)
    {
        var matrix = new float[axis.Count, axis.Size];
        for (var o = 0; o < axis.Count; o++)
        {
            for (var j = 0; j < axis.LengthOf(o); j++)
                matrix[o, axis.Begin[o] + j] = axis.Weights[axis.Offset[o] + j];
        }
        return matrix;
    }

    /// <summary>Writes rows · image · columnsᵀ, for every channel.</summary>
    private static void MatrixPair(Node node, OnnxEmitter e, float[,] rows, float[,] columns)
    {
        var turned = new float[columns.GetLength(1), columns.GetLength(0)];
        for (var o = 0; o < columns.GetLength(0); o++)
        {
            for (var i = 0; i < columns.GetLength(1); i++)
                turned[i, o] = columns[o, i];
        }
        var narrowed = e.Step("MatMul", [e.Image(node.Inputs[0]), e.Table(ToTensor(turned), "columns")]);
        e.Result("MatMul", ImageOrder, [e.Table(ToTensor(rows), "rows"), narrowed]);
    }

    private static Tensor ToTensor(float[,] matrix) => Tensor.From(matrix.Cast<float>().ToArray(), [matrix.GetLength(0), matrix.GetLength(1)]);
}
