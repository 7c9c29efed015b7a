namespace Vertebra.Onnx;

/// <summary>
/// Writes preprocessing as ONNX nodes. A resize is a matrix product along each axis, with matrices computed in float64 from the
/// image's size, rounded to whole numbers after each axis: that is Pillow's arithmetic, bit for bit (the operator Resize rounds
/// nowhere); and rows and columns that the crop cuts off are never computed.
/// </summary>
internal sealed class PreprocessingNodes(OnnxPreprocessing facts, OnnxEmitter e)
{
    /// <summary>Writes the nodes and gives the name of the network's input, channels first.</summary>
    public static (string Name, AxisOrder Order) Emit(OnnxPreprocessing facts, OnnxEmitter e) => (new PreprocessingNodes(facts, e).Run(), AxisOrder.ChannelsFirst(4));

    private string Run()
    {
        var image = e.Input("image", DType.UInt8, ("batch", 0), ("image_height", 0), ("image_width", 0), (null, 3));
        var shape = e.Step("Shape", [image]);
        var (height, width) = (ToDouble(Pick(shape, 1)), ToDouble(Pick(shape, 2)));
        var (resizedHeight, resizedWidth) = ResizedSizes(height, width);
        var pixels = e.Step("Transpose", [ToDouble(image)], ("perm", new long[] { 0, 3, 1, 2 }));
        if (facts.Mean.Count == 1)
            pixels = Luma(pixels);
        var columns = Weights(width, resizedWidth, facts.Width, inputFirst: true);
        var rows = Weights(height, resizedHeight, facts.Height, inputFirst: false);
        var narrowed = Whole(e.Step("MatMul", [pixels, columns]));
        return Normalised(e.Step("Cast", [Whole(e.Step("MatMul", [rows, narrowed]))], ("to", (int)OnnxEmitter.TypeOf(DType.Float32))));
    }

    private (string Height, string Width) ResizedSizes(string height, string width)
    {
        var (wideHeight, wideWidth) = (Math.Floor(facts.Height / facts.CropShare), Math.Floor(facts.Width / facts.CropShare));
        if (facts.Squash)
            return (e.Double(wideHeight), e.Double(wideWidth));
        if (facts.Height == facts.Width)
        {
            // Whole numbers below 2^53: floor(side · long / short) is exact but for quotients that are whole, which division gives exactly.
            var shorter = e.Step("Min", [height, width]);
            return (Floored(height, shorter, wideHeight), Floored(width, shorter, wideWidth));
        }
        var ratio = e.Step("Min", [e.Step("Div", [width, e.Double(wideWidth)]), e.Step("Div", [height, e.Double(wideHeight)])]);
        return (AtLeast(height, ratio, facts.Height), AtLeast(width, ratio, facts.Width));
    }

    private string Floored(string side, string shorter, double size) => e.Step("Floor", [e.Step("Div", [e.Step("Mul", [side, e.Double(size)]), shorter])]);

    private string AtLeast(string side, string ratio, int least) => e.Step("Max", [e.Step("Round", [e.Step("Div", [side, ratio])]), e.Double(least)]);

    /// <summary>The matrix from all pixels of an axis to those of the crop: float64 [input, crop], or [crop, input].</summary>
    private string Weights(string size, string resized, int crop, bool inputFirst)
    {
        var scale = e.Step("Div", [size, resized]);
        var offset = e.Step("Round", [e.Step("Div", [e.Step("Sub", [resized, e.Double(crop)]), e.Double(2)])]);
        var places = e.Step("Range", [e.Double(0.5), e.Double(crop + 0.5), e.Double(1)]);
        var centres = e.Step("Mul", [e.Step("Add", [places, offset]), scale]);
        var pixels = e.Step("Add", [e.Step("Range", [e.Double(0), size, e.Double(1)]), e.Double(0.5)]);
        var (pixelAxis, centreAxis) = inputFirst ? (1, 0) : (0, 1);
        var distance = e.Step("Sub", [e.Step("Unsqueeze", [pixels, e.Int64(pixelAxis)]), e.Step("Unsqueeze", [centres, e.Int64(centreAxis)])]);
        var x = e.Step("Abs", [e.Step("Div", [distance, e.Step("Max", [scale, e.Double(1)])])]);
        var weights = facts.Filter == OnnxResizeFilter.Bilinear ? e.Step("Max", [e.Step("Sub", [e.Double(1), x]), e.Double(0)]) : Cubic(x);
        var sums = e.Step("ReduceSum", [weights, e.Int64(1 - pixelAxis)], ("keepdims", 1));
        return FixedPoint(e.Step("Div", [weights, sums]));
    }

    // Pillow's weights are multiples of 2^-22, halves rounded away from zero; sums of their products with pixels are exact in float64.
    private string FixedPoint(string weights)
    {
        var magnitude = e.Step("Floor", [e.Step("Add", [e.Step("Mul", [e.Step("Abs", [weights]), e.Double(1 << 22)]), e.Double(0.5)])]);
        return e.Step("Mul", [e.Step("Sign", [weights]), e.Step("Div", [magnitude, e.Double(1 << 22)])]);
    }

    // ((1.5 x - 2.5) x) x + 1 below 1, (((x - 5) x + 8) x - 4) · -0.5 below 2, else 0.
    private string Cubic(string x)
    {
        string Times(string a, string b) => e.Step("Mul", [a, b]);
        string Plus(string a, double b) => e.Step("Add", [a, e.Double(b)]);
        var near = Plus(Times(Times(Plus(Times(x, e.Double(1.5)), -2.5), x), x), 1);
        var far = Times(Plus(Times(Plus(Times(Plus(x, -5), x), 8), x), -4), e.Double(-0.5));
        var reaches = e.Step("Where", [e.Step("Less", [x, e.Double(2)]), far, e.Double(0)]);
        return e.Step("Where", [e.Step("Less", [x, e.Double(1)]), near, reaches]);
    }

    // Pixels are whole numbers from 0 to 255 after each pass, halves rounded up.
    private string Whole(string values) => e.Step("Clip", [e.Step("Floor", [e.Step("Add", [values, e.Double(0.5)])]), e.Double(0), e.Double(255)]);

    // Pillow's fixed point: (19595 R + 38470 G + 7471 B + 2^15) >> 16.
    private string Luma(string pixels)
    {
        var parts = e.Step("Mul", [pixels, e.Table(Tensor.From([19595.0, 38470.0, 7471.0], [3, 1, 1]), "luma")]);
        var sum = e.Step("ReduceSum", [parts, e.Int64(1)], ("keepdims", 1));
        return e.Step("Floor", [e.Step("Div", [e.Step("Add", [sum, e.Double(32768)]), e.Double(65536)])]);
    }

    private string Normalised(string pixels)
    {
        float[] scale = [.. facts.Std.Select(s => (float)(1 / (255 * s)))], offset = [.. facts.Mean.Zip(facts.Std, (m, s) => (float)(-m / s))];
        var scaled = e.Step("Mul", [pixels, e.Table(Tensor.From(scale, [scale.Length, 1, 1]), "scale")]);
        return e.Step("Add", [scaled, e.Table(Tensor.From(offset, [offset.Length, 1, 1]), "offset")]);
    }

    private string Pick(string shape, int axis) => e.Step("Gather", [shape, e.Int64Scalar(axis)], ("axis", 0));

    private string ToDouble(string value) => e.Step("Cast", [value], ("to", (int)OnnxEmitter.TypeOf(DType.Float64)));
}
