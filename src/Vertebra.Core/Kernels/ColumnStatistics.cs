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
    // 64 KiB, or with very wide lines more: the second sweep over a block finds it in the second-level cache.
    private const int ElementsPerBlock = 1 << 14;
    private const int FewestLinesPerBlock = 32;
    private const int MostLinesPerBlock = 128;

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

    private readonly struct PartSums(float* means, float* squares)
    {
        public readonly float* Means = means;
        public readonly float* Squares = squares;
    }

    private readonly struct Statistics(ColumnGrid grid, float* x, float* mean, float* variance) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            using var scratch = Scratch.Take(2L * grid.Parts * grid.Width);
            var means = scratch.Pointer;
            var squares = means + ((long)grid.Parts * grid.Width);
            var sums = new PartSums(means, squares);
            Workers.Run(grid.Parts, (Pass: self, sums), static (in job, part) => job.Pass.Part<TVector>(part, job.sums.Means, job.sums.Squares));
            grid.RunChannels((Pass: self, sums), static (in job, segment, first, end) => job.Pass.Merge(segment, first, end, job.sums.Means, job.sums.Squares));
        }

        private void Part<TVector>(int part, float* means, float* squares) where TVector : unmanaged, IVector<TVector>
        {
            var offset = (long)part * grid.Width;
            PartStatistics<TVector>(x + grid.Start(part), grid.LinesOf(part), grid.Width, means + offset, squares + offset);
        }

        /// <summary>Some channels of one segment: their columns in all parts, and their rows in the short last line.</summary>
        private void Merge(int segment, int first, int end, float* means, float* squares)
        {
            var firstPart = segment * grid.PartsPerSegment;
            var tail = x + ((segment + 1) * grid.SegmentLength) - grid.Tail;
            var channels = end - first;
            double* total = stackalloc double[channels], deviations = stackalloc double[channels];
            new Span<double>(total, channels).Clear();
            new Span<double>(deviations, channels).Clear();
            for (var part = firstPart; part < firstPart + grid.PartsPerSegment; part++)
            {
                float* origin = x + grid.Start(part) + first, partMean = means + ((long)part * grid.Width) + first;
                double lines = grid.LinesOf(part);
                for (var copy = 0; copy < grid.Fold; copy++, origin += grid.Channels, partMean += grid.Channels)
                {
                    for (var c = 0; c < channels; c++)
                        total[c] += ((double)origin[c] + partMean[c]) * lines;
                }
            }
            for (var i = 0; i < grid.Tail; i += grid.Channels)
            {
                for (var c = 0; c < channels; c++)
                    total[c] += tail[i + first + c];
            }
            for (var c = 0; c < channels; c++)
                total[c] /= grid.Rows;
            for (var part = firstPart; part < firstPart + grid.PartsPerSegment; part++)
            {
                var offset = ((long)part * grid.Width) + first;
                float* origin = x + grid.Start(part) + first, partMean = means + offset, square = squares + offset;
                double lines = grid.LinesOf(part);
                for (var copy = 0; copy < grid.Fold; copy++, origin += grid.Channels, partMean += grid.Channels, square += grid.Channels)
                {
                    for (var c = 0; c < channels; c++)
                    {
                        var shift = (double)origin[c] + partMean[c] - total[c];
                        deviations[c] += square[c] + (shift * shift * lines);
                    }
                }
            }
            for (var i = 0; i < grid.Tail; i += grid.Channels)
            {
                for (var c = 0; c < channels; c++)
                    deviations[c] += (tail[i + first + c] - total[c]) * (tail[i + first + c] - total[c]);
            }
            for (var c = 0; c < channels; c++)
            {
                var target = ((long)segment * grid.Channels) + first + c;
                mean[target] = (float)total[c];
                variance[target] = (float)(deviations[c] / grid.Rows);
            }
        }
    }

    /// <summary>Mean, relative to the part's first line, and sum of squared deviations of each column of a part.</summary>
    private static void PartStatistics<TVector>(float* x, long lines, int width, float* mean, float* squares) where TVector : unmanaged, IVector<TVector>
    {
        using var scratch = Scratch.Take(2L * width);
        float* blockMean = scratch.Pointer, blockSquares = blockMean + width;
        var linesPerBlock = Math.Clamp(ElementsPerBlock / width, FewestLinesPerBlock, MostLinesPerBlock);
        for (long line = 0; line < lines; line += linesPerBlock)
        {
            var count = (int)Math.Min(linesPerBlock, lines - line);
            var block = x + (line * width);
            Accumulate<TVector, Deviation>(block, count, width, x, blockMean, blockMean);
            Scale<TVector>(blockMean, width, 1f / count);
            Accumulate<TVector, SquaredDeviation>(block, count, width, x, blockMean, blockSquares);
            Join<TVector>(blockMean, blockSquares, width, count, line, mean, squares);
        }
    }

    /// <summary>What one number adds to its column's sum.</summary>
    private interface ITerm
    {
        static abstract TVector Add<TVector>(TVector sum, TVector x, TVector origin, float* mean) where TVector : unmanaged, IVector<TVector>;
    }

    private readonly struct Deviation : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVector Add<TVector>(TVector sum, TVector x, TVector origin, float* mean) where TVector : unmanaged, IVector<TVector> => sum + (x - origin);
    }

    private readonly struct SquaredDeviation : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVector Add<TVector>(TVector sum, TVector x, TVector origin, float* mean) where TVector : unmanaged, IVector<TVector>
        {
            var deviation = x - origin - TVector.Load(mean);
            return TVector.Fma(deviation, deviation, sum);
        }
    }

    /// <summary>sums = the sum of the terms of every column. Line by line, as the numbers lie in memory: columns first would defeat the prefetcher.</summary>
    private static void Accumulate<TVector, TTerm>(float* x, int lines, int width, float* origin, float* mean, float* sums)
        where TVector : unmanaged, IVector<TVector>
        where TTerm : struct, ITerm
    {
        new Span<float>(sums, width).Clear();
        var line = 0;
        for (; line <= lines - 4; line += 4)
            FourLines<TVector, TTerm>(x + ((long)line * width), width, origin, mean, sums);
        for (; line < lines; line++)
            OneLine<TVector, TTerm>(x + ((long)line * width), width, origin, mean, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourLines<TVector, TTerm>(float* x, int width, float* origin, float* mean, float* sums)
        where TVector : unmanaged, IVector<TVector>
        where TTerm : struct, ITerm
    {
        var i = 0;
        for (; i <= width - TVector.Count; i += TVector.Count)
        {
            Ahead.FetchFourLines<TVector>(x + (4L * width), i);
            FourTerms<TVector, TTerm>(x + i, width, origin + i, mean + i, sums + i);
        }
        for (; i < width; i++)
            FourTerms<V1, TTerm>(x + i, width, origin + i, mean + i, sums + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourTerms<TVector, TTerm>(float* x, int width, float* origin, float* mean, float* sums)
        where TVector : unmanaged, IVector<TVector>
        where TTerm : struct, ITerm
    {
        var start = TVector.Load(origin);
        var sum = TTerm.Add(TVector.Load(sums), TVector.Load(x), start, mean);
        sum = TTerm.Add(sum, TVector.Load(x + width), start, mean);
        sum = TTerm.Add(sum, TVector.Load(x + (2L * width)), start, mean);
        TTerm.Add(sum, TVector.Load(x + (3L * width)), start, mean).Store(sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneLine<TVector, TTerm>(float* x, int width, float* origin, float* mean, float* sums)
        where TVector : unmanaged, IVector<TVector>
        where TTerm : struct, ITerm
    {
        var i = 0;
        for (; i <= width - TVector.Count; i += TVector.Count)
            TTerm.Add(TVector.Load(sums + i), TVector.Load(x + i), TVector.Load(origin + i), mean + i).Store(sums + i);
        for (; i < width; i++)
            TTerm.Add(V1.Load(sums + i), V1.Load(x + i), V1.Load(origin + i), mean + i).Store(sums + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale<TVector>(float* values, int width, float factor) where TVector : unmanaged, IVector<TVector>
    {
        var i = 0;
        for (; i <= width - TVector.Count; i += TVector.Count)
            (TVector.Load(values + i) * TVector.Create(factor)).Store(values + i);
        for (; i < width; i++)
            values[i] *= factor;
    }

    /// <summary>Adds a block's statistics to those of the lines before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Join<TVector>(float* blockMean, float* blockSquares, int width, int lines, long linesBefore, float* mean, float* squares)
        where TVector : unmanaged, IVector<TVector>
    {
        if (linesBefore == 0)
        {
            new Span<float>(blockMean, width).CopyTo(new Span<float>(mean, width));
            new Span<float>(blockSquares, width).CopyTo(new Span<float>(squares, width));
            return;
        }
        var share = (float)((double)lines / (linesBefore + lines));
        var i = 0;
        for (; i <= width - TVector.Count; i += TVector.Count)
            Join(TVector.Load(blockMean + i), TVector.Load(blockSquares + i), share, share * linesBefore, mean + i, squares + i);
        for (; i < width; i++)
            Join(V1.Load(blockMean + i), V1.Load(blockSquares + i), share, share * linesBefore, mean + i, squares + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Join<TVector>(TVector blockMean, TVector blockSquares, float share, float weight, float* mean, float* squares) where TVector : unmanaged, IVector<TVector>
    {
        var former = TVector.Load(mean);
        var difference = blockMean - former;
        TVector.Fma(difference, TVector.Create(share), former).Store(mean);
        TVector.Fma(difference * difference, TVector.Create(weight), blockSquares + TVector.Load(squares)).Store(squares);
    }
}
