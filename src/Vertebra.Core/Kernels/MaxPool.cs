using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Largest value of each window of NHWC data, and the gradient to the place it came from.</summary>
/// <remarks>
/// An index is the position row · width + column in the input plane. Indices travel through float lanes as bits: only moved,
/// selected and compared for equality, which all hold for any bits that are not those of a NaN, and planes are smaller than that.
/// </remarks>
internal static unsafe class MaxPool
{
    private const long TapsPerPart = 1 << 16;

    /// <summary>
    /// y = the largest values, NaN where a window has one; an empty window gives -∞. <paramref name="indices"/> may be null; of
    /// equal values it names the first, and -1 for an empty window.
    /// </summary>
    public static void Forward(int images, int channels, PoolAxis rows, PoolAxis columns, float* x, float* y, int* indices) =>
        Level.Run(new ForwardPass(images, channels, rows, columns, x, y, indices));

    /// <summary>dx = at every position the sum of the gradients of the windows whose index is this position.</summary>
    public static void Backward(int images, int channels, PoolAxis rows, PoolAxis columns, float* dy, int* indices, float* dx) =>
        Level.Run(new BackwardPass(images, channels, rows, columns, dy, indices, dx));

    /// <summary>dy = for every window the value of dx at the window's index: the transpose of <see cref="Backward"/>.</summary>
    public static void Pick(int images, int channels, PoolAxis rows, PoolAxis columns, float* dx, int* indices, float* dy)
    {
        var windows = rows.Count * columns.Count;
        var plane = rows.Size * columns.Size;
        Workers.Run(images, image =>
        {
            var source = dx + ((long)image * plane * channels);
            for (var i = (long)image * windows * channels; i < (long)(image + 1) * windows * channels; i++)
                dy[i] = indices[i] < 0 ? 0 : source[((long)indices[i] * channels) + (i % channels)];
        });
    }

    private static int RowsPerPart(long tapsPerRow) => (int)Math.Max(1, TapsPerPart / Math.Max(1, tapsPerRow));

