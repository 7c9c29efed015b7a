using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// Transforms 3 × 3 filters [OC, C, 3, 3] for <see cref="WinogradConv"/>: panels of lanes, in each for each of the products the rows of
/// a matrix [depth, lanes of the panel]. For the input gradient input and output channels change roles and the filters are turned around.
/// </summary>
internal static unsafe class WinogradPacking
{
    private const int Taps = 9;

    /// <summary>Numbers that the packed form takes.</summary>
    public static long Size(in ConvShape shape, ConvUse use, ConvMethod method)
    {
        var side = ConvMethods.SideOf(method);
        return side * side * ConvPacking.Size(shape, use) / Taps;
    }

    /// <summary>Packs <paramref name="weight"/> to <paramref name="target"/>, <see cref="Size"/> numbers.</summary>
    public static void Pack(in ConvShape shape, ConvUse use, ConvMethod method, float* weight, float* target)
    {
        var isForward = use == ConvUse.Forward;
        var job = new Job(shape.OC, shape.C, isForward, weight, target);
        switch (ConvPacking.LevelFor(job.Lanes))
        {
            case SimdLevel.Vector512: Run<V512>(job, method); break;
            case SimdLevel.Vector256: Run<V256>(job, method); break;
            case SimdLevel.Vector128: Run<V128>(job, method); break;
            default: Run<V1>(job, method); break;
        }
    }

    private static void Run<TVector>(in Job job, ConvMethod method) where TVector : unmanaged, IVector<TVector>
    {
        if (method == ConvMethod.Winograd4)
            Run<TVector, WinogradF4>(job);
        else
            Run<TVector, WinogradF2>(job);
    }

    private static void Run<TVector, TScheme>(in Job job)
        where TVector : unmanaged, IVector<TVector>
        where TScheme : IWinogradScheme
    {
        Workers.Run(Panels.Count<TVector>(job.Lanes), job, static (in job, panel) => job.PackPanel<TVector, TScheme>(panel));
    }

    private readonly struct Job(int outputs, int inputs, bool isForward, float* weight, float* target)
    {
        public int Lanes => isForward ? outputs : inputs;

        private int Depth => isForward ? inputs : outputs;

        // Filters are transformed a few at a time into a block that stays in the first-level cache: the products of one filter lie so far
        // apart in the packed form that writing them one by one would miss the caches every time.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        [SkipLocalsInit]
        public void PackPanel<TVector, TScheme>(int panel)
            where TVector : unmanaged, IVector<TVector>
            where TScheme : IWinogradScheme
        {
            const int BlockDepth = 8;
            const int Gap = 16;
            var first = panel * Panels.Width<TVector>();
            var filled = Math.Min(Lanes - first, Panels.Width<TVector>());
            var width = Panels.PaddedWidth<TVector>(filled);
            var end = weight + (nint)outputs * inputs * Taps;
            var products = TScheme.Side * TScheme.Side;
            var to = target + (nint)first * products * Depth;
            var square = stackalloc float[Taps * 32];
            var rows = stackalloc float[3 * 6 * 16];
            new Span<float>(square, Taps * 32).Clear();
            var plane = BlockDepth * width + Gap;
            using var block = Scratch.Take(products * plane);
            for (var start = 0; start < Depth; start += BlockDepth, to += BlockDepth * width)
            {
                var count = Math.Min(BlockDepth, Depth - start);
                for (var i = 0; i < count; i++)
                {
                    // A row for each lane, the taps beside each other, becomes a row for each tap.
                    var (row, column) = isForward ? (first, start + i) : (start + i, first);
                    var stride = isForward ? (nint)inputs * Taps : Taps;
                    Transpose.Run(filled, Taps, weight + ((nint)row * inputs + column) * Taps, stride, square, width, end);
                    for (var lane = 0; lane < width; lane += TVector.Count)
                        TransformFilter<TVector, TScheme>(square + lane, width, rows, block.Pointer + i * width + lane, plane);
                }
                for (var product = 0; product < products; product++)
                    new ReadOnlySpan<float>(block.Pointer + product * plane, count * width).CopyTo(new(to + (nint)product * Depth * width, count * width));
            }
        }

        // The taps are a multiple of stride apart, the products a multiple of plane.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void TransformFilter<TVector, TScheme>(float* taps, nint stride, float* rows, float* to, nint plane)
            where TVector : unmanaged, IVector<TVector>
            where TScheme : IWinogradScheme
        {
            var side = TScheme.Side;
            if (!isForward)
            {
                taps += (Taps - 1) * stride;
                stride = -stride;
            }
            for (var row = 0; row < 3; row++, taps += 3 * stride)
                TScheme.Filter(TVector.Load(taps), TVector.Load(taps + stride), TVector.Load(taps + 2 * stride), rows + row * side * TVector.Count, TVector.Count);
            for (var column = 0; column < side; column++)
            {
                var from = rows + column * TVector.Count;
                var step = side * TVector.Count;
                TScheme.Filter(TVector.Load(from), TVector.Load(from + step), TVector.Load(from + 2 * step), to + column * plane, side * plane);
            }
        }
    }
}
