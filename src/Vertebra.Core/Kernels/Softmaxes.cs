namespace Vertebra.Kernels;

/// <summary>Softmax over the middle axis of [outer, length, inner], its logarithm, and their gradients.</summary>
internal static unsafe class Softmaxes
{
    public static void Forward(float* x, float* y, long outer, long length, long inner, bool log)
    {
        switch (Simd.Level)
        {
            case SimdLevel.Vector512: Forward<V512>(x, y, outer, length, inner, log); break;
            case SimdLevel.Vector256: Forward<V256>(x, y, outer, length, inner, log); break;
            case SimdLevel.Vector128: Forward<V128>(x, y, outer, length, inner, log); break;
            default: Forward<V1>(x, y, outer, length, inner, log); break;
        }
    }

    public static void Gradient(float* dy, float* y, float* dx, long outer, long length, long inner, bool log)
    {
        switch (Simd.Level)
        {
            case SimdLevel.Vector512: Gradient<V512>(dy, y, dx, outer, length, inner, log); break;
            case SimdLevel.Vector256: Gradient<V256>(dy, y, dx, outer, length, inner, log); break;
            case SimdLevel.Vector128: Gradient<V128>(dy, y, dx, outer, length, inner, log); break;
            default: Gradient<V1>(dy, y, dx, outer, length, inner, log); break;
        }
    }

    private static void Forward<TVector>(float* x, float* y, long outer, long length, long inner, bool log) where TVector : unmanaged, IVector<TVector>
    {
        if (inner != 1)
        {
            ForEachStrip<TVector>(outer, length, inner, (offset, count) => SoftmaxColumns.Forward<TVector>(x + offset, y + offset, length, inner, count, log));
            return;
        }
        ForEachLine(outer, length, offset =>
        {
            if (log)
                SoftmaxLines.LogSoftmax<TVector>(x + offset, y + offset, length);
            else
                SoftmaxLines.Softmax<TVector>(x + offset, y + offset, length);
        });
    }

    private static void Gradient<TVector>(float* dy, float* y, float* dx, long outer, long length, long inner, bool log) where TVector : unmanaged, IVector<TVector>
    {
        if (inner != 1)
        {
            ForEachStrip<TVector>(outer, length, inner, (offset, count) => SoftmaxColumns.Gradient<TVector>(dy + offset, y + offset, dx + offset, length, inner, count, log));
            return;
        }
        ForEachLine(outer, length, offset =>
        {
            if (log)
                SoftmaxLines.LogSoftmaxGradient<TVector>(dy + offset, y + offset, dx + offset, length);
            else
                SoftmaxLines.SoftmaxGradient<TVector>(dy + offset, y + offset, dx + offset, length);
        });
    }

    /// <summary>Calls <paramref name="body"/> with the offset of every line.</summary>
    public static void ForEachLine(long lines, long length, Action<long> body)
    {
        var linesPerPart = Math.Max(1, Elementwise.PartSize / 4 / Math.Max(1, length));
        Workers.Run(checked((int)((lines + linesPerPart - 1) / linesPerPart)), part =>
        {
            var end = Math.Min(lines, (part + 1) * linesPerPart);
            for (var line = part * linesPerPart; line < end; line++)
                body(line * length);
        });
    }

    /// <summary>Calls <paramref name="body"/> with the offset of every strip of columns as wide as a vector, and its width (less for the last one of a row).</summary>
    private static void ForEachStrip<TVector>(long outer, long length, long inner, Action<long, int> body) where TVector : unmanaged, IVector<TVector>
    {
        var stripsPerRow = (inner + TVector.Count - 1) / TVector.Count;
        var strips = outer * stripsPerRow;
        var stripsPerPart = Math.Max(1, Elementwise.PartSize / 4 / Math.Max(1, length * TVector.Count));
        Workers.Run(checked((int)((strips + stripsPerPart - 1) / stripsPerPart)), part =>
        {
            var end = Math.Min(strips, (part + 1) * stripsPerPart);
            for (var strip = part * stripsPerPart; strip < end; strip++)
            {
                var (o, position) = Math.DivRem(strip, stripsPerRow);
                var column = position * TVector.Count;
                body((o * length * inner) + column, (int)Math.Min(TVector.Count, inner - column));
            }
        });
    }
}
