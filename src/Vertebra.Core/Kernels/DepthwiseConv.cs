using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// Depthwise convolution, forward and (phase by phase) input gradient: every channel on its own, lanes along the channels. Wide images
/// are read where they lie, and pixels whose taps reach over the left or right edge are done one by one with the taps that stay
/// inside. Of narrow ones, a block of channels of a band of rows is first copied between zeros, and every pixel is like the others.
/// </summary>
internal unsafe partial struct DepthwiseConv
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

    /// <summary>What the image is computed from, row by row; where it does not exist, rows are taken from <see cref="X"/>.</summary>
    public PointwiseLayer Expansion;

    /// <summary>What the results go through; where it does not exist, they are written to <see cref="Y"/>.</summary>
    public PointwiseLayer Projection;

    public readonly void Run()
    {
        if (N == 0 || OutH <= 0 || OutW <= 0)
            return;
        var work = (long)N * OutH * OutW * Channels * Math.Max(1, Taps.Count);
        var wanted = Math.Clamp(work / SmallestPart, 1, MostParts);
        var self = this;
        if (IsNarrow)
        {
            var plan = PlanBlocks((int)wanted);
            Workers.Run(plan.Parts, (Conv: self, plan), static (in job, part) => job.Conv.RunBlocks(job.plan, part));
            return;
        }
        var bands = (int)Math.Clamp((wanted + N - 1) / N, 1, OutH);
        Workers.Run(N * bands, (Conv: self, bands), static (in job, part) => job.Conv.RunPart(part / job.bands, part % job.bands, job.bands));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunPart(int image, int band, int bands)
    {
        using var table = Scratch.Take(Taps.Rows * 4L);
        // A function is applied to a row before it is written where it belongs.
        var isFinishedApart = Epilogue is { Function: not null, Residual: null };
        using var line = Scratch.Take(isFinishedApart ? (long)OutW * Channels : 0);
        var offsets = (nint*)table.Pointer;
        var first = (int)((long)OutH * band / bands);
        var end = (int)((long)OutH * (band + 1) / bands);
        var (inner, innerEnd) = Taps.Horizontal.AllInside(OutW, StrideW, W);
        var fromMemory = ((long)H * W + (long)OutH * OutW) * N * Channels * sizeof(float) > BytesInCache;
        var streams = Epilogue.Residual != Y && Epilogue.Streams(Y, N * OutImage, OutPixel, Taps.Count);
        var lastTapRow = Taps.Vertical.First + (Taps.Rows - 1) * Taps.Vertical.Step;
        for (var row = first; row < end; row++)
        {
            var (firstTap, endTap) = Taps.Vertical.TapsInside(row, StrideH, H);
            for (var i = firstTap; i < endTap; i++)
            {
                offsets[i - firstTap] = ((nint)row * StrideH + Taps.Vertical.First + (nint)i * Taps.Vertical.Step) * W * Channels * sizeof(float);
                offsets[Taps.Rows + i - firstTap] = (nint)Taps.Vertical.KernelPosition(i) * KernelWidth * Channels * sizeof(float);
            }
            var y = Y + image * OutImage + row * OutRow;
            var target = isFinishedApart ? line.Pointer : y;
            var pixel = isFinishedApart ? Channels : OutPixel;
            var job = JobOf(offsets, endTap - firstTap, Channels);
            job.TargetStride = pixel * sizeof(float);
            job.SourceStride = Epilogue.Residual == null ? 0 : OutPixel * sizeof(float);
            job.Streams = streams && Epilogue.Function is null;
            Epilogue.SetLimits(&job, isLast: true);
            for (var column = 0; column < OutW;)
            {
                var isInner = column >= inner && column < innerEnd;
                var pixels = isInner ? innerEnd - column : 1;
                var (firstColumnTap, endColumnTap) = isInner ? (0, Taps.Columns) : Taps.Horizontal.TapsInside(column, StrideW, W);
                job.Depth = endColumnTap - firstColumnTap;
                var x = X + ((nint)image * H * W + (nint)column * StrideW + Taps.Horizontal.First + firstColumnTap * Taps.Horizontal.Step) * Channels;
                var weights = Weights + (nint)Taps.Horizontal.KernelPosition(firstColumnTap) * Channels;
                var ahead = isInner && fromMemory ? x + ((nint)(row + 1) * StrideH + lastTapRow) * W * Channels : null;
                RunPixels(&job, pixels, Channels, x, weights, Bias, Epilogue.ResidualAt(Y, y + column * OutPixel), target + column * pixel, ahead);
                column += pixels;
            }
            if (isFinishedApart)
                Epilogue.Finish(line.Pointer, OutW, Channels, y, OutPixel, streams);
            else
                Epilogue.Finish(y, 1, Channels, (long)OutW * Channels);
        }
    }

    // The distances of a row of kernel rows over pixels of so many channels; offsets are those of the image rows, then those of the weights.
    private readonly TileJob JobOf(nint* offsets, int taps, int channels) => new()
    {
        Taps = taps,
        TapOffsets = offsets,
        TapOffsetsB = offsets + Taps.Rows,
        RowStride = (nint)StrideW * channels * sizeof(float),
        DepthStride = (nint)Taps.Horizontal.Step * channels * sizeof(float),
        BStride = (nint)Taps.Horizontal.KernelStep * Channels * sizeof(float),
    };

    // x, weights, bias, residual and y are those of the first pixel and channel.
    private readonly void RunPixels(TileJob* job, int pixels, int channels, float* x, float* weights, float* bias, float* residual, float* y, float* ahead)
    {
        var channel = 0;
        if (Simd.Level >= SimdLevel.Vector512)
            channel = RunChannels<V512>(job, pixels, channel, channels, x, weights, bias, residual, y, ahead);
        if (Simd.Level >= SimdLevel.Vector256)
            channel = RunChannels<V256>(job, pixels, channel, channels, x, weights, bias, residual, y, ahead);
        if (Simd.Level >= SimdLevel.Vector128)
            channel = RunChannels<V128>(job, pixels, channel, channels, x, weights, bias, residual, y, ahead);
        RunChannels<V1>(job, pixels, channel, channels, x, weights, bias, residual, y, ahead);
    }

    // As many whole vectors of channels as there are; returns the first channel left.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly int RunChannels<TVector>(
        TileJob* job, int pixels, int channel, int channels, float* x, float* weights, float* bias, float* residual, float* y, float* ahead)
        where TVector : unmanaged, IVector<TVector>
    {
        var end = channel + (channels - channel) / TVector.Count * TVector.Count;
        if (channel == end)
            return end;
        // Taps that are neighbours have a tile of their own.
        var areNeighbours = Taps.Horizontal.Step == 1 && DepthwiseTile.Fits(job->Depth, StrideW);
        var most = areNeighbours ? DepthwiseTile.MostPixels : TileKernel.MaxRows<TVector>(1);
        var tiles = (pixels + most - 1) / most;
        for (var tile = 0; tile < tiles; tile++)
        {
            var first = (int)((long)pixels * tile / tiles);
            var rows = (int)((long)pixels * (tile + 1) / tiles) - first;
            var tileX = (byte*)x + first * job->RowStride;
            var tileY = (byte*)y + first * job->TargetStride;
            if (ahead != null)
                FetchNextRow(job, ahead + (nint)first * StrideW * Channels + channel, rows, end - channel, tileY + (OutRow + channel) * sizeof(float));
            for (var c = channel; c < end; c += TVector.Count)
            {
                var source = bias == null ? job->Zeros : bias + c;
                if (residual != null)
                {
                    job->AddedRow = (byte*)(bias == null ? null : bias + c);
                    source = residual + first * OutPixel + c;
                }
                if (areNeighbours)
                {
                    var sourceStep = bias == null && residual == null ? 0 : TVector.Count * sizeof(float);
                    DepthwiseTile.Run<TVector>(
                        rows, StrideW, job, tileX + c * sizeof(float), (byte*)(weights + c), (byte*)source, sourceStep, tileY + c * sizeof(float),
                        (end - c) / TVector.Count);
                    break;
                }
                TileKernel.Run<TVector, N1, ByLane>(rows, job, tileX + c * sizeof(float), (byte*)(weights + c), (byte*)source, tileY + c * sizeof(float));
            }
        }
        return end;
    }

    // The pixels of the next row that the same outputs of it will see last, and the lines of these outputs.
    private readonly void FetchNextRow(TileJob* job, float* x, int pixels, int channels, byte* y)
    {
        for (var i = 0; i < StrideH; i++)
            Prefetch.Lines((byte*)(x + (nint)i * W * Channels), pixels * StrideW, Channels * sizeof(float), channels * sizeof(float));
        if (!job->Streams && job->TargetStride == OutPixel * sizeof(float))
            Prefetch.Lines(y, pixels, job->TargetStride, channels * sizeof(float));
    }
}
