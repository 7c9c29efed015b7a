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
        var arrays = new Arrays(x, y, null, length, inner, log);
        if (inner != 1)
        {
            ForEachStrip<TVector, Arrays>(outer, length, inner, arrays, static (in a, offset, count) =>
                SoftmaxColumns.Forward<TVector>(a.X + offset, a.Y + offset, a.Length, a.Inner, count, a.Log));
            return;
        }
        ForEachLine(outer, length, arrays, static (in a, offset, _) =>
        {
            if (a.Log)
                SoftmaxLines.LogSoftmax<TVector>(a.X + offset, a.Y + offset, a.Length);
            else
                SoftmaxLines.Softmax<TVector>(a.X + offset, a.Y + offset, a.Length);
        });
    }

    private static void Gradient<TVector>(float* dy, float* y, float* dx, long outer, long length, long inner, bool log) where TVector : unmanaged, IVector<TVector>
    {
        var arrays = new Arrays(dy, y, dx, length, inner, log);
        if (inner != 1)
        {
            ForEachStrip<TVector, Arrays>(outer, length, inner, arrays, static (in a, offset, count) =>
                SoftmaxColumns.Gradient<TVector>(a.X + offset, a.Y + offset, a.Result + offset, a.Length, a.Inner, count, a.Log));
            return;
        }
        ForEachLine(outer, length, arrays, static (in a, offset, _) =>
        {
            if (a.Log)
                SoftmaxLines.LogSoftmaxGradient<TVector>(a.X + offset, a.Y + offset, a.Result + offset, a.Length);
            else
                SoftmaxLines.SoftmaxGradient<TVector>(a.X + offset, a.Y + offset, a.Result + offset, a.Length);
        });
    }

    private readonly struct Arrays(float* x, float* y, float* result, long length, long inner, bool log)
    {
        public readonly float* X = x;
        public readonly float* Y = y;
        public readonly float* Result = result;
        public readonly long Length = length;
        public readonly long Inner = inner;
        public readonly bool Log = log;
    }

    /// <summary>Does something for the line, or the strip of <paramref name="count"/> columns, that starts at an offset.</summary>
    public delegate void LineBody<TState>(in TState state, long offset, int count) where TState : struct;

    /// <summary>Calls <paramref name="body"/> with the offset of every line.</summary>
    public static void ForEachLine<TState>(long lines, long length, TState state, LineBody<TState> body) where TState : struct
    {
        var linesPerPart = Math.Max(1, Elementwise.PartSize / 4 / Math.Max(1, length));
        Workers.Run(checked((int)((lines + linesPerPart - 1) / linesPerPart)), (state, body, lines, length, linesPerPart), static (in job, part) =>
        {
            var end = Math.Min(job.lines, (part + 1) * job.linesPerPart);
            for (var line = part * job.linesPerPart; line < end; line++)
                job.body(job.state, line * job.length, 1);
        });
    }

    /// <summary>Calls <paramref name="body"/> with the offset of every strip of columns as wide as a vector, and its width (less for the last one of a row).</summary>
    private static void ForEachStrip<TVector, TState>(long outer, long length, long inner, TState state, LineBody<TState> body)
        where TVector : unmanaged, IVector<TVector>
        where TState : struct
    {
        var stripsPerRow = (inner + TVector.Count - 1) / TVector.Count;
        var strips = outer * stripsPerRow;
        var stripsPerPart = Math.Max(1, Elementwise.PartSize / 4 / Math.Max(1, length * TVector.Count));
        var job = (state, body, Row: length * inner, inner, stripsPerRow, strips, stripsPerPart);
        Workers.Run(checked((int)((strips + stripsPerPart - 1) / stripsPerPart)), job, static (in job, part) =>
        {
            var end = Math.Min(job.strips, (part + 1) * job.stripsPerPart);
            for (var strip = part * job.stripsPerPart; strip < end; strip++)
            {
                var (o, position) = Math.DivRem(strip, job.stripsPerRow);
                var column = position * TVector.Count;
                job.body(job.state, (o * job.Row) + column, (int)Math.Min(TVector.Count, job.inner - column));
            }
        });
    }
}
