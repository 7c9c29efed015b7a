using Vertebra.Graphs;
using Vertebra.Ops;
using Activation = Vertebra.Kernels.Activation;

namespace Vertebra.Onnx;

/// <summary>Rows of the ops that work on images or multiply matrices.</summary>
internal static partial class OnnxOps
{
    private static void Conv(Node node, OnnxEmitter e)
    {
        var op = (Conv2d)node.Op;
        var weight = node.Inputs[1];
        var inputs = new List<string> { e.Image(node.Inputs[0]), e.Plain(weight) };
        inputs.AddRange(node.Inputs.Skip(2).Select(e.Plain));
        e.Result("Conv", isImage: true, inputs,
            ("kernel_shape", Longs(weight.Shape[2], weight.Shape[3])), ("strides", Longs(op.StrideH, op.StrideW)), ("pads", Pads(op)),
            ("dilations", Longs(op.DilationH, op.DilationW)), ("group", op.Groups));
    }

    private static void Normalise(Node node, OnnxEmitter e)
    {
        var op = (BatchNorm)node.Op;
        if (node.Inputs[0].Shape.Rank is not (2 or 4))
            throw new VertebraException($"{node}: batch normalisation of rank {node.Inputs[0].Shape.Rank} has no ONNX form here");
        var isImage = node.Inputs[0].Shape.Rank == 4;
        var source = isImage ? e.Image(node.Inputs[0]) : e.Plain(node.Inputs[0]);
        string[] inputs = [source, .. node.Inputs.Skip(1).Take(4).Select(e.Plain)];
        (string, object)[] attributes = [("epsilon", op.Epsilon)];
        if (!op.AddsResidual && op.Activation == Activation.None)
        {
            e.Result("BatchNormalization", isImage, inputs, attributes);
            return;
        }
        var value = e.Step("BatchNormalization", inputs, attributes);
        if (op.AddsResidual)
        {
            string[] addends = [value, isImage ? e.Image(node.Inputs[5]) : e.Plain(node.Inputs[5])];
            if (op.Activation == Activation.None)
            {
                e.Result("Add", isImage, addends);
                return;
            }
            value = e.Step("Add", addends);
        }
        if (op.Activation == Activation.Relu6)
            e.Result("Clip", isImage, [value, e.Float(0), e.Float(6)]);
        else
            e.Result("Relu", isImage, [value]);
    }

    // ONNX's own GroupNormalization came late and changed since: instance normalisation of the groups says the same everywhere.
    private static void NormaliseGroups(Node node, OnnxEmitter e)
    {
        var op = (GroupNorm)node.Op;
        var shape = node.Inputs[0].Shape;
        if (shape.Rank != 4)
            throw new VertebraException($"{node}: group normalisation of rank {shape.Rank} has no ONNX form here");
        var groups = e.Step("Reshape", [e.Image(node.Inputs[0]), e.Int64(0, op.Groups, -1)]);
        var ones = e.Vector(Enumerable.Repeat(1f, op.Groups));
        var zeros = e.Vector(Enumerable.Repeat(0f, op.Groups));
        var normal = e.Step("InstanceNormalization", [groups, ones, zeros], ("epsilon", op.Epsilon));
        var image = e.Step("Reshape", [normal, e.Int64(0, shape[3], shape[1], shape[2])]);
        var scaled = e.Step("Mul", [image, e.BroadcastAgainstImage(node.Inputs[1])]);
        if (op.Activation == Activation.None)
        {
            e.Result("Add", isImage: true, [scaled, e.BroadcastAgainstImage(node.Inputs[2])]);
            return;
        }
        var value = e.Step("Add", [scaled, e.BroadcastAgainstImage(node.Inputs[2])]);
        if (op.Activation == Activation.Relu6)
            e.Result("Clip", isImage: true, [value, e.Float(0), e.Float(6)]);
        else
            e.Result("Relu", isImage: true, [value]);
    }

    private static void NormaliseLayer(Node node, OnnxEmitter e)
    {
        var op = (LayerNorm)node.Op;
        string[] inputs = [.. node.Inputs.Select(e.Plain)];
        if (e.Opset >= 17)
        {
            e.Result("LayerNormalization", isImage: false, inputs, ("axis", -op.Axes), ("epsilon", op.Epsilon));
            return;
        }
        var axes = Enumerable.Range(1, op.Axes).Select(a => (long)-a).Order().ToArray();
        var centred = e.Step("Sub", [inputs[0], e.Step("ReduceMean", [inputs[0]], ("axes", axes))]);
        var variance = e.Step("ReduceMean", [e.Step("Mul", [centred, centred])], ("axes", axes));
        var normal = e.Step("Div", [centred, e.Step("Sqrt", [e.Step("Add", [variance, e.Float(op.Epsilon)])])]);
        e.Result("Add", isImage: false, [e.Step("Mul", [normal, inputs[1]]), inputs[2]]);
    }

