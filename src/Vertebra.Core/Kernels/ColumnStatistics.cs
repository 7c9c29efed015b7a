using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// Mean and variance of every channel of channels-last data. Numerically safe at any offset: lines are taken in blocks
/// that stay in the cache, each block's mean is found first and its squared deviations from that mean second, and blocks
/// are joined by the formula of Chan, Golub and LeVeque (1979), parts in float64, always in the same order. Means are kept
/// relative to the first line of the part: that loses no digits, and gains some where the data is far from zero.
/// </summary>
internal static unsafe class ColumnStatistics
{
    // 64 columns × 32 lines are 8 KiB: the second sweep over a block finds it in the first-level cache.
    private const int LinesPerBlock = 32;

    /// <summary>Means and biased variances, [segments, channels] each; NaN where there are no rows.</summary>
    public static void Run(in ColumnGrid grid, float* x, float* mean, float* variance)
    {
        if (!grid.IsEmpty)
        {
            Level.Run(new Statistics(grid, x, mean, variance));
            return;
        }
        new Span<float>(mean, grid.Segments * grid.Channels).Fill(float.NaN);
        new Span<float>(variance, grid.Segments * grid.Channels).Fill(float.NaN);
    }

    private readonly struct Statistics(ColumnGrid grid, float* x, float* mean, float* variance) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            using var scratch = Scratch.Take(2L * grid.Parts * grid.Width);
            var means = scratch.Pointer;
            var squares = means + ((long)grid.Parts * grid.Width);
            Workers.Run(grid.Parts, part => self.Part<TVector>(part, means, squares));
            grid.RunChannels((segment, channel) => self.Merge(segment, channel, means, squares));
        }

        private void Part<TVector>(int part, float* means, float* squares) where TVector : unmanaged, IVector<TVector>
        {
            var offset = (long)part * grid.Width;
            PartStatistics<TVector>(x + grid.Start(part), grid.LinesOf(part), grid.Width, means + offset, squares + offset);
        }

        /// <summary>One channel of one segment: its columns in all parts, and its rows in the short last line.</summary>
        private void Merge(int segment, int channel, float* means, float* squares)
        {
            var firstPart = segment * grid.PartsPerSegment;
            var tail = x + ((segment + 1) * grid.SegmentLength) - grid.Tail;
            double sum = 0;
            for (var part = firstPart; part < firstPart + grid.PartsPerSegment; part++)
            {
                double columns = 0;
                for (var column = channel; column < grid.Width; column += grid.Channels)
                    columns += MeanOf(means, part, column);
                sum += columns * grid.LinesOf(part);
            }
            for (var i = channel; i < grid.Tail; i += grid.Channels)
                sum += tail[i];
            var total = sum / grid.Rows;
            double deviations = 0;
            for (var part = firstPart; part < firstPart + grid.PartsPerSegment; part++)
            {
                double shifts = 0;
                for (var column = channel; column < grid.Width; column += grid.Channels)
                {
                    var shift = MeanOf(means, part, column) - total;
                    shifts += shift * shift;
                    deviations += squares[((long)part * grid.Width) + column];
                }
                deviations += shifts * grid.LinesOf(part);
            }
            for (var i = channel; i < grid.Tail; i += grid.Channels)
                deviations += (tail[i] - total) * (tail[i] - total);
            var target = ((long)segment * grid.Channels) + channel;
            mean[target] = (float)total;
            variance[target] = (float)(deviations / grid.Rows);
        }

        private double MeanOf(float* means, int part, int column) => (double)x[grid.Start(part) + column] + means[((long)part * grid.Width) + column];
    }

    /// <summary>Mean and sum of squared deviations of each column of a part.</summary>
    private static void PartStatistics<TVector>(float* x, long lines, int width, float* mean, float* squares) where TVector : unmanaged, IVector<TVector>
    {
        for (long line = 0; line < lines; line += LinesPerBlock)
        {
            var count = (int)Math.Min(LinesPerBlock, lines - line);
            var column = 0;
            for (; column <= width - (4 * TVector.Count); column += 4 * TVector.Count)
                Block4<TVector>(x + (line * width) + column, x + column, count, width, line, mean + column, squares + column);
            for (; column <= width - TVector.Count; column += TVector.Count)
                Block1<TVector>(x + (line * width) + column, x + column, count, width, line, mean + column, squares + column);
            for (; column < width; column++)
                Block1<V1>(x + (line * width) + column, x + column, count, width, line, mean + column, squares + column);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block4<TVector>(float* x, float* origin, int lines, int width, long linesBefore, float* mean, float* squares) where TVector : unmanaged, IVector<TVector>
    {
        var n = TVector.Count;
        var (s0, s1, s2, s3) = (TVector.Zero, TVector.Zero, TVector.Zero, TVector.Zero);
        TVector o0 = TVector.Load(origin), o1 = TVector.Load(origin + n), o2 = TVector.Load(origin + (2 * n)), o3 = TVector.Load(origin + (3 * n));
        var p = x;
        for (var line = 0; line < lines; line++, p += width)
        {
            s0 += TVector.Load(p) - o0;
            s1 += TVector.Load(p + n) - o1;
            s2 += TVector.Load(p + (2 * n)) - o2;
            s3 += TVector.Load(p + (3 * n)) - o3;
        }
        var share = TVector.Create(1f / lines);
        var (m0, m1, m2, m3) = (s0 * share, s1 * share, s2 * share, s3 * share);
        var (q0, q1, q2, q3) = (TVector.Zero, TVector.Zero, TVector.Zero, TVector.Zero);
        p = x;
        for (var line = 0; line < lines; line++, p += width)
        {
            var d0 = TVector.Load(p) - o0 - m0;
            var d1 = TVector.Load(p + n) - o1 - m1;
            var d2 = TVector.Load(p + (2 * n)) - o2 - m2;
            var d3 = TVector.Load(p + (3 * n)) - o3 - m3;
            q0 = TVector.Fma(d0, d0, q0);
            q1 = TVector.Fma(d1, d1, q1);
            q2 = TVector.Fma(d2, d2, q2);
            q3 = TVector.Fma(d3, d3, q3);
        }
        Join(m0, q0, lines, linesBefore, mean, squares);
        Join(m1, q1, lines, linesBefore, mean + n, squares + n);
        Join(m2, q2, lines, linesBefore, mean + (2 * n), squares + (2 * n));
        Join(m3, q3, lines, linesBefore, mean + (3 * n), squares + (3 * n));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block1<TVector>(float* x, float* origin, int lines, int width, long linesBefore, float* mean, float* squares) where TVector : unmanaged, IVector<TVector>
    {
        var start = TVector.Load(origin);
        var sum = TVector.Zero;
        for (var line = 0; line < lines; line++)
            sum += TVector.Load(x + ((long)line * width)) - start;
        var blockMean = sum * TVector.Create(1f / lines);
        var blockSquares = TVector.Zero;
        for (var line = 0; line < lines; line++)
        {
            var deviation = TVector.Load(x + ((long)line * width)) - start - blockMean;
            blockSquares = TVector.Fma(deviation, deviation, blockSquares);
        }
        Join(blockMean, blockSquares, lines, linesBefore, mean, squares);
    }

    /// <summary>Adds a block's statistics to those of the lines before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Join<TVector>(TVector blockMean, TVector blockSquares, int lines, long linesBefore, float* mean, float* squares) where TVector : unmanaged, IVector<TVector>
    {
        if (linesBefore > 0)
        {
            var share = (float)((double)lines / (linesBefore + lines));
            var formerMean = TVector.Load(mean);
            var difference = blockMean - formerMean;
            blockMean = TVector.Fma(difference, TVector.Create(share), formerMean);
            blockSquares = TVector.Fma(difference * difference, TVector.Create(share * linesBefore), blockSquares + TVector.Load(squares));
        }
        blockMean.Store(mean);
        blockSquares.Store(squares);
    }
}
