using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// A depthwise convolution between two pointwise ones, of which either may be missing, a few rows at a time, so that what lies between
/// them never leaves the second-level cache. The rows under the kernel are kept in a ring: every row is expanded once for all kernel rows
/// that see it.
/// </summary>
internal unsafe partial struct DepthwiseConv
{
    // Rows in work, those of the ring and of the depthwise convolution's results, leave room for weights in the second-level cache.
    private const int RowsInWorkBytes = 256 << 10;

    // So many pixels at a time make good use of a panel of weights.
    private const int PixelsInWork = 48;
    private const long SmallestChainPart = 1 << 20;

    // At a border between bands rows are expanded twice: no more than one in twelve.
    private const int LeastRowsPerExtraRow = 12;

    // Less is found in a cache again, and fewer parts keep few threads busy.
    private const long LeastBytesBetween = 2 << 20;
    private const int LeastChainParts = 8;

    // Tiles of fewer pixels leave registers empty.
    private const int LeastChainWidth = 14;

    /// <summary>Whether a depthwise convolution is faster together with the pointwise ones around it than after and before them.</summary>
    public static bool ChainPays(in ConvShape depthwise) =>
        depthwise.W >= LeastChainWidth && Math.Max(depthwise.InputCount, depthwise.OutputCount) * sizeof(float) >= LeastBytesBetween
        && depthwise.N * MostBands(depthwise.OH, depthwise.StrideH, (depthwise.KH - 1) * depthwise.DilationH + 1) >= LeastChainParts;

    private static int MostBands(int outH, int stride, int span) => Math.Max(1, outH * stride / (LeastRowsPerExtraRow * Math.Max(1, span - stride)));

    // Rows of results made at a time, and rows of the ring.
    private readonly record struct ChainPlan(int Bands, int Rows, int RingRows);

    /// <summary>The same as <see cref="Run"/> with what goes before and comes after.</summary>
    public readonly void RunChain()
    {
        if (N == 0 || OutH <= 0 || OutW <= 0)
            return;
        var plan = PlanChain();
        Workers.Run(N * plan.Bands, (Conv: this, plan), static (in job, part) => job.Conv.RunChainPart(job.plan, part));
    }

    private readonly ChainPlan PlanChain()
    {
        var rowBytes = (long)PaddedColumns * Channels * sizeof(float);
        var span = PaddedRows(1);
        var fitting = (int)((RowsInWorkBytes / rowBytes - span) / (StrideH + 1)) + 1;
        var rows = Math.Clamp(fitting, 1, Math.Max(1, PixelsInWork / OutW));
        var work = (long)OutH * OutW * Channels * (Taps.Count + (long)Expansion.C * StrideH * StrideW + Projection.Channels);
        var wanted = Math.Clamp(N * work / SmallestChainPart, 1, MostParts);
        var bands = (int)Math.Clamp((wanted + N - 1) / N, 1, MostBands(OutH, StrideH, span));
        return new(bands, rows, span + (rows - 1) * StrideH);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunChainPart(in ChainPlan plan, int part)
    {
        var (image, band) = (part / plan.Bands, part % plan.Bands);
        var (first, end) = ((int)((long)OutH * band / plan.Bands), (int)((long)OutH * (band + 1) / plan.Bands));
        var rowSize = (nint)PaddedColumns * Channels;
        using var ring = Scratch.Take(plan.RingRows * rowSize);
        using var results = Scratch.Take((long)plan.Rows * OutW * Channels);
        using var table = Scratch.Take(Taps.Rows * 4L);
        new Span<float>(ring.Pointer, checked((int)(plan.RingRows * rowSize))).Clear();
        var filled = Math.Max(0, first * StrideH + Taps.Vertical.First);
        for (var row = first; row < end; row += plan.Rows)
        {
            var rows = Math.Min(plan.Rows, end - row);
            var needed = Math.Min(H, (row + rows - 1) * StrideH + Taps.Vertical.First + PaddedRows(1));
            for (; filled < needed; filled++)
                FillRow(image, filled, ring.Pointer + filled % plan.RingRows * rowSize);
            var y = Projection.Exists ? results.Pointer : Y + image * OutImage + row * OutRow;
            for (var i = 0; i < rows; i++)
                RunRingRow(row + i, plan.RingRows, ring.Pointer, y + (nint)i * OutW * Channels, (nint*)table.Pointer);
            if (Projection.Exists)
                Projection.Run(results.Pointer, rows * OutW, Projection.Origin + ((nint)image * OutH + row) * OutW * Projection.Channels);
        }
    }

    // Row y of the image, between the zeros at its sides.
    private readonly void FillRow(int image, int y, float* line)
    {
        var left = Math.Max(0, -Taps.Horizontal.First);
        var skipped = Math.Max(0, Taps.Horizontal.First);
        var pixels = Math.Max(0, Math.Min(W - skipped, PaddedColumns - left));
        var source = Expansion.Exists ? Expansion.C : Channels;
        var from = X + (((nint)image * H + y) * W + skipped) * source;
        if (Expansion.Exists)
            Expansion.Run(from, pixels, line + (nint)left * Channels);
        else
            new ReadOnlySpan<float>(from, pixels * Channels).CopyTo(new Span<float>(line + (nint)left * Channels, pixels * Channels));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunRingRow(int row, int ringRows, float* ring, float* y, nint* offsets)
    {
        var (firstTap, endTap) = Taps.Vertical.TapsInside(row, StrideH, H);
        for (var i = firstTap; i < endTap; i++)
        {
            var line = row * StrideH + Taps.Vertical.First + i * Taps.Vertical.Step;
            offsets[i - firstTap] = (nint)(line % ringRows) * PaddedColumns * Channels * sizeof(float);
            offsets[Taps.Rows + i - firstTap] = (nint)Taps.Vertical.KernelPosition(i) * KernelWidth * Channels * sizeof(float);
        }
        var job = JobOf(offsets, endTap - firstTap, Channels);
        job.Depth = Taps.Columns;
        job.TargetStride = (nint)Channels * sizeof(float);
        Epilogue.SetLimits(&job, isLast: true);
        RunPixels(&job, OutW, Channels, ring, Weights + (nint)Taps.Horizontal.KernelPosition(0) * Channels, Bias, null, y, null);
        Epilogue.Finish(y, 1, Channels, (long)OutW * Channels);
    }
}
