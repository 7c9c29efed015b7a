using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// Normalisation of each row of a matrix [rows, width], and its gradients. Mean and variance are found by two sweeps over a
/// row, blocks of it joined in float64.
/// </summary>
internal static unsafe class LayerNormalization
{
    private const long ElementsPerPart = 1 << 15;

    // Parts of the backward pass each keep two rows of sums; with many rows a part those are cheap.
    private const int MostParts = 64;
    private const int FewestRowsPerPart = 8;

    // A float32 lane adds up at most this many numbers divided by the lanes.
    private const int Block = 1 << 13;

    /// <summary>y = (x - mean) · inverse · weight + bias, with each row's mean and inverse = 1 / √(variance + epsilon) written too.</summary>
    public static void Forward(long rows, int width, float epsilon, float* x, float* weight, float* bias, float* y, float* means, float* inverses)
    {
        if (width == 0)
        {
            new Span<float>(means, (int)rows).Fill(float.NaN);
            new Span<float>(inverses, (int)rows).Fill(float.NaN);
        }
        else if (rows > 0)
            Level.Run(new ForwardPass(rows, width, epsilon, x, weight, bias, y, means, inverses));
    }

    /// <summary>Gradients of x, weight and bias.</summary>
    public static void Backward(long rows, int width, float* dy, float* x, float* weight, float* means, float* inverses, float* dx, float* dweight, float* dbias)
    {
        new Span<float>(dweight, width).Clear();
        new Span<float>(dbias, width).Clear();
        if (rows > 0 && width > 0)
            Level.Run(new BackwardPass(rows, width, dy, x, weight, means, inverses, dx, dweight, dbias));
    }