    private static void MaxPool(Node node, OnnxEmitter e)
    {
        var op = (MaxPool2d)node.Op;
        var image = e.Image(node.Inputs[0]);
        // ONNX Runtime (seen in 1.30) merges a Pad into the MaxPool after it, although that ignores its padding and the zeros
        // of a Pad compete. A maximum with the lowest number changes nothing and keeps the two apart.
        if (e.ProducerOf(node.Inputs[0])?.Op is Pad)
            image = e.Step("Max", [image, e.Float(float.MinValue)]);
        e.Result("MaxPool", isImage: true, [image],
            ("kernel_shape", Longs(op.KernelH, op.KernelW)), ("strides", Longs(op.StrideH, op.StrideW)), ("pads", Pads(op)),
            ("dilations", Longs(op.DilationH, op.DilationW)), ("ceil_mode", op.CeilMode ? 1 : 0));
    }

    private static void AveragePool(Node node, OnnxEmitter e)
    {
        var op = (AvgPool2d)node.Op;
        e.Result("AveragePool", isImage: true, [e.Image(node.Inputs[0])],
            ("kernel_shape", Longs(op.KernelH, op.KernelW)), ("strides", Longs(op.StrideH, op.StrideW)), ("pads", Pads(op)),
            ("ceil_mode", op.CeilMode ? 1 : 0), ("count_include_pad", op.CountIncludePad ? 1 : 0));
    }

    // ONNX knows the global pools; other output sizes are windows of equal size when they divide the input.
    private static Action<Node, OnnxEmitter> AdaptivePool<TOp>(string global, string windowed, Func<TOp, (int Height, int Width)> read) where TOp : Op => (node, e) =>
    {
        var (height, width) = read((TOp)node.Op);
        var shape = node.Inputs[0].Shape;
        if (height == 1 && width == 1)
            e.Result(global, isImage: true, [e.Image(node.Inputs[0])]);
        else if (shape[1] % height == 0 && shape[2] % width == 0)
            e.Result(windowed, isImage: true, [e.Image(node.Inputs[0])],
                ("kernel_shape", Longs(shape[1] / height, shape[2] / width)), ("strides", Longs(shape[1] / height, shape[2] / width)));
        else
            throw new VertebraException($"{node}: adaptive pooling of {shape[1]}x{shape[2]} to {height}x{width} has windows of unequal size, which ONNX cannot express; choose an input size that divides");
    };

    private static void Pad(Node node, OnnxEmitter e)
    {
        var op = (Pad)node.Op;
        var input = node.Inputs[0];
        var pads = e.PerAxis(input, [.. op.Before.Select(p => (long)p)]).Concat(e.PerAxis(input, [.. op.After.Select(p => (long)p)])).ToArray();
        var mode = op.Mode switch { PadMode.Constant => "constant", PadMode.Reflect => "reflect", _ => "edge" };
        string[] inputs = [e.AsIs(input), e.Int64(pads), .. op.Mode == PadMode.Constant ? [e.Float(op.Value)] : Array.Empty<string>()];
        e.Result("Pad", e.IsImage(input), inputs, ("mode", mode));
    }

    private static void LinearLayer(Node node, OnnxEmitter e)
    {
        var (input, weight) = (node.Inputs[0], node.Inputs[1]);
        if (input.Shape.Rank == 2)
        {
            e.Result("Gemm", isImage: false, node.Inputs.Select(e.Plain), ("transB", 1));
            return;
        }
        var transposed = e.Step("Transpose", [e.Plain(weight)], ("perm", Longs(1, 0)));
        if (node.Inputs.Count == 2)
            e.Result("MatMul", isImage: false, [e.Plain(input), transposed]);
        else
            e.Result("Add", isImage: false, [e.Step("MatMul", [e.Plain(input), transposed]), e.Plain(node.Inputs[2])]);
    }

    private static void MatrixProduct(Node node, OnnxEmitter e)
    {
        var op = (MatMul)node.Op;
        e.Result("MatMul", isImage: false, [Turned(node.Inputs[0], op.TransposeA, e), Turned(node.Inputs[1], op.TransposeB, e)]);
    }

    private static string Turned(Value value, bool transpose, OnnxEmitter e)
    {
        if (!transpose)
            return e.Plain(value);
        var order = Enumerable.Range(0, value.Shape.Rank).Select(a => (long)a).ToArray();
        (order[^1], order[^2]) = (order[^2], order[^1]);
        return e.Step("Transpose", [e.Plain(value)], ("perm", order));
    }

    private static long[] Longs(params ReadOnlySpan<int> values)
    {
        var result = new long[values.Length];
        for (var i = 0; i < result.Length; i++)
            result[i] = values[i];
        return result;
    }

    private static long[] Pads(SlidingWindowOp op) => Longs(op.PadTop, op.PadLeft, op.PadBottom, op.PadRight);
}
