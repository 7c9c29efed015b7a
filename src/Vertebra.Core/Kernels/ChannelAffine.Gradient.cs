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
        // As in ColumnStatistics: the lines of a block stay in the cache while its columns are gone through.
        private const int LinesPerBlock = 32;

        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            using var scratch = Scratch.Take(2L * grid.Parts * grid.Width);
            var partSums = scratch.Pointer;
            var partProducts = partSums + ((long)grid.Parts * grid.Width);
            Workers.Run(grid.Parts, part => self.Part<TVector>(part, partSums, partProducts));
            grid.RunChannels((segment, channel) => self.Merge(segment, channel, partSums, partProducts));
        }

        private void Part<TVector>(int part, float* partSums, float* partProducts) where TVector : unmanaged, IVector<TVector>
        {
            partSums += (long)part * grid.Width;
            partProducts += (long)part * grid.Width;
            new Span<float>(partSums, grid.Width).Clear();
            new Span<float>(partProducts, grid.Width).Clear();
            var start = grid.Start(part);
            var lines = grid.LinesOf(part);
            for (long line = 0; line < lines; line += LinesPerBlock, start += (long)LinesPerBlock * grid.Width)
                Block<TVector>(part, start, (int)Math.Min(LinesPerBlock, lines - line), grid.Width, partSums, partProducts);
            Block<TVector>(part, grid.Start(part) + (lines * grid.Width), 1, grid.TailOf(part), partSums, partProducts);
        }

        private void Block<TVector>(int part, long start, int lines, int length, float* partSums, float* partProducts) where TVector : unmanaged, IVector<TVector>
        {
            var first = (long)grid.SegmentOf(part) * grid.Width;
            float* mean = columns.Mean + first, scale = columns.Scale + first, shift = columns.Shift + first;
            var i = 0;
            for (; i <= length - (2 * TVector.Count); i += 2 * TVector.Count)
                Strip2<TVector>(x + start + i, dy + start + i, lines, grid.Width, mean + i, scale + i, shift + i, partSums + i, partProducts + i);
            for (; i <= length - TVector.Count; i += TVector.Count)
                Strip1<TVector>(x + start + i, dy + start + i, lines, grid.Width, mean + i, scale + i, shift + i, partSums + i, partProducts + i);
            for (; i < length; i++)
                Strip1<V1>(x + start + i, dy + start + i, lines, grid.Width, mean + i, scale + i, shift + i, partSums + i, partProducts + i);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Strip2<TVector>(float* x, float* dy, int lines, int width, float* mean, float* scale, float* shift, float* sums, float* products)
            where TVector : unmanaged, IVector<TVector>
        {
            var n = TVector.Count;
            TVector mean0 = TVector.Load(mean), mean1 = TVector.Load(mean + n);
            TVector scale0 = TVector.Load(scale), scale1 = TVector.Load(scale + n);
            TVector shift0 = TVector.Load(shift), shift1 = TVector.Load(shift + n);
            TVector sum0 = TVector.Zero, sum1 = TVector.Zero, product0 = TVector.Zero, product1 = TVector.Zero;
            for (var line = 0; line < lines; line++, x += width, dy += width)
            {
                var centred0 = TVector.Load(x) - mean0;
                var centred1 = TVector.Load(x + n) - mean1;
                var g0 = TActivation.Gate(TVector.Fma(centred0, scale0, shift0), TVector.Load(dy));
                var g1 = TActivation.Gate(TVector.Fma(centred1, scale1, shift1), TVector.Load(dy + n));
                sum0 += g0;
                sum1 += g1;
                product0 = TVector.Fma(g0, centred0, product0);
                product1 = TVector.Fma(g1, centred1, product1);
            }
            (TVector.Load(sums) + sum0).Store(sums);
            (TVector.Load(sums + n) + sum1).Store(sums + n);
            (TVector.Load(products) + product0).Store(products);
            (TVector.Load(products + n) + product1).Store(products + n);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Strip1<TVector>(float* x, float* dy, int lines, int width, float* mean, float* scale, float* shift, float* sums, float* products)
            where TVector : unmanaged, IVector<TVector>
        {
            TVector sum = TVector.Zero, product = TVector.Zero;
            for (var line = 0; line < lines; line++, x += width, dy += width)
            {
                var centred = TVector.Load(x) - TVector.Load(mean);
                var g = TActivation.Gate(TVector.Fma(centred, TVector.Load(scale), TVector.Load(shift)), TVector.Load(dy));
                sum += g;
                product = TVector.Fma(g, centred, product);
            }
            (TVector.Load(sums) + sum).Store(sums);
            (TVector.Load(products) + product).Store(products);
        }

        private void Merge(int segment, int channel, float* partSums, float* partProducts)
        {
            double sum = 0, product = 0;
            var end = (long)(segment + 1) * grid.PartsPerSegment * grid.Width;
            for (var i = ((long)segment * grid.PartsPerSegment * grid.Width) + channel; i < end; i += grid.Channels)
            {
                sum += partSums[i];
                product += partProducts[i];
            }
            sums[((long)segment * grid.Channels) + channel] = (float)sum;
            products[((long)segment * grid.Channels) + channel] = (float)product;
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
