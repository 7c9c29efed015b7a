using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// Depthwise convolution, forward and (phase by phase) input gradient: every channel on its own, lanes along the channels. Nothing
/// is copied: pixels whose taps reach over the left or right edge are done one by one with the taps that stay inside.
/// </summary>
internal unsafe struct DepthwiseConv
{
    private const long SmallestPart = 1 << 17;
    private const int MostParts = 64;

    // Larger images come from memory, and so slowly that each row is fetched, and its output line made ready, one row ahead.
    private const long BytesInCache = 8 << 20;

    public float* X;
    public int N, H, W;

    /// <summary>Channels of input, weight and output.</summary>
    public int Channels;
    public int StrideH, StrideW;
    public TapGrid Taps;

    /// <summary>Output: first number, sizes, and distances in numbers.</summary>
    public float* Y;
    public int OutH, OutW;
    public nint OutImage, OutRow, OutPixel;

    /// <summary>[KH · KW, Channels].</summary>
    public float* Weights;
    public int KernelWidth;

    /// <summary>Null, or a number for each channel.</summary>
    public float* Bias;

    /// <summary>For outputs without gaps only.</summary>
    public Epilogue Epilogue;

    public readonly void Run()
    {
        if (N == 0 || OutH <= 0 || OutW <= 0)
            return;
        var work = (long)N * OutH * OutW * Channels * Math.Max(1, Taps.Count);
        var wanted = Math.Clamp(work / SmallestPart, 1, MostParts);
        var bands = (int)Math.Clamp((wanted + N - 1) / N, 1, OutH);
        var self = this;
        Workers.Run(N * bands, (Conv: self, bands), static (in job, part) => job.Conv.RunPart(part / job.bands, part % job.bands, job.bands));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunPart(int image, int band, int bands)
    {
        using var table = Scratch.Take(Taps.Rows * 4L);
        var offsets = (nint*)table.Pointer;
        var first = (int)((long)OutH * band / bands);
        var end = (int)((long)OutH * (band + 1) / bands);
        var (inner, innerEnd) = Taps.Horizontal.AllInside(OutW, StrideW, W);
        var fromMemory = ((long)H * W + (long)OutH * OutW) * N * Channels * sizeof(float) > BytesInCache;
        var lastTapRow = Taps.Vertical.First + (Taps.Rows - 1) * Taps.Vertical.Step;
        for (var row = first; row < end; row++)
        {
            var (firstTap, endTap) = Taps.Vertical.TapsInside(row, StrideH, H);
            for (var i = firstTap; i < endTap; i++)
            {
                offsets[i - firstTap] = ((nint)row * StrideH + Taps.Vertical.First + (nint)i * Taps.Vertical.Step) * W * Channels * sizeof(float);
                offsets[Taps.Rows + i - firstTap] = (nint)Taps.Vertical.KernelPosition(i) * KernelWidth * Channels * sizeof(float);
            }
            var job = new TileJob
            {
                Taps = endTap - firstTap,
                TapOffsets = offsets,
                TapOffsetsB = offsets + Taps.Rows,
                RowStride = (nint)StrideW * Channels * sizeof(float),
                DepthStride = (nint)Taps.Horizontal.Step * Channels * sizeof(float),
                BStride = (nint)Taps.Horizontal.KernelStep * Channels * sizeof(float),
                TargetStride = OutPixel * sizeof(float),
                SourceStride = Epilogue.Residual == null ? 0 : OutPixel * sizeof(float),
            };
            Epilogue.SetLimits(&job, isLast: true);
            var y = Y + image * OutImage + row * OutRow;
            for (var column = 0; column < OutW;)
            {
                var isInner = column >= inner && column < innerEnd;
                var pixels = isInner ? innerEnd - column : 1;
                var (firstColumnTap, endColumnTap) = isInner ? (0, Taps.Columns) : Taps.Horizontal.TapsInside(column, StrideW, W);
                job.Depth = endColumnTap - firstColumnTap;
                var x = X + ((nint)image * H * W + (nint)column * StrideW + Taps.Horizontal.First + firstColumnTap * Taps.Horizontal.Step) * Channels;
                var weights = Weights + (nint)Taps.Horizontal.KernelPosition(firstColumnTap) * Channels;
                var ahead = isInner && fromMemory ? x + ((nint)(row + 1) * StrideH + lastTapRow) * W * Channels : null;
                RunPixels(&job, pixels, x, weights, y + column * OutPixel, ahead);
                column += pixels;
            }
            Epilogue.Finish(y, 1, Channels, (long)OutW * Channels);
        }
    }

    private readonly void RunPixels(TileJob* job, int pixels, float* x, float* weights, float* y, float* ahead)
    {
        var channel = 0;
        if (Simd.Level >= SimdLevel.Vector512)
            channel = RunChannels<V512>(job, pixels, channel, x, weights, y, ahead);
        if (Simd.Level >= SimdLevel.Vector256)
            channel = RunChannels<V256>(job, pixels, channel, x, weights, y, ahead);
        if (Simd.Level >= SimdLevel.Vector128)
            channel = RunChannels<V128>(job, pixels, channel, x, weights, y, ahead);
        RunChannels<V1>(job, pixels, channel, x, weights, y, ahead);
    }

    // As many whole vectors of channels as there are; returns the first channel left.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly int RunChannels<TVector>(TileJob* job, int pixels, int channel, float* x, float* weights, float* y, float* ahead)
        where TVector : unmanaged, IVector<TVector>
    {
        var end = channel + (Channels - channel) / TVector.Count * TVector.Count;
        if (channel == end)
            return end;
        var most = TileKernel.MaxRows<TVector>(1);
        var tiles = (pixels + most - 1) / most;
        for (var tile = 0; tile < tiles; tile++)
        {
            var first = (int)((long)pixels * tile / tiles);
            var rows = (int)((long)pixels * (tile + 1) / tiles) - first;
            var tileX = (byte*)x + first * job->RowStride;
            var tileY = y + first * OutPixel;
            for (var c = channel; c < end; c += TVector.Count)
            {
                var source = Bias == null ? job->Zeros : Bias + c;
                if (Epilogue.Residual != null)
                {
                    job->AddedRow = (byte*)(Bias == null ? null : Bias + c);
                    source = Epilogue.ResidualAt(Y, tileY + c);
                }
                if (ahead != null)
                {
                    for (var i = 0; i < StrideH; i++)
                        Prefetch.Rows((byte*)(ahead + ((nint)i * W + first * StrideW) * Channels + c), rows * StrideW, Channels * sizeof(float), 1);
                    Prefetch.Rows((byte*)(tileY + OutRow + c), rows, job->TargetStride, 1);
                }
                TileKernel.Run<TVector, N1, ByLane>(
                    rows, job, tileX + c * sizeof(float), (byte*)(weights + c), (byte*)source, (byte*)(tileY + c));
            }
        }
        return end;
    }
}
