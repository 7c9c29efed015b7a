using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

internal static unsafe partial class ChannelAffine
{
    /// <summary>
    /// With g = the gradient <paramref name="dy"/> taken back through the activation: per segment and channel the sums of g and
    /// of g · (x - mean).
    /// </summary>
    public static void GradientSums(
        in ColumnGrid grid, Activation activation, float* x, float* dy, float* mean, float* scale, float* shift, float* sums, float* products)
    {
        new Span<float>(sums, grid.Segments * grid.Channels).Clear();
        new Span<float>(products, grid.Segments * grid.Channels).Clear();
        if (grid.IsEmpty)
            return;
        using var space = Scratch.Take(3 * grid.WidenedLength);
        var columns = new Columns(grid, space.Pointer, mean, scale, shift);
        switch (activation)
        {
            case Activation.None: Level.Run(new SumsPass<NoActivation>(grid, columns, x, dy, sums, products)); break;
            case Activation.Relu: Level.Run(new SumsPass<FusedRelu>(grid, columns, x, dy, sums, products)); break;
            case Activation.Relu6: Level.Run(new SumsPass<FusedRelu6>(grid, columns, x, dy, sums, products)); break;
            default: throw Unknown(activation);
        }
    }

    /// <summary>dx = g · scale + (x - mean) · slope + offset, with g = <paramref name="dy"/> taken back through the activation.</summary>
    public static void InputGradient(
        in ColumnGrid grid, Activation activation, float* x, float* dy, float* mean, float* scale, float* shift, float* slope, float* offset, float* dx)
    {
        if (grid.IsEmpty)
            return;
        using var space = Scratch.Take(5 * grid.WidenedLength);
        var columns = new Columns(grid, space.Pointer, mean, scale, shift);
        slope = grid.Widen(slope, space.Pointer + (3 * grid.WidenedLength));
        offset = grid.Widen(offset, space.Pointer + (4 * grid.WidenedLength));
        switch (activation)
        {
            case Activation.None: Level.Run(new InputPass<NoActivation>(grid, columns, x, dy, slope, offset, dx)); break;
            case Activation.Relu: Level.Run(new InputPass<FusedRelu>(grid, columns, x, dy, slope, offset, dx)); break;
            case Activation.Relu6: Level.Run(new InputPass<FusedRelu6>(grid, columns, x, dy, slope, offset, dx)); break;
            default: throw Unknown(activation);
        }
    }

    /// <summary>g = <paramref name="dy"/> taken back through the activation, given the activation's results <paramref name="y"/>.</summary>
    public static void Gate(Activation activation, long count, float* y, float* dy, float* g)
    {
        switch (activation)
        {
            case Activation.None: Level.Run(new GatePass<NoActivation>(count, y, dy, g)); break;
            case Activation.Relu: Level.Run(new GatePass<FusedRelu>(count, y, dy, g)); break;
            case Activation.Relu6: Level.Run(new GatePass<FusedRelu6>(count, y, dy, g)); break;
            default: throw Unknown(activation);
        }
    }

