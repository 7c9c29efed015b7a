using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>A function of one float32 number, written once for vectors: the struct is a type argument, so the loop around it is compiled for it.</summary>
internal interface IUnaryOperator
{
    TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>;
}

/// <summary>A function of two float32 numbers, written once for vectors.</summary>
internal interface IBinaryOperator
{
    TVector Invoke<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector>;
}

/// <summary>A function that is not worth a vector form: one number at a time, in float64.</summary>
internal interface IScalarOperator
{
    double Invoke(double x);
}

/// <summary>Functions applied element by element to operands of one shape. Targets may be the sources themselves.</summary>
internal static unsafe class Elementwise
{
    /// <summary>Elements of one part: large enough that handing it out costs nothing, small enough for the second-level cache.</summary>
    public const int PartSize = 1 << 14;

    /// <summary>target[i] = op(source[i]).</summary>
    public static void Run<TOperator>(TOperator op, float* source, float* target, long count) where TOperator : struct, IUnaryOperator
    {
        if (count <= PartSize)
            Line(op, source, target, count);
        else
            RunParts(op, source, target, count);
    }

    /// <summary>target[i] = op(a[i], b[i]).</summary>
    public static void Run<TOperator>(TOperator op, float* a, float* b, float* target, long count) where TOperator : struct, IBinaryOperator
    {
        if (count <= PartSize)
            Broadcast.Line(op, a, 1, b, 1, target, count);
        else
            RunParts(op, a, b, target, count);
    }

    /// <summary>target[i] = op(source[i]), one at a time.</summary>
    public static void RunScalar<TOperator>(TOperator op, float* source, float* target, long count) where TOperator : struct, IScalarOperator =>
        Workers.Run(Parts(count), new Arrays<TOperator>(op, source, null, target, count), static (in job, part) =>
        {
            var end = Math.Min(job.Count, (part + 1L) * PartSize);
            for (var i = (long)part * PartSize; i < end; i++)
                job.Target[i] = (float)job.Op.Invoke(job.A[i]);
        });

    private static void RunParts<TOperator>(TOperator op, float* source, float* target, long count) where TOperator : struct, IUnaryOperator =>
        Workers.Run(Parts(count), new Arrays<TOperator>(op, source, null, target, count), static (in job, part) =>
        {
            var start = (long)part * PartSize;
            Line(job.Op, job.A + start, job.Target + start, Math.Min(PartSize, job.Count - start));
        });

    private static void RunParts<TOperator>(TOperator op, float* a, float* b, float* target, long count) where TOperator : struct, IBinaryOperator =>
        Workers.Run(Parts(count), new Arrays<TOperator>(op, a, b, target, count), static (in job, part) =>
        {
            var start = (long)part * PartSize;
            Broadcast.Line(job.Op, job.A + start, 1, job.B + start, 1, job.Target + start, Math.Min(PartSize, job.Count - start));
        });

    private readonly struct Arrays<TOperator>(TOperator op, float* a, float* b, float* target, long count)
    {
        public readonly TOperator Op = op;
        public readonly float* A = a;
        public readonly float* B = b;
        public readonly float* Target = target;
        public readonly long Count = count;
    }

    /// <summary>How many parts of <see cref="PartSize"/> elements, the last one perhaps shorter.</summary>
    public static int Parts(long count) => checked((int)((count + PartSize - 1) / PartSize));

    /// <summary>The same on the calling thread alone.</summary>
    public static void Line<TOperator>(TOperator op, float* source, float* target, long count) where TOperator : struct, IUnaryOperator
    {
        switch (Simd.Level)
        {
            case SimdLevel.Vector512: Line<TOperator, V512>(op, source, target, count); break;
            case SimdLevel.Vector256: Line<TOperator, V256>(op, source, target, count); break;
            case SimdLevel.Vector128: Line<TOperator, V128>(op, source, target, count); break;
            default: Line<TOperator, V1>(op, source, target, count); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Line<TOperator, TVector>(TOperator op, float* source, float* target, long count)
        where TOperator : struct, IUnaryOperator
        where TVector : unmanaged, IVector<TVector>
    {
        long i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
            op.Invoke(TVector.Load(source + i)).Store(target + i);
        var rest = (int)(count - i);
        if (rest > 0)
            op.Invoke(TVector.LoadFirst(source + i, rest)).StoreFirst(target + i, rest);
    }
}
