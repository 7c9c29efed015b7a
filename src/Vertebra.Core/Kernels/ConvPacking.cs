using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Which product a packed weight serves.</summary>
internal enum ConvUse
{
    /// <summary>The forward pass.</summary>
    Forward,

    /// <summary>The input gradient, which is also the transposed convolution.</summary>
    InputGradient,
}

/// <summary>
/// Rearranges convolution weights [OC, C / groups, KH, KW] for <see cref="TapConv"/> (panels of [taps · depth, lanes] for each group;
/// for the input gradient, one after another for each phase of the stride) and for <see cref="DepthwiseConv"/> ([KH · KW, OC]).
/// </summary>
internal static unsafe class ConvPacking
{
    /// <summary>Numbers that the packed form takes.</summary>
    public static long Size(in ConvShape shape, ConvUse use, ConvMethod method = ConvMethod.Direct)
    {
        if (method != ConvMethod.Direct)
            return WinogradPacking.Size(shape, use, method);
        if (shape.IsDepthwise)
            return shape.WeightCount;
        var (depth, lanes) = use == ConvUse.Forward ? (shape.GroupC, shape.GroupOC) : (shape.GroupOC, shape.GroupC);
        return (long)shape.Groups * shape.KH * shape.KW * depth * PaddedLanes(lanes);
    }

    /// <summary>The instruction level for a group of so many output channels: no wider than they fill.</summary>
    public static SimdLevel LevelFor(int lanes)
    {
        var level = lanes <= 4 ? SimdLevel.Vector128 : lanes <= 8 ? SimdLevel.Vector256 : SimdLevel.Vector512;
        return level < Simd.Level ? level : Simd.Level;
    }

    /// <summary>Packs <paramref name="weight"/> to <paramref name="target"/>, <see cref="Size"/> numbers.</summary>
    public static void Pack(in ConvShape shape, ConvUse use, ConvMethod method, float* weight, float* target)
    {
        if (method != ConvMethod.Direct)
        {
            WinogradPacking.Pack(shape, use, method, weight, target);
            return;
        }
        if (shape.IsDepthwise)
        {
            Transpose.Run(shape.OC, shape.KH * shape.KW, weight, shape.KH * shape.KW, target, shape.OC);
            return;
        }
        switch (LevelFor(use == ConvUse.Forward ? shape.GroupOC : shape.GroupC))
        {
            case SimdLevel.Vector512: Pack<V512>(shape, use, weight, target); break;
            case SimdLevel.Vector256: Pack<V256>(shape, use, weight, target); break;
            case SimdLevel.Vector128: Pack<V128>(shape, use, weight, target); break;
            default: Pack<V1>(shape, use, weight, target); break;
        }
    }

    /// <summary>The phases of the input gradient, in the order of their packed weights.</summary>
    public static IEnumerable<(int Row, int Column)> Phases(ConvShape shape)
    {
        for (var row = 0; row < shape.StrideH; row++)
        {
            for (var column = 0; column < shape.StrideW; column++)
                yield return (row, column);
        }
    }

    /// <summary>Numbers that the packed weights of one phase of the input gradient take.</summary>
    public static nint PhaseSize(in ConvShape shape, in TapGrid grid) =>
        (nint)shape.Groups * grid.Count * shape.GroupOC * PaddedLanes(shape.GroupC);

    private static int PaddedLanes(int lanes) => LevelFor(lanes) switch
    {
        SimdLevel.Vector512 => Panels.PaddedColumns<V512>(lanes),
        SimdLevel.Vector256 => Panels.PaddedColumns<V256>(lanes),
        SimdLevel.Vector128 => Panels.PaddedColumns<V128>(lanes),
        _ => Panels.PaddedColumns<V1>(lanes),
    };

    private static void Pack<TVector>(ConvShape shape, ConvUse use, float* weight, float* target) where TVector : unmanaged, IVector<TVector>
    {
        var panels = Panels.Count<TVector>(use == ConvUse.Forward ? shape.GroupOC : shape.GroupC);
        Workers.Run(shape.Groups * panels, part =>
        {
            if (use == ConvUse.Forward)
                PackForward<TVector>(shape, part / panels, part % panels, weight, target);
            else
                PackInputGradient<TVector>(shape, part / panels, part % panels, weight, target);
        });
    }

    // Row j of the weight matrix's transpose is channel j / area, position j % area; it becomes row position · C + channel.
    [SkipLocalsInit]
    private static void PackForward<TVector>(in ConvShape shape, int group, int panel, float* weight, float* target)
        where TVector : unmanaged, IVector<TVector>
    {
        const int Block = 16;
        var area = shape.KH * shape.KW;
        var (depth, lanes) = (shape.GroupC, shape.GroupOC);
        var k = area * depth;
        var first = panel * Panels.Width<TVector>();
        var filled = Math.Min(lanes - first, Panels.Width<TVector>());
        var width = Panels.PaddedWidth<TVector>(filled);
        var from = weight + ((nint)group * lanes + first) * k;
        var to = target + ((nint)group * Panels.PaddedColumns<TVector>(lanes) + first) * k;
        var square = stackalloc float[Block * 32];
        new Span<float>(square, Block * 32).Clear();
        for (var j = 0; j < k; j += Block)
        {
            var count = Math.Min(Block, k - j);
            Transpose.Run(filled, count, from + j, k, square, width);
            for (var i = 0; i < count; i++)
                CopyRow<TVector>(square + i * width, to + ((nint)((j + i) % area) * depth + (j + i) / area) * width, width);
        }
    }

