namespace Vertebra.Kernels;

/// <summary>
/// Depthwise convolution with any channel multiplier OC / C. With a multiplier above 1 the input is spread image by image, so that
/// every output channel has an input channel of its own.
/// </summary>
internal static unsafe class Depthwise
{
    /// <summary>Forward, with weights [KH · KW, OC].</summary>
    public static void Forward(in ConvShape shape, float* x, float* weights, float* bias, float* y, Epilogue epilogue = default)
    {
        var multiplier = shape.OC / shape.C;
        if (multiplier == 1)
        {
            ForwardSpread(shape, x, weights, bias, y, epilogue);
            return;
        }
        var one = Spread(shape);
        using var spread = Scratch.Take(one.InputCount);
        for (var n = 0; n < shape.N; n++)
        {
            SpreadChannels(x + (nint)n * shape.H * shape.W * shape.C, (long)shape.H * shape.W * shape.C, multiplier, spread.Pointer);
            ForwardSpread(one, spread.Pointer, weights, bias, y + n * (nint)one.OutputCount, epilogue);
            if (epilogue.Residual != null)
                epilogue.Residual += one.OutputCount;
        }
    }

    /// <summary>Forward with a pointwise convolution before it, after it or both; the multiplier is 1.</summary>
    public static void Chain(
        in ConvShape shape, float* x, in PointwiseLayer expansion, float* weights, float* bias, in Epilogue epilogue, in PointwiseLayer projection, float* y)
    {
        var job = ForwardJob(shape, x, weights, bias, y, epilogue);
        job.Expansion = expansion;
        job.Projection = projection;
        job.RunChain();
    }

    /// <summary>Input gradient, with weights [KH · KW, OC].</summary>
    public static void InputGradient(in ConvShape shape, float* dy, float* weights, float* dx, float* bias)
    {
        var multiplier = shape.OC / shape.C;
        if (multiplier == 1)
        {
            InputGradientSpread(shape, dy, weights, dx, bias);
            return;
        }
        var one = Spread(shape);
        using var spread = Scratch.Take(one.InputCount);
        for (var n = 0; n < shape.N; n++)
        {
            InputGradientSpread(one, dy + n * (nint)one.OutputCount, weights, spread.Pointer, null);
            var to = dx + (nint)n * shape.H * shape.W * shape.C;
            for (nint i = 0; i < (nint)shape.H * shape.W * shape.C; i++)
            {
                var sum = bias == null ? 0 : bias[i % shape.C];
                for (var j = 0; j < multiplier; j++)
                    sum += spread.Pointer[i * multiplier + j];
                to[i] = sum;
            }
        }
    }

    /// <summary>Weight gradient as stored, [OC, 1, KH, KW].</summary>
    public static void WeightGradient(in ConvShape shape, float* x, float* dy, float* dw)
    {
        var area = shape.KH * shape.KW;
        using var sums = Scratch.Take((long)area * shape.OC);
        new Span<float>(sums.Pointer, area * shape.OC).Clear();
        var multiplier = shape.OC / shape.C;
        if (multiplier == 1)
        {
            new DepthwiseWeightGradient(shape, x, dy).Run(sums.Pointer);
        }
        else
        {
            var one = Spread(shape);
            using var spread = Scratch.Take(one.InputCount);
            for (var n = 0; n < shape.N; n++)
            {
                SpreadChannels(x + (nint)n * shape.H * shape.W * shape.C, (long)shape.H * shape.W * shape.C, multiplier, spread.Pointer);
                new DepthwiseWeightGradient(one, spread.Pointer, dy + n * (nint)one.OutputCount).Run(sums.Pointer);
            }
        }
        Transpose.Run(area, shape.OC, sums.Pointer, shape.OC, dw, area);
    }

    // One image with its channels spread.
    private static ConvShape Spread(in ConvShape shape) => shape with { N = 1, C = shape.OC, Groups = shape.OC };

    private static void SpreadChannels(float* x, long count, int multiplier, float* target)
    {
        for (nint i = 0; i < count; i++, target += multiplier)
            new Span<float>(target, multiplier).Fill(x[i]);
    }

    private static void ForwardSpread(in ConvShape shape, float* x, float* weights, float* bias, float* y, in Epilogue epilogue) =>
        ForwardJob(shape, x, weights, bias, y, epilogue).Run();

    private static DepthwiseConv ForwardJob(in ConvShape shape, float* x, float* weights, float* bias, float* y, in Epilogue epilogue)
    {
        var (oh, ow) = (shape.OH, shape.OW);
        return new DepthwiseConv
        {
            X = x, N = shape.N, H = shape.H, W = shape.W, Channels = shape.C,
            StrideH = shape.StrideH, StrideW = shape.StrideW, Taps = TapGrid.Forward(shape),
            Y = y, OutH = oh, OutW = ow, OutImage = (nint)oh * ow * shape.C, OutRow = (nint)ow * shape.C, OutPixel = shape.C,
            Weights = weights, KernelWidth = shape.KW, Bias = bias, Epilogue = epilogue,
        };
    }

    private static void InputGradientSpread(in ConvShape shape, float* dy, float* weights, float* dx, float* bias)
    {
        foreach (var (row, column) in ConvPacking.Phases(shape))
        {
            new DepthwiseConv
            {
                X = dy, N = shape.N, H = shape.OH, W = shape.OW, Channels = shape.C, StrideH = 1, StrideW = 1, Taps = TapGrid.Phase(shape, row, column),
                Y = dx + ((nint)row * shape.W + column) * shape.C,
                OutH = Conv.PhaseLength(shape.H, row, shape.StrideH), OutW = Conv.PhaseLength(shape.W, column, shape.StrideW),
                OutImage = (nint)shape.H * shape.W * shape.C, OutRow = (nint)shape.StrideH * shape.W * shape.C, OutPixel = (nint)shape.StrideW * shape.C,
                Weights = weights, KernelWidth = shape.KW, Bias = bias,
            }.Run();
        }
    }
}