    private readonly struct SumsPass<TActivation>(ColumnGrid grid, Columns columns, float* x, float* dy, float* sums, float* products) : IKernel
        where TActivation : struct, IFusedActivation
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            using var scratch = Scratch.Take(2L * grid.Parts * grid.Width);
            var partSums = scratch.Pointer;
            var partProducts = partSums + ((long)grid.Parts * grid.Width);
            Workers.Run(grid.Parts, part => self.Part<TVector>(part, partSums, partProducts));
            grid.RunChannels((Pass: self, Sums: (nint)partSums, Products: (nint)partProducts), static (in job, segment, first, end) =>
            {
                job.Pass.Merge(segment, first, end, (float*)job.Sums, job.Pass.Sums);
                job.Pass.Merge(segment, first, end, (float*)job.Products, job.Pass.Products);
            });
        }

        private void Part<TVector>(int part, float* partSums, float* partProducts) where TVector : unmanaged, IVector<TVector>
        {
            partSums += (long)part * grid.Width;
            partProducts += (long)part * grid.Width;
            new Span<float>(partSums, grid.Width).Clear();
            new Span<float>(partProducts, grid.Width).Clear();
            var first = (long)grid.SegmentOf(part) * grid.Width;
            float* mean = columns.Mean + first, scale = columns.Scale + first, shift = columns.Shift + first;
            long start = grid.Start(part), lines = grid.LinesOf(part);
            for (; lines >= 4; lines -= 4, start += 4L * grid.Width)
                FourLines<TVector>(x + start, dy + start, grid.Width, mean, scale, shift, partSums, partProducts);
            for (; lines > 0; lines--, start += grid.Width)
                OneLine<TVector>(x + start, dy + start, grid.Width, mean, scale, shift, partSums, partProducts);
            OneLine<TVector>(x + start, dy + start, grid.TailOf(part), mean, scale, shift, partSums, partProducts);
        }

        // Line by line, as the numbers lie in memory: columns first would defeat the prefetcher.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void FourLines<TVector>(float* x, float* dy, int width, float* mean, float* scale, float* shift, float* sums, float* products)
            where TVector : unmanaged, IVector<TVector>
        {
            var i = 0;
            for (; i <= width - TVector.Count; i += TVector.Count)
            {
                Ahead.FetchFourLines<TVector>(x + (4L * width), i);
                Ahead.FetchFourLines<TVector>(dy + (4L * width), i);
                FourTerms<TVector>(x + i, dy + i, width, mean + i, scale + i, shift + i, sums + i, products + i);
            }
            for (; i < width; i++)
                FourTerms<V1>(x + i, dy + i, width, mean + i, scale + i, shift + i, sums + i, products + i);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void OneLine<TVector>(float* x, float* dy, int length, float* mean, float* scale, float* shift, float* sums, float* products)
            where TVector : unmanaged, IVector<TVector>
        {
            var i = 0;
            for (; i <= length - TVector.Count; i += TVector.Count)
                OneTerm<TVector>(x + i, dy + i, mean + i, scale + i, shift + i, sums + i, products + i);
            for (; i < length; i++)
                OneTerm<V1>(x + i, dy + i, mean + i, scale + i, shift + i, sums + i, products + i);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void FourTerms<TVector>(float* x, float* dy, int width, float* mean, float* scale, float* shift, float* sums, float* products)
            where TVector : unmanaged, IVector<TVector>
        {
            TVector m = TVector.Load(mean), a = TVector.Load(scale), b = TVector.Load(shift);
            TVector sum = TVector.Load(sums), product = TVector.Load(products);
            for (var line = 0; line < 4; line++, x += width, dy += width)
            {
                var centred = TVector.Load(x) - m;
                var g = TActivation.Gate(TVector.Fma(centred, a, b), TVector.Load(dy));
                sum += g;
                product = TVector.Fma(g, centred, product);
            }
            sum.Store(sums);
            product.Store(products);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void OneTerm<TVector>(float* x, float* dy, float* mean, float* scale, float* shift, float* sums, float* products)
            where TVector : unmanaged, IVector<TVector>
        {
            var centred = TVector.Load(x) - TVector.Load(mean);
            var g = TActivation.Gate(TVector.Fma(centred, TVector.Load(scale), TVector.Load(shift)), TVector.Load(dy));
            (TVector.Load(sums) + g).Store(sums);
            TVector.Fma(g, centred, TVector.Load(products)).Store(products);
        }

        private float* Sums => sums;

        private float* Products => products;

        /// <summary>Some channels of one segment: their columns in all parts.</summary>
        private void Merge(int segment, int first, int end, float* partial, float* target)
        {
            var channels = end - first;
            var total = stackalloc double[channels];
            new Span<double>(total, channels).Clear();
            var copies = grid.PartsPerSegment * grid.Fold;
            partial += ((long)segment * copies * grid.Channels) + first;
            for (var copy = 0; copy < copies; copy++, partial += grid.Channels)
            {
                for (var c = 0; c < channels; c++)
                    total[c] += partial[c];
            }
            for (var c = 0; c < channels; c++)
                target[((long)segment * grid.Channels) + first + c] = (float)total[c];
        }
    }

    private readonly struct InputPass<TActivation>(ColumnGrid grid, Columns columns, float* x, float* dy, float* slope, float* offset, float* dx) : IKernel
        where TActivation : struct, IFusedActivation
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            Workers.Run(grid.Parts, part => self.Part<TVector>(part));
        }

        private void Part<TVector>(int part) where TVector : unmanaged, IVector<TVector>
        {
            var start = grid.Start(part);
            var first = (long)grid.SegmentOf(part) * grid.Width;
            var lines = grid.LinesOf(part);
            for (long line = 0; line <= lines; line++, start += grid.Width)
            {
                var length = line < lines ? grid.Width : grid.TailOf(part);
                Line<TVector>(length, x + start, dy + start, dx + start,
                    columns.Mean + first, columns.Scale + first, columns.Shift + first, slope + first, offset + first);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Line<TVector>(int length, float* x, float* dy, float* dx, float* mean, float* scale, float* shift, float* slope, float* offset)
            where TVector : unmanaged, IVector<TVector>
        {
            var i = 0;
            for (; i <= length - TVector.Count; i += TVector.Count)
                Strip<TVector>(i, x, dy, dx, mean, scale, shift, slope, offset);
            for (; i < length; i++)
                Strip<V1>(i, x, dy, dx, mean, scale, shift, slope, offset);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Strip<TVector>(int i, float* x, float* dy, float* dx, float* mean, float* scale, float* shift, float* slope, float* offset)
            where TVector : unmanaged, IVector<TVector>
        {
            var centred = TVector.Load(x + i) - TVector.Load(mean + i);
            var factor = TVector.Load(scale + i);
            var g = TActivation.Gate(TVector.Fma(centred, factor, TVector.Load(shift + i)), TVector.Load(dy + i));
            TVector.Fma(g, factor, TVector.Fma(centred, TVector.Load(slope + i), TVector.Load(offset + i))).Store(dx + i);
        }
    }

    private readonly struct GatePass<TActivation>(long count, float* y, float* dy, float* g) : IKernel where TActivation : struct, IFusedActivation
    {
        private const long ElementsPerPart = 1 << 15;

        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            Workers.Run((int)((count + ElementsPerPart - 1) / ElementsPerPart), part => self.Part<TVector>(part * ElementsPerPart));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Part<TVector>(long start) where TVector : unmanaged, IVector<TVector>
        {
            float* result = y + start, gradient = dy + start, target = g + start;
            var length = (int)Math.Min(ElementsPerPart, count - start);
            var i = 0;
            for (; i <= length - TVector.Count; i += TVector.Count)
                TActivation.Gate(TVector.Load(result + i), TVector.Load(gradient + i)).Store(target + i);
            for (; i < length; i++)
                TActivation.Gate(V1.Load(result + i), V1.Load(gradient + i)).Store(target + i);
        }
    }
}