    // For each output channel the input channels × positions are transposed, and every position goes to its phase.
    private static void PackInputGradient<TVector>(ConvShape shape, int group, int panel, float* weight, float* target)
        where TVector : unmanaged, IVector<TVector>
    {
        var area = shape.KH * shape.KW;
        var (depth, lanes) = (shape.GroupOC, shape.GroupC);
        var first = panel * Panels.Width<TVector>();
        var filled = Math.Min(lanes - first, Panels.Width<TVector>());
        var width = Panels.PaddedWidth<TVector>(filled);

        using var table = Scratch.Take(area * 2L);
        var places = (nint*)table.Pointer;
        foreach (var (row, column) in Phases(shape))
        {
            var grid = TapGrid.Phase(shape, row, column);
            var start = ((nint)group * Panels.PaddedColumns<TVector>(lanes) + first) * grid.Count * depth;
            for (var tap = 0; tap < grid.Count; tap++)
                places[grid.KernelOffset(tap, shape.KW)] = (nint)(target + start + (nint)tap * depth * width);
            target += PhaseSize(shape, grid);
        }

        using var scratch = Scratch.Take((long)area * width);
        var square = scratch.Pointer;
        new Span<float>(square, area * width).Clear();
        var end = weight + (nint)shape.WeightCount;
        for (var row = 0; row < depth; row++)
        {
            var from = weight + (((nint)group * depth + row) * lanes + first) * area;
            Transpose.Run(filled, area, from, area, square, width, end);
            for (var position = 0; position < area; position++)
                CopyRow<TVector>(square + position * width, (float*)places[position] + (nint)row * width, width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyRow<TVector>(float* source, float* target, int width) where TVector : unmanaged, IVector<TVector>
    {
        for (var i = 0; i < width; i += TVector.Count)
            TVector.Load(source + i).Store(target + i);
    }
}

/// <summary>Convolution weights packed once, for use over many calls of the same sizes. Owned by the garbage collector.</summary>
internal sealed unsafe class PackedConvWeights
{
    private readonly float[] _memory;

    /// <summary>
    /// Packs <paramref name="weight"/> [OC, C / groups, KH, KW]. For <see cref="ConvUse.Forward"/> any N, H, W, stride, padding and
    /// dilation may follow; for <see cref="ConvUse.InputGradient"/> any N, H and W. For one of Winograd's methods the filters are transformed.
    /// </summary>
    public PackedConvWeights(in ConvShape shape, float* weight, ConvUse use = ConvUse.Forward, ConvMethod method = ConvMethod.Direct)
    {
        shape.Validate();
        Use = use;
        Method = method;
        Shape = shape;
        if (method != ConvMethod.Direct)
            ConvMethods.RequireWinograd(shape);
        _memory = PinnedMemory.Allocate(ConvPacking.Size(shape, use, method), out var data);
        Data = data;
        ConvPacking.Pack(shape, use, method, weight, data);
    }

    public ConvUse Use { get; }

    /// <summary>How the convolution is computed with them.</summary>
    public ConvMethod Method { get; }

    /// <summary>The shape it was packed for.</summary>
    public ConvShape Shape { get; }

    /// <summary>The packed numbers; they live as long as this object.</summary>
    public float* Data { get; }

    /// <summary>Bytes held.</summary>
    public long ByteCount => (long)_memory.Length * sizeof(float);

    /// <summary>Throws when a call of other sizes than it serves is made with it.</summary>
    public void RequireFor(in ConvShape shape, ConvUse use)
    {
        var fits = use == Use && shape.C == Shape.C && shape.OC == Shape.OC && shape.KH == Shape.KH && shape.KW == Shape.KW && shape.Groups == Shape.Groups;
        if (Method != ConvMethod.Direct)
        {
            fits &= ConvMethods.HasWinograd(shape);
        }
        else if (use == ConvUse.InputGradient)
        {
            fits &= shape.StrideH == Shape.StrideH && shape.StrideW == Shape.StrideW && shape.PadTop == Shape.PadTop
                && shape.PadLeft == Shape.PadLeft && shape.DilationH == Shape.DilationH && shape.DilationW == Shape.DilationW;
        }
        if (!fits)
            throw new ArgumentException($"weights packed for {Use} of {Shape} do not serve {use} of {shape}");
    }
}
