using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Average of each window of NHWC data, and its gradient (the transpose).</summary>
internal static unsafe class AveragePool
{
    private const long TapsPerPart = 1 << 16;

    /// <summary>y = the sum of each window, divided by the product of its two lengths.</summary>
    public static void Forward(int images, int channels, PoolAxis rows, PoolAxis columns, float* x, float* y) =>
        Level.Run(new ForwardPass(images, channels, rows, columns, x, y));

    /// <summary>dx = at every position the sum over the windows that hold it of dy divided by the window's lengths.</summary>
    public static void Backward(int images, int channels, PoolAxis rows, PoolAxis columns, float* dy, float* dx) =>
        Level.Run(new BackwardPass(images, channels, rows, columns, dy, dx));

    private static int RowsPerPart(long tapsPerRow) => (int)Math.Max(1, TapsPerPart / Math.Max(1, tapsPerRow));

    private readonly struct ForwardPass(int images, int channels, PoolAxis rows, PoolAxis columns, float* x, float* y) : IKernel
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
                var target = y + ((((long)line * columns.Count) + column) * channels);
                var window = new Patch(rows.Begin[row], rows.End[row], columns.Begin[column], columns.End[column], columns.Size, channels);
                var share = 1f / ((float)rows.Length[row] * columns.Length[column]);
                var c = 0;
                for (; c <= channels - (2 * TVector.Count); c += 2 * TVector.Count)
                    Mean2<TVector>(window, share, plane + c, target + c);
                for (; c <= channels - TVector.Count; c += TVector.Count)
                    Mean1<TVector>(window, share, plane + c, target + c);
                for (; c < channels; c++)
                    Mean1<V1>(window, share, plane + c, target + c);
            }
        }
    }

    /// <summary>A rectangle of a plane that is <paramref name="Width"/> positions wide.</summary>
    private readonly record struct Patch(int Top, int Bottom, int Left, int Right, int Width, int Channels);

    // Rows are summed one by one and then together: large windows keep their digits.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mean2<TVector>(in Patch window, float share, float* plane, float* y) where TVector : unmanaged, IVector<TVector>
    {
        var n = TVector.Count;
        TVector sum0 = TVector.Zero, sum1 = TVector.Zero;
        for (var row = window.Top; row < window.Bottom; row++)
        {
            var tap = plane + ((((long)row * window.Width) + window.Left) * window.Channels);
            TVector row0 = TVector.Zero, row1 = TVector.Zero;
            for (var column = window.Left; column < window.Right; column++, tap += window.Channels)
            {
                row0 += TVector.Load(tap);
                row1 += TVector.Load(tap + n);
            }
            sum0 += row0;
            sum1 += row1;
        }
        (sum0 * TVector.Create(share)).Store(y);
        (sum1 * TVector.Create(share)).Store(y + n);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mean1<TVector>(in Patch window, float share, float* plane, float* y) where TVector : unmanaged, IVector<TVector>
    {
        var sum = TVector.Zero;
        for (var row = window.Top; row < window.Bottom; row++)
        {
            var tap = plane + ((((long)row * window.Width) + window.Left) * window.Channels);
            var rowSum = TVector.Zero;
            for (var column = window.Left; column < window.Right; column++, tap += window.Channels)
                rowSum += TVector.Load(tap);
            sum += rowSum;
        }
        (sum * TVector.Create(share)).Store(y);
    }

    private readonly struct BackwardPass(int images, int channels, PoolAxis rows, PoolAxis columns, float* dy, float* dx) : IKernel
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
            var windows = dy + ((long)(line / rows.Size) * rows.Count * columns.Count * channels);
            for (var column = 0; column < columns.Size; column++)
            {
                var target = dx + ((((long)line * columns.Size) + column) * channels);
                var covering = new Patch(firstRow, endRow, firstColumn[column], endColumn[column], columns.Count, channels);
                var c = 0;
                for (; c <= channels - TVector.Count; c += TVector.Count)
                    Spread<TVector>(covering, windows + c, target + c);
                for (; c < channels; c++)
                    Spread<V1>(covering, windows + c, target + c);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Spread<TVector>(in Patch covering, float* windows, float* target) where TVector : unmanaged, IVector<TVector>
        {
            var sum = TVector.Zero;
            for (var row = covering.Top; row < covering.Bottom; row++)
            {
                for (var column = covering.Left; column < covering.Right; column++)
                {
                    var share = 1f / ((float)rows.Length[row] * columns.Length[column]);
                    var window = windows + ((((long)row * covering.Width) + column) * covering.Channels);
                    sum = TVector.Fma(TVector.Load(window), TVector.Create(share), sum);
                }
            }
            sum.Store(target);
        }
    }
}
