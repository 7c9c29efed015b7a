namespace Vertebra.Kernels;

/// <summary>
/// Convolution in [N, H, W, C] with weights [OC, C / groups, KH, KW], forward and both gradients, for any stride, dilation, padding
/// and groups. The bits of the results do not depend on the number of threads.
/// </summary>
internal static unsafe class Conv
{
    /// <summary>y [N, OH, OW, OC] = convolution of x [N, H, W, C] with weight, plus bias [OC] unless null.</summary>
    public static void Forward(in ConvShape shape, float* x, float* weight, float* bias, float* y, ConvMethod method = ConvMethod.Direct)
    {
        shape.Validate();
        if (shape.IsPointwise)
        {
            MatMul.Run(Pixels(shape), shape.OC, shape.C, x, shape.C, false, weight, shape.C, true, y, shape.OC, bias: bias);
            return;
        }
        if (method == ConvMethod.Direct && WholeImageConv.Is(shape))
        {
            WholeImageConv.Forward(shape, x, weight, bias, y);
            return;
        }
        using var packed = Scratch.Take(ConvPacking.Size(shape, ConvUse.Forward, method));
        ConvPacking.Pack(shape, ConvUse.Forward, method, weight, packed.Pointer);
        ForwardPacked(shape, x, method, packed.Pointer, bias, y);
    }

    /// <summary>The same with weights packed before.</summary>
    public static void Forward(in ConvShape shape, float* x, PackedConvWeights weights, float* bias, float* y, in Epilogue epilogue = default)
    {
        shape.Validate();
        weights.RequireFor(shape, ConvUse.Forward);
        if (shape.IsPointwise && ConvPacking.LevelFor(shape.OC) == Simd.Level)
            MatMul.RunPacked(Pixels(shape), shape.OC, shape.C, x, shape.C, false, weights.Data, y, shape.OC, bias: bias, epilogue: epilogue);
        else
            ForwardPacked(shape, x, weights.Method, weights.Data, bias, y, epilogue);
        GC.KeepAlive(weights);
    }

    /// <summary>
    /// dx [N, H, W, C] from dy [N, OH, OW, OC]. With a bias [C] or null this is also the transposed convolution of dy: H and W say
    /// how large its output is (they fix what other libraries call output padding).
    /// </summary>
    public static void InputGradient(
        in ConvShape shape, float* dy, float* weight, float* dx, float* bias = null, ConvMethod method = ConvMethod.Direct)
    {
        shape.Validate();
        if (shape.IsPointwise)
        {
            MatMul.Run(Pixels(shape), shape.C, shape.OC, dy, shape.OC, false, weight, shape.C, false, dx, shape.C, bias: bias);
            return;
        }
        if (method == ConvMethod.Direct && WholeImageConv.Is(shape))
        {
            WholeImageConv.InputGradient(shape, dy, weight, dx, bias);
            return;
        }
        using var packed = Scratch.Take(ConvPacking.Size(shape, ConvUse.InputGradient, method));
        ConvPacking.Pack(shape, ConvUse.InputGradient, method, weight, packed.Pointer);
        InputGradientPacked(shape, dy, method, packed.Pointer, dx, bias);
    }

    /// <summary>The same with weights packed before.</summary>
    public static void InputGradient(in ConvShape shape, float* dy, PackedConvWeights weights, float* dx, float* bias = null)
    {
        shape.Validate();
        weights.RequireFor(shape, ConvUse.InputGradient);
        InputGradientPacked(shape, dy, weights.Method, weights.Data, dx, bias);
        GC.KeepAlive(weights);
    }

    /// <summary>dw [OC, C / groups, KH, KW] from x [N, H, W, C] and dy [N, OH, OW, OC], by Winograd's form where it may and is faster.</summary>
    public static void WeightGradient(in ConvShape shape, float* x, float* dy, float* dw, bool mayUseWinograd = false)
    {
        shape.Validate();
        if (shape.OutputCount == 0)
        {
            new Span<float>(dw, checked((int)shape.WeightCount)).Clear();
            return;
        }
        if (shape.IsDepthwise)
        {
            Depthwise.WeightGradient(shape, x, dy, dw);
            return;
        }
        if (shape.IsPointwise)
        {
            MatMul.Run(shape.OC, shape.C, Pixels(shape), dy, shape.OC, true, x, shape.C, false, dw, shape.C);
            return;
        }
        if (WholeImageConv.Is(shape))
        {
            WholeImageConv.WeightGradient(shape, x, dy, dw);
            return;
        }
        if (mayUseWinograd && WinogradWeightGradient.IsFaster(shape))
        {
            Level.Run(new WinogradWeightGradient(shape, x, dy, dw));
            return;
        }
        if (DenseWeightGradient.Has(shape))
        {
            DenseWeightGradient.Run(shape, x, dy, dw);
            return;
        }
        var job = new WeightGradient(shape, x, dy);
        switch (ConvPacking.LevelFor(shape.GroupOC))
        {
            case SimdLevel.Vector512: job.Run<V512>(dw); break;
            case SimdLevel.Vector256: job.Run<V256>(dw); break;
            case SimdLevel.Vector128: job.Run<V128>(dw); break;
            default: job.Run<V1>(dw); break;
        }
    }