    private readonly struct ForwardPass(long rows, int width, float epsilon, float* x, float* weight, float* bias, float* y, float* means, float* inverses) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            var perPart = Math.Max(1, ElementsPerPart / width);
            Workers.Run((int)((rows + perPart - 1) / perPart), (Pass: self, perPart), static (in job, part) => job.Pass.Part<TVector>(part * job.perPart, job.perPart));
        }

        private void Part<TVector>(long first, long count) where TVector : unmanaged, IVector<TVector>
        {
            for (var row = first; row < Math.Min(rows, first + count); row++)
            {
                var source = x + (row * width);
                double sum = 0, squares = 0;
                for (var start = 0; start < width; start += Block)
                    sum += Sum<TVector>(source + start, Math.Min(Block, width - start));
                var mean = (float)(sum / width);
                for (var start = 0; start < width; start += Block)
                    squares += SquaredDeviations<TVector>(source + start, Math.Min(Block, width - start), mean);
                var inverse = (float)(1 / Math.Sqrt((squares / width) + epsilon));
                (means[row], inverses[row]) = (mean, inverse);
                Scale<TVector>(source, y + (row * width), width, mean, inverse, weight, bias);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Sum<TVector>(float* x, int count) where TVector : unmanaged, IVector<TVector>
        {
            var n = TVector.Count;
            TVector s0 = TVector.Zero, s1 = TVector.Zero, s2 = TVector.Zero, s3 = TVector.Zero;
            var i = 0;
            for (; i <= count - (4 * n); i += 4 * n)
            {
                s0 += TVector.Load(x + i);
                s1 += TVector.Load(x + i + n);
                s2 += TVector.Load(x + i + (2 * n));
                s3 += TVector.Load(x + i + (3 * n));
            }
            for (; i <= count - n; i += n)
                s0 += TVector.Load(x + i);
            var sum = TVector.Sum((s0 + s1) + (s2 + s3));
            for (; i < count; i++)
                sum += x[i];
            return sum;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float SquaredDeviations<TVector>(float* x, int count, float mean) where TVector : unmanaged, IVector<TVector>
        {
            var n = TVector.Count;
            var m = TVector.Create(mean);
            TVector s0 = TVector.Zero, s1 = TVector.Zero, s2 = TVector.Zero, s3 = TVector.Zero;
            var i = 0;
            for (; i <= count - (4 * n); i += 4 * n)
            {
                TVector d0 = TVector.Load(x + i) - m, d1 = TVector.Load(x + i + n) - m;
                TVector d2 = TVector.Load(x + i + (2 * n)) - m, d3 = TVector.Load(x + i + (3 * n)) - m;
                s0 = TVector.Fma(d0, d0, s0);
                s1 = TVector.Fma(d1, d1, s1);
                s2 = TVector.Fma(d2, d2, s2);
                s3 = TVector.Fma(d3, d3, s3);
            }
            for (; i <= count - n; i += n)
            {
                var d = TVector.Load(x + i) - m;
                s0 = TVector.Fma(d, d, s0);
            }
            var sum = TVector.Sum((s0 + s1) + (s2 + s3));
            for (; i < count; i++)
                sum += (x[i] - mean) * (x[i] - mean);
            return sum;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Scale<TVector>(float* x, float* y, int count, float mean, float inverse, float* weight, float* bias) where TVector : unmanaged, IVector<TVector>
        {
            TVector m = TVector.Create(mean), factor = TVector.Create(inverse);
            var i = 0;
            for (; i <= count - TVector.Count; i += TVector.Count)
                TVector.Fma((TVector.Load(x + i) - m) * factor, TVector.Load(weight + i), TVector.Load(bias + i)).Store(y + i);
            for (; i < count; i++)
                y[i] = ((x[i] - mean) * inverse * weight[i]) + bias[i];
        }
    }

    private readonly struct BackwardPass(
        long rows, int width, float* dy, float* x, float* weight, float* means, float* inverses, float* dx, float* dweight, float* dbias) : IKernel
    {
        private const int ColumnsPerGroup = 64;

        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            var wanted = Math.Clamp(rows * width / ElementsPerPart, 1, MostParts);
            var perPart = Math.Max(FewestRowsPerPart, (rows + wanted - 1) / wanted);
            var parts = (int)((rows + perPart - 1) / perPart);
            using var scratch = Scratch.Take(2L * parts * width);
            var partWeights = scratch.Pointer;
            var partBiases = partWeights + ((long)parts * width);
            Workers.Run(parts, part => self.Part<TVector>(part * perPart, perPart, partWeights + (part * (long)self.Width), partBiases + (part * (long)self.Width)));
            Workers.Run((width + ColumnsPerGroup - 1) / ColumnsPerGroup, group => self.Merge(group * ColumnsPerGroup, parts, partWeights, partBiases));
        }

        private int Width => width;

        private void Part<TVector>(long first, long count, float* partWeight, float* partBias) where TVector : unmanaged, IVector<TVector>
        {
            new Span<float>(partWeight, width).Clear();
            new Span<float>(partBias, width).Clear();
            for (var row = first; row < Math.Min(rows, first + count); row++)
            {
                float* source = x + (row * width), gradient = dy + (row * width);
                double sum = 0, product = 0;
                for (var start = 0; start < width; start += Block)
                {
                    Sums<TVector>(source + start, gradient + start, weight + start, Math.Min(Block, width - start), means[row], out var blockSum, out var blockProduct);
                    sum += blockSum;
                    product += blockProduct;
                }
                double inverse = inverses[row];
                var offset = (float)(-inverse * sum / width);
                var slope = (float)(-inverse * inverse * inverse * product / width);
                Apply<TVector>(source, gradient, dx + (row * width), width, means[row], inverses[row], slope, offset, weight, partWeight, partBias);
            }
        }

        /// <summary>With g = dy · weight: the sums of g and of g · (x - mean).</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Sums<TVector>(float* x, float* dy, float* weight, int count, float mean, out float sum, out float product) where TVector : unmanaged, IVector<TVector>
        {
            var n = TVector.Count;
            var m = TVector.Create(mean);
            TVector sum0 = TVector.Zero, sum1 = TVector.Zero, product0 = TVector.Zero, product1 = TVector.Zero;
            var i = 0;
            for (; i <= count - (2 * n); i += 2 * n)
            {
                var g0 = TVector.Load(dy + i) * TVector.Load(weight + i);
                var g1 = TVector.Load(dy + i + n) * TVector.Load(weight + i + n);
                sum0 += g0;
                sum1 += g1;
                product0 = TVector.Fma(g0, TVector.Load(x + i) - m, product0);
                product1 = TVector.Fma(g1, TVector.Load(x + i + n) - m, product1);
            }
            for (; i <= count - n; i += n)
            {
                var g = TVector.Load(dy + i) * TVector.Load(weight + i);
                sum0 += g;
                product0 = TVector.Fma(g, TVector.Load(x + i) - m, product0);
            }
            sum = TVector.Sum(sum0 + sum1);
            product = TVector.Sum(product0 + product1);
            for (; i < count; i++)
            {
                sum += dy[i] * weight[i];
                product += dy[i] * weight[i] * (x[i] - mean);
            }
        }

        /// <summary>dx = g · inverse + (x - mean) · slope + offset, and this row's share of the parameters' gradients.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Apply<TVector>(
            float* x, float* dy, float* dx, int count, float mean, float inverse, float slope, float offset, float* weight, float* dweight, float* dbias)
            where TVector : unmanaged, IVector<TVector>
        {
            TVector m = TVector.Create(mean), factor = TVector.Create(inverse), a = TVector.Create(slope), b = TVector.Create(offset);
            var i = 0;
            for (; i <= count - TVector.Count; i += TVector.Count)
                Step(i, x, dy, dx, m, factor, a, b, weight, dweight, dbias);
            for (; i < count; i++)
                Step(i, x, dy, dx, V1.Create(mean), V1.Create(inverse), V1.Create(slope), V1.Create(offset), weight, dweight, dbias);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Step<TVector>(
            int i, float* x, float* dy, float* dx, TVector mean, TVector inverse, TVector slope, TVector offset, float* weight, float* dweight, float* dbias)
            where TVector : unmanaged, IVector<TVector>
        {
            var centred = TVector.Load(x + i) - mean;
            var gradient = TVector.Load(dy + i);
            TVector.Fma(gradient * inverse, TVector.Load(weight + i), TVector.Fma(centred, slope, offset)).Store(dx + i);
            TVector.Fma(gradient, centred * inverse, TVector.Load(dweight + i)).Store(dweight + i);
            (TVector.Load(dbias + i) + gradient).Store(dbias + i);
        }

        private void Merge(int first, int parts, float* partWeights, float* partBiases)
        {
            for (var column = first; column < Math.Min(width, first + ColumnsPerGroup); column++)
            {
                double weightSum = 0, biasSum = 0;
                for (var part = 0; part < parts; part++)
                {
                    weightSum += partWeights[((long)part * width) + column];
                    biasSum += partBiases[((long)part * width) + column];
                }
                dweight[column] = (float)weightSum;
                dbias[column] = (float)biasSum;
            }
        }
    }
}
