using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Applies one band matrix to the rows and one to the columns of NHWC images, the cheaper one first.</summary>
internal static unsafe class Resample
{
    private const long ProductsPerPart = 1 << 16;

    public static void Run(int images, int channels, AxisWeights rows, AxisWeights columns, float* x, float* y)
    {
        if ((long)images * channels * rows.Size * columns.Size * rows.Count * columns.Count == 0)
        {
            new Span<float>(y, checked(images * channels * rows.Count * columns.Count)).Clear();
            return;
        }
        if (columns.IsIdentity)
        {
            Along(images, (long)columns.Size * channels, rows, x, y);
            return;
        }
        if (rows.IsIdentity)
        {
            Along((long)images * rows.Size, channels, columns, x, y);
            return;
        }
        var columnsFirst = ((long)rows.Size * columns.Weights.Length) + ((long)rows.Weights.Length * columns.Count)
            <= ((long)rows.Weights.Length * columns.Size) + ((long)rows.Count * columns.Weights.Length);
        using var between = Scratch.Take((long)images * channels * (columnsFirst ? (long)rows.Size * columns.Count : (long)rows.Count * columns.Size));
        if (columnsFirst)
        {
            Along((long)images * rows.Size, channels, columns, x, between.Pointer);
            Along(images, (long)columns.Count * channels, rows, between.Pointer, y);
        }
        else
        {
            Along(images, (long)columns.Size * channels, rows, x, between.Pointer);
            Along((long)images * rows.Count, channels, columns, between.Pointer, y);
        }
    }

    /// <summary>y [outer, Count, inner] = the matrix times x [outer, Size, inner], along the middle axis.</summary>
    private static void Along(long outer, long inner, AxisWeights axis, float* x, float* y) => Level.Run(new Pass(outer, inner, axis, x, y));

    private readonly struct Pass(long outer, long inner, AxisWeights axis, float* x, float* y) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var self = this;
            var lines = outer * axis.Count;
            var perPart = Math.Max(1, ProductsPerPart * axis.Count / Math.Max(1, axis.Weights.Length * inner));
            Workers.Run((int)((lines + perPart - 1) / perPart), part =>
            {
                for (var line = part * perPart; line < Math.Min(lines, (part + 1) * perPart); line++)
                    self.Line<TVector>(line);
            });
        }

        private void Line<TVector>(long line) where TVector : unmanaged, IVector<TVector>
        {
            var (block, output) = (line / axis.Count, (int)(line % axis.Count));
            var source = x + (((block * axis.Size) + axis.Begin[output]) * inner);
            fixed (float* weights = axis.Weights)
                Combine<TVector>(source, inner, weights + axis.Offset[output], axis.LengthOf(output), y + (line * inner));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Combine<TVector>(float* source, long inner, float* weights, int count, float* target) where TVector : unmanaged, IVector<TVector>
        {
            long i = 0;
            for (; i <= inner - TVector.Count; i += TVector.Count)
                Strip<TVector>(source + i, inner, weights, count, target + i);
            for (; i < inner; i++)
                Strip<V1>(source + i, inner, weights, count, target + i);
        }

        // The first product is not added to zero, so that a weight of 1 copies every bit.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Strip<TVector>(float* source, long inner, float* weights, int count, float* target) where TVector : unmanaged, IVector<TVector>
        {
            var sum = count == 0 ? TVector.Zero : TVector.Load(source) * TVector.Create(weights[0]);
            for (var j = 1; j < count; j++)
                sum = TVector.Fma(TVector.Load(source + (j * inner)), TVector.Create(weights[j]), sum);
            sum.Store(target);
        }
    }
}