    private static int Pixels(in ConvShape shape) => checked(shape.N * shape.H * shape.W);

    private static void ForwardPacked(
        in ConvShape shape, float* x, ConvMethod method, float* packed, float* bias, float* y, in Epilogue epilogue = default)
    {
        if (method != ConvMethod.Direct)
        {
            new WinogradConv
            {
                X = x, N = shape.N, H = shape.H, W = shape.W, C = shape.C, Y = y, OutH = shape.OH, OutW = shape.OW, OC = shape.OC,
                FirstRow = -shape.PadTop, FirstColumn = -shape.PadLeft, Weights = packed, Bias = bias, Epilogue = epilogue,
            }.Run(method);
            return;
        }
        if (shape.IsDepthwise)
        {
            Depthwise.Forward(shape, x, packed, bias, y, epilogue);
            return;
        }
        var (oh, ow) = (shape.OH, shape.OW);
        Run(new TapConv
        {
            X = x, N = shape.N, H = shape.H, W = shape.W, C = shape.C, StrideH = shape.StrideH, StrideW = shape.StrideW,
            FirstPass = new TapPass(TapGrid.Forward(shape), packed, y, oh, ow),
            OutImage = (nint)oh * ow * shape.OC, OutRow = (nint)ow * shape.OC, OutPixel = shape.OC,
            Groups = shape.Groups, Depth = shape.GroupC, Lanes = shape.GroupOC, Bias = bias, Epilogue = epilogue,
        });
    }

    private static void InputGradientPacked(in ConvShape shape, float* dy, ConvMethod method, float* packed, float* dx, float* bias)
    {
        if (method != ConvMethod.Direct)
        {
            // A convolution of dy with the filters turned around, whose last tap meets the pixel that the first one met.
            new WinogradConv
            {
                X = dy, N = shape.N, H = shape.OH, W = shape.OW, C = shape.OC, Y = dx, OutH = shape.H, OutW = shape.W, OC = shape.C,
                FirstRow = shape.PadTop - 2, FirstColumn = shape.PadLeft - 2, Weights = packed, Bias = bias,
            }.Run(method);
            return;
        }
        if (shape.IsDepthwise)
        {
            Depthwise.InputGradient(shape, dy, packed, dx, bias);
            return;
        }
        var passes = new List<TapPass>();
        foreach (var (row, column) in ConvPacking.Phases(shape))
        {
            var grid = TapGrid.Phase(shape, row, column);
            passes.Add(new(
                grid, packed, dx + ((nint)row * shape.W + column) * shape.C,
                PhaseLength(shape.H, row, shape.StrideH), PhaseLength(shape.W, column, shape.StrideW)));
            packed += ConvPacking.PhaseSize(shape, grid);
        }
        Run(new TapConv
        {
            X = dy, N = shape.N, H = shape.OH, W = shape.OW, C = shape.OC, StrideH = 1, StrideW = 1, FirstPass = passes[0], OtherPasses = [.. passes[1..]],
            OutImage = (nint)shape.H * shape.W * shape.C, OutRow = (nint)shape.StrideH * shape.W * shape.C, OutPixel = (nint)shape.StrideW * shape.C,
            Groups = shape.Groups, Depth = shape.GroupOC, Lanes = shape.GroupC, Bias = bias,
        });
    }

    /// <summary>Number of positions below <paramref name="size"/> that are ≡ <paramref name="phase"/> (mod <paramref name="stride"/>).</summary>
    internal static int PhaseLength(int size, int phase, int stride) => size <= phase ? 0 : (size - phase - 1) / stride + 1;

    private static void Run(in TapConv job)
    {
        switch (ConvPacking.LevelFor(job.Lanes))
        {
            case SimdLevel.Vector512: job.Run<V512>(); break;
            case SimdLevel.Vector256: job.Run<V256>(); break;
            case SimdLevel.Vector128: job.Run<V128>(); break;
            default: job.Run<V1>(); break;
        }
    }
}
