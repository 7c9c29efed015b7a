using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Softmax and its relatives down the columns of [rows, columns]: one vector of neighbouring columns at a time.</summary>
internal static unsafe class SoftmaxColumns
{
    /// <summary>y = e^x / Σ e^x, or its logarithm, for <paramref name="count"/> columns (at most a vector's) of rows <paramref name="stride"/> apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Forward<TVector>(float* x, float* y, long rows, long stride, int count, bool log) where TVector : unmanaged, IVector<TVector>
    {
        var max = TVector.Create(float.NegativeInfinity);
        for (long row = 0; row < rows; row++)
            max = TVector.Max(max, Load<TVector>(x + (row * stride), count));
        var sum = TVector.Zero;
        for (long row = 0; row < rows; row++)
            sum += VectorMath.Exp(Load<TVector>(x + (row * stride), count) - max);
        var shift = log ? Log(sum) : TVector.Create(1f) / sum;
        for (long row = 0; row < rows; row++)
        {
            var difference = Load<TVector>(x + (row * stride), count) - max;
            Store(log ? difference - shift : VectorMath.Exp(difference) * shift, y + (row * stride), count);
        }
    }

    /// <summary>The gradients: see <see cref="SoftmaxLines.SoftmaxGradient"/> and <see cref="SoftmaxLines.LogSoftmaxGradient"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gradient<TVector>(float* dy, float* y, float* dx, long rows, long stride, int count, bool log) where TVector : unmanaged, IVector<TVector>
    {
        var sum = TVector.Zero;
        for (long row = 0; row < rows; row++)
        {
            var g = Load<TVector>(dy + (row * stride), count);
            sum = log ? sum + g : TVector.Fma(g, Load<TVector>(y + (row * stride), count), sum);
        }
        for (long row = 0; row < rows; row++)
        {
            var g = Load<TVector>(dy + (row * stride), count);
            var p = Load<TVector>(y + (row * stride), count);
            Store(log ? g - (VectorMath.Exp(p) * sum) : p * (g - sum), dx + (row * stride), count);
        }
    }

    private static TVector Log<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        var lanes = stackalloc float[TVector.Count];
        x.Store(lanes);
        for (var i = 0; i < TVector.Count; i++)
            lanes[i] = (float)Math.Log(lanes[i]);
        return TVector.Load(lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Load<TVector>(float* source, int count) where TVector : unmanaged, IVector<TVector> =>
        count == TVector.Count ? TVector.Load(source) : TVector.LoadFirst(source, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TVector>(TVector value, float* target, int count) where TVector : unmanaged, IVector<TVector>
    {
        if (count == TVector.Count)
            value.Store(target);
        else
            value.StoreFirst(target, count);
    }
}