    private readonly struct ForwardPass(int images, int channels, PoolAxis rows, PoolAxis columns, float* x, float* y, int* indices) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            var lines = images * rows.Count;
            var taps = lines == 0 ? 0 : (long)columns.Count * channels * (rows.End[0] - rows.Begin[0]) * (columns.End[0] - columns.Begin[0]);
            var perPart = RowsPerPart(taps);
            Workers.Run((lines + perPart - 1) / perPart, (Pass: self, lines, perPart), static (in job, part) =>
            {
                for (var line = part * job.perPart; line < Math.Min(job.lines, (part + 1) * job.perPart); line++)
                    job.Pass.Line<TVector>(line);
            });
        }

        private void Line<TVector>(int line) where TVector : unmanaged, IVector<TVector>
        {
            var (image, row) = (line / rows.Count, line % rows.Count);
            var plane = x + ((long)image * rows.Size * columns.Size * channels);
            for (var column = 0; column < columns.Count; column++)
            {
                var target = (((long)line * columns.Count) + column) * channels;
                var window = new Window(rows.Begin[row], rows.End[row], rows.Step, columns.Begin[column], columns.End[column], columns.Step, columns.Size, channels);
                var c = 0;
                if (indices == null)
                {
                    for (; c <= channels - (4 * TVector.Count); c += 4 * TVector.Count)
                        Largest4<TVector>(window, plane + c, y + target + c);
                    for (; c <= channels - TVector.Count; c += TVector.Count)
                        Largest1<TVector>(window, plane + c, y + target + c);
                    for (; c < channels; c++)
                        Largest1<V1>(window, plane + c, y + target + c);
                    continue;
                }
                for (; c <= channels - (2 * TVector.Count); c += 2 * TVector.Count)
                    LargestAndIndex2<TVector>(window, plane + c, y + target + c, (float*)(indices + target + c));
                for (; c <= channels - TVector.Count; c += TVector.Count)
                    LargestAndIndex1<TVector>(window, plane + c, y + target + c, (float*)(indices + target + c));
                for (; c < channels; c++)
                    LargestAndIndex1<V1>(window, plane + c, y + target + c, (float*)(indices + target + c));
            }
        }
    }

    private readonly record struct Window(int Top, int Bottom, int StepDown, int Left, int Right, int StepRight, int Width, int Channels);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Largest4<TVector>(in Window window, float* plane, float* y) where TVector : unmanaged, IVector<TVector>
    {
        var n = TVector.Count;
        var best0 = TVector.Create(float.NegativeInfinity);
        TVector best1 = best0, best2 = best0, best3 = best0;
        var stride = (long)window.StepRight * window.Channels;
        for (var row = window.Top; row < window.Bottom; row += window.StepDown)
        {
            var tap = plane + ((((long)row * window.Width) + window.Left) * window.Channels);
            for (var column = window.Left; column < window.Right; column += window.StepRight, tap += stride)
            {
                best0 = TVector.Max(best0, TVector.Load(tap));
                best1 = TVector.Max(best1, TVector.Load(tap + n));
                best2 = TVector.Max(best2, TVector.Load(tap + (2 * n)));
                best3 = TVector.Max(best3, TVector.Load(tap + (3 * n)));
            }
        }
        best0.Store(y);
        best1.Store(y + n);
        best2.Store(y + (2 * n));
        best3.Store(y + (3 * n));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Largest1<TVector>(in Window window, float* plane, float* y) where TVector : unmanaged, IVector<TVector>
    {
        var best = TVector.Create(float.NegativeInfinity);
        var stride = (long)window.StepRight * window.Channels;
        for (var row = window.Top; row < window.Bottom; row += window.StepDown)
        {
            var tap = plane + ((((long)row * window.Width) + window.Left) * window.Channels);
            for (var column = window.Left; column < window.Right; column += window.StepRight, tap += stride)
                best = TVector.Max(best, TVector.Load(tap));
        }
        best.Store(y);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LargestAndIndex2<TVector>(in Window window, float* plane, float* y, float* indices) where TVector : unmanaged, IVector<TVector>
    {
        var n = TVector.Count;
        TVector best0, best1, index0, index1;
        best0 = best1 = TVector.Create(float.NegativeInfinity);
        index0 = index1 = FirstIndex<TVector>(window);
        var stride = (long)window.StepRight * window.Channels;
        for (var row = window.Top; row < window.Bottom; row += window.StepDown)
        {
            var position = (row * window.Width) + window.Left;
            var tap = plane + ((long)position * window.Channels);
            for (var column = window.Left; column < window.Right; column += window.StepRight, tap += stride, position += window.StepRight)
            {
                var here = TVector.Create(BitConverter.Int32BitsToSingle(position));
                TVector value0 = TVector.Load(tap), value1 = TVector.Load(tap + n);
                index0 = TVector.Select(TVector.GreaterThan(value0, best0), here, index0);
                index1 = TVector.Select(TVector.GreaterThan(value1, best1), here, index1);
                best0 = TVector.Max(best0, value0);
                best1 = TVector.Max(best1, value1);
            }
        }
        best0.Store(y);
        best1.Store(y + n);
        index0.Store(indices);
        index1.Store(indices + n);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LargestAndIndex1<TVector>(in Window window, float* plane, float* y, float* indices) where TVector : unmanaged, IVector<TVector>
    {
        var best = TVector.Create(float.NegativeInfinity);
        var index = FirstIndex<TVector>(window);
        var stride = (long)window.StepRight * window.Channels;
        for (var row = window.Top; row < window.Bottom; row += window.StepDown)
        {
            var position = (row * window.Width) + window.Left;
            var tap = plane + ((long)position * window.Channels);
            for (var column = window.Left; column < window.Right; column += window.StepRight, tap += stride, position += window.StepRight)
            {
                var value = TVector.Load(tap);
                index = TVector.Select(TVector.GreaterThan(value, best), TVector.Create(BitConverter.Int32BitsToSingle(position)), index);
                best = TVector.Max(best, value);
            }
        }
        best.Store(y);
        index.Store(indices);
    }

    // Where nothing exceeds -∞ the first tap is meant, and nothing in an empty window.
    private static TVector FirstIndex<TVector>(in Window window) where TVector : unmanaged, IVector<TVector>
    {
        var isEmpty = window.Top >= window.Bottom || window.Left >= window.Right;
        return TVector.Create(BitConverter.Int32BitsToSingle(isEmpty ? -1 : (window.Top * window.Width) + window.Left));
    }

    private readonly struct BackwardPass(int images, int channels, PoolAxis rows, PoolAxis columns, float* dy, int* indices, float* dx) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            var lines = images * rows.Size;
            var perPart = RowsPerPart(4L * columns.Size * channels);
            var (firstRow, endRow) = rows.Covering();
            var (firstColumn, endColumn) = columns.Covering();
            Workers.Run((lines + perPart - 1) / perPart, part =>
            {
                for (var line = part * perPart; line < Math.Min(lines, (part + 1) * perPart); line++)
                    self.Line<TVector>(line, firstRow[line % self.Height], endRow[line % self.Height], firstColumn, endColumn);
            });
        }

        private int Height => rows.Size;

        private void Line<TVector>(int line, int firstRow, int endRow, int[] firstColumn, int[] endColumn) where TVector : unmanaged, IVector<TVector>
        {
            var (image, row) = (line / rows.Size, line % rows.Size);
            var windows = (long)image * rows.Count * columns.Count * channels;
            for (var column = 0; column < columns.Size; column++)
            {
                var target = dx + ((((long)line * columns.Size) + column) * channels);
                var covering = new Covering(firstRow, endRow, firstColumn[column], endColumn[column], columns.Count, channels);
                var position = BitConverter.Int32BitsToSingle((row * columns.Size) + column);
                var c = 0;
                for (; c <= channels - (2 * TVector.Count); c += 2 * TVector.Count)
                    Collect2<TVector>(covering, position, dy + windows + c, (float*)(indices + windows + c), target + c);
                for (; c <= channels - TVector.Count; c += TVector.Count)
                    Collect1<TVector>(covering, position, dy + windows + c, (float*)(indices + windows + c), target + c);
                for (; c < channels; c++)
                    Collect1<V1>(covering, position, dy + windows + c, (float*)(indices + windows + c), target + c);
            }
        }
    }

    /// <summary>The windows that may take one input position, in a plane <paramref name="Width"/> windows wide.</summary>
    private readonly record struct Covering(int Top, int Bottom, int Left, int Right, int Width, int Channels);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Collect2<TVector>(in Covering windows, float position, float* dy, float* indices, float* dx) where TVector : unmanaged, IVector<TVector>
    {
        var n = TVector.Count;
        var here = TVector.Create(position);
        TVector sum0 = TVector.Zero, sum1 = TVector.Zero;
        for (var row = windows.Top; row < windows.Bottom; row++)
        {
            var offset = (((long)row * windows.Width) + windows.Left) * windows.Channels;
            for (var column = windows.Left; column < windows.Right; column++, offset += windows.Channels)
            {
                sum0 += TVector.Select(TVector.Equal(TVector.Load(indices + offset), here), TVector.Load(dy + offset), TVector.Zero);
                sum1 += TVector.Select(TVector.Equal(TVector.Load(indices + offset + n), here), TVector.Load(dy + offset + n), TVector.Zero);
            }
        }
        sum0.Store(dx);
        sum1.Store(dx + n);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Collect1<TVector>(in Covering windows, float position, float* dy, float* indices, float* dx) where TVector : unmanaged, IVector<TVector>
    {
        var here = TVector.Create(position);
        var sum = TVector.Zero;
        for (var row = windows.Top; row < windows.Bottom; row++)
        {
            var offset = (((long)row * windows.Width) + windows.Left) * windows.Channels;
            for (var column = windows.Left; column < windows.Right; column++, offset += windows.Channels)
                sum += TVector.Select(TVector.Equal(TVector.Load(indices + offset), here), TVector.Load(dy + offset), TVector.Zero);
        }
        sum.Store(dx);
    }
}
