using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// Applies one band matrix to the rows and one to the columns of NHWC images. Each output row is first made from input rows,
/// into a line that stays in the cache, and then resampled along the line.
/// </summary>
internal static unsafe class Resample
{
    private const long ProductsPerPart = 1 << 16;

    public static void Run(int images, int channels, AxisWeights rows, AxisWeights columns, float* x, float* y) =>
        Level.Run(new Pass(images, channels, rows, columns, x, y));

    private readonly struct Pass(int images, int channels, AxisWeights rows, AxisWeights columns, float* x, float* y) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            var lines = (long)images * rows.Count;
            var products = ((long)rows.Weights.Length * columns.Size / Math.Max(1, rows.Count)) + columns.Weights.Length;
            var perPart = Math.Max(1, ProductsPerPart / Math.Max(1, products * channels));
            Workers.Run((int)((lines + perPart - 1) / perPart), (Pass: self, lines, perPart), static (in job, part) =>
                job.Pass.Part<TVector>(part * job.perPart, Math.Min(job.lines, (part + 1) * job.perPart)));
        }

        private void Part<TVector>(long firstLine, long endLine) where TVector : unmanaged, IVector<TVector>
        {
            var inputLine = (long)columns.Size * channels;
            var outputLine = (long)columns.Count * channels;
            using var between = Scratch.Take(inputLine);
            fixed (float* rowWeights = rows.Weights, columnWeights = columns.Weights)
            fixed (int* begins = columns.Begin, offsets = columns.Offset)
            {
                for (var line = firstLine; line < endLine; line++)
                {
                    var row = (int)(line % rows.Count);
                    var source = x + (((line / rows.Count * rows.Size) + rows.Begin[row]) * inputLine);
                    var weights = rowWeights + rows.Offset[row];
                    var count = rows.LengthOf(row);
                    var target = y + (line * outputLine);
                    if (columns.IsIdentity)
                    {
                        Combine<TVector>(source, inputLine, weights, count, target);
                        continue;
                    }
                    // A single row of weight 1, as nearest has them, is read where it lies.
                    if (count != 1 || weights[0] != 1)
                    {
                        Combine<TVector>(source, inputLine, weights, count, between.Pointer);
                        source = between.Pointer;
                    }
                    Along<TVector>(source, channels, columns.Count, begins, offsets, columnWeights, target);
                }
            }
        }

        /// <summary>target = the weighted sum of lines.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Combine<TVector>(float* lines, long length, float* weights, int count, float* target) where TVector : unmanaged, IVector<TVector>
        {
            long i = 0;
            for (; i <= length - TVector.Count; i += TVector.Count)
                Sum<TVector>(lines + i, length, weights, count).Store(target + i);
            for (; i < length; i++)
                Sum<V1>(lines + i, length, weights, count).Store(target + i);
        }

        /// <summary>Every output pixel of a line is the weighted sum of its pixels.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Along<TVector>(float* line, int channels, int count, int* begins, int* offsets, float* weights, float* target)
            where TVector : unmanaged, IVector<TVector>
        {
            for (var o = 0; o < count; o++, target += channels)
            {
                var source = line + ((long)begins[o] * channels);
                var w = weights + offsets[o];
                var taps = offsets[o + 1] - offsets[o];
                var i = 0;
                for (; i <= channels - TVector.Count; i += TVector.Count)
                    Sum<TVector>(source + i, channels, w, taps).Store(target + i);
                for (; i < channels; i++)
                    Sum<V1>(source + i, channels, w, taps).Store(target + i);
            }
        }

        // The first product is not added to zero, so that a weight of 1 copies every bit.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TVector Sum<TVector>(float* x, long stride, float* weights, int count) where TVector : unmanaged, IVector<TVector>
        {
            if (count == 0)
                return TVector.Zero;
            var sum = TVector.Load(x) * TVector.Create(weights[0]);
            for (var j = 1; j < count; j++)
                sum = TVector.Fma(TVector.Load(x + (j * stride)), TVector.Create(weights[j]), sum);
            return sum;
        }
    }
}
