using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>The way of narrow images.</summary>
internal unsafe partial struct DepthwiseConv
{
    // A copied band leaves room for its results and weights in the second-level cache.
    private const int BandBytes = 128 << 10;
    private const int LeastChannels = 64;
    private const int VectorChannels = 16;

    // A pixel at the edge costs as much as copying so many: measured with kernels of 3, 5 and 7 on images 7 to 112 pixels wide.
    private const int CopiesPerEdge = 3;

    // The rows of an image are cut into bands, the channels into blocks of the given number; parts are runs of units: (image, band, block).
    private readonly record struct BlockPlan(int Bands, int Blocks, int BlockChannels, int Units, int Parts);

    // Whether copying takes less time than pixels that are done one by one.
    private readonly bool IsNarrow
    {
        get
        {
            var (inner, innerEnd) = Taps.Horizontal.AllInside(OutW, StrideW, W);
            return Taps.Count > 0 && (long)StrideH * StrideW * OutW < (long)CopiesPerEdge * (OutW - (innerEnd - inner));
        }
    }

    private readonly int PaddedColumns => (OutW - 1) * StrideW + (Taps.Columns - 1) * Taps.Horizontal.Step + 1;

    private readonly int PaddedRows(int outRows) => (outRows - 1) * StrideH + (Taps.Rows - 1) * Taps.Vertical.Step + 1;

    private readonly BlockPlan PlanBlocks(int wanted)
    {
        var rowBytes = (long)PaddedColumns * sizeof(float);
        var fitting = (int)(BandBytes / (rowBytes * PaddedRows(OutH)) / VectorChannels * VectorChannels);
        var blockChannels = Math.Clamp(fitting, Math.Min(LeastChannels, Channels), Channels);
        var blocks = (Channels + blockChannels - 1) / blockChannels;
        var halo = PaddedRows(1) - StrideH;
        var bandRows = (int)Math.Clamp((BandBytes / (rowBytes * blockChannels) - halo) / StrideH, 1, OutH);
        var bands = (OutH + bandRows - 1) / bandRows;
        // Too few units for the threads: smaller blocks, as long as a pixel is whole cache lines.
        while ((long)N * bands * blocks < wanted && blockChannels >= 2 * VectorChannels)
        {
            blockChannels = (blockChannels / 2 + VectorChannels - 1) / VectorChannels * VectorChannels;
            blocks = (Channels + blockChannels - 1) / blockChannels;
        }
        var units = checked(N * bands * blocks);
        return new(bands, blocks, blockChannels, units, Math.Clamp(wanted, 1, units));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunBlocks(in BlockPlan plan, int part)
    {
        var mostRows = (OutH + plan.Bands - 1) / plan.Bands;
        using var band = Scratch.Take((long)PaddedRows(mostRows) * PaddedColumns * plan.BlockChannels);
        using var line = Scratch.Take(Epilogue.Function is null ? 0 : (long)OutW * plan.BlockChannels);
        using var table = Scratch.Take(Taps.Rows * 4L);
        var end = (int)((long)plan.Units * (part + 1) / plan.Parts);
        for (var unit = (int)((long)plan.Units * part / plan.Parts); unit < end; unit++)
        {
            var (place, block) = (unit / plan.Blocks, unit % plan.Blocks);
            var channel = block * plan.BlockChannels;
            RunBlock(
                place / plan.Bands, (int)((long)OutH * (place % plan.Bands) / plan.Bands), (int)((long)OutH * (place % plan.Bands + 1) / plan.Bands),
                channel, Math.Min(plan.BlockChannels, Channels - channel), band.Pointer, line.Pointer, (nint*)table.Pointer);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void RunBlock(int image, int firstRow, int endRow, int channel, int channels, float* band, float* line, nint* offsets)
    {
        var columns = PaddedColumns;
        ImageBand.Copy(
            X + (nint)image * H * W * Channels + channel, H, W, Channels, 1, channels, firstRow * StrideH + Taps.Vertical.First,
            PaddedRows(endRow - firstRow), Taps.Horizontal.First, columns, band);
        for (var i = 0; i < Taps.Rows; i++)
        {
            offsets[i] = (nint)i * Taps.Vertical.Step * columns * channels * sizeof(float);
            offsets[Taps.Rows + i] = (nint)Taps.Vertical.KernelPosition(i) * KernelWidth * Channels * sizeof(float);
        }
        var isFinishedApart = Epilogue is { Function: not null, Residual: null };
        var streams = Epilogue.Residual != Y && Epilogue.Streams(Y, N * OutImage, OutPixel, Taps.Count) && channels % VectorChannels == 0;
        var job = JobOf(offsets, Taps.Rows, channels);
        job.Depth = Taps.Columns;
        job.TargetStride = (isFinishedApart ? channels : OutPixel) * sizeof(float);
        job.SourceStride = Epilogue.Residual == null ? 0 : OutPixel * sizeof(float);
        job.Streams = streams && Epilogue.Function is null;
        Epilogue.SetLimits(&job, isLast: true);
        var weights = Weights + (nint)Taps.Horizontal.KernelPosition(0) * Channels + channel;
        var bias = Bias == null ? null : Bias + channel;
        for (var row = firstRow; row < endRow; row++)
        {
            var y = Y + image * OutImage + row * OutRow + channel;
            var x = band + (nint)(row - firstRow) * StrideH * columns * channels;
            RunPixels(&job, OutW, channels, x, weights, bias, Epilogue.ResidualAt(Y, y), isFinishedApart ? line : y, null);
            if (isFinishedApart)
                Epilogue.Finish(line, OutW, channels, y, OutPixel, streams);
            else
                Epilogue.Finish(y, OutW, OutPixel, channels);
        }
    }
}
