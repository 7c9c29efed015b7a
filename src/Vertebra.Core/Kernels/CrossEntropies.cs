using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Softmax and cross-entropy of lines of logits. A line's largest logit and its Σ e^(x - largest) are found once and serve the loss and the gradient.</summary>
internal static unsafe class CrossEntropies
{
    /// <summary>The largest logit and the sum of e^(x - largest).</summary>
    public static (float Max, float Sum) Statistics(float* logits, int classes) => Simd.Level switch
    {
        SimdLevel.Vector512 => SoftmaxLines.Statistics<V512>(logits, classes),
        SimdLevel.Vector256 => SoftmaxLines.Statistics<V256>(logits, classes),
        SimdLevel.Vector128 => SoftmaxLines.Statistics<V128>(logits, classes),
        _ => SoftmaxLines.Statistics<V1>(logits, classes),
    };

    /// <summary>-log of the softmax of one class.</summary>
    public static double Loss(float* logits, long target, (float Max, float Sum) statistics) =>
        Math.Log(statistics.Sum) - ((double)logits[target] - statistics.Max);

    /// <summary>Σ weights · -log softmax; no weights count as ones. A weight of 0 removes its class, whatever the logit.</summary>
    public static double Loss(float* logits, float* weights, int classes, (float Max, float Sum) statistics)
    {
        var logSum = Math.Log(statistics.Sum);
        double total = 0;
        for (var c = 0; c < classes; c++)
        {
            double weight = weights is null ? 1 : weights[c];
            if (weight != 0)
                total += weight * (logSum - ((double)logits[c] - statistics.Max));
        }
        return total;
    }

    /// <summary>gradient[c] = softmax[c] · <paramref name="softmaxFactor"/> - weights[c] · <paramref name="weightFactor"/>; no weights count as ones.</summary>
    public static void Gradient(float* logits, float* weights, float* gradient, int classes, (float Max, float Sum) statistics, double softmaxFactor, double weightFactor)
    {
        var (max, factor, weight) = (statistics.Max, (float)(softmaxFactor / statistics.Sum), (float)weightFactor);
        switch (Simd.Level)
        {
            case SimdLevel.Vector512: Gradient<V512>(logits, weights, gradient, classes, max, factor, weight); break;
            case SimdLevel.Vector256: Gradient<V256>(logits, weights, gradient, classes, max, factor, weight); break;
            case SimdLevel.Vector128: Gradient<V128>(logits, weights, gradient, classes, max, factor, weight); break;
            default: Gradient<V1>(logits, weights, gradient, classes, max, factor, weight); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gradient<TVector>(float* logits, float* weights, float* gradient, int classes, float max, float factor, float weightFactor)
        where TVector : unmanaged, IVector<TVector>
    {
        var (shift, a, b) = (TVector.Create(max), TVector.Create(factor), TVector.Create(weightFactor));
        var c = 0;
        for (; c <= classes - TVector.Count; c += TVector.Count)
        {
            var w = weights is null ? b : TVector.Load(weights + c) * b;
            ((VectorMath.Exp(TVector.Load(logits + c) - shift) * a) - w).Store(gradient + c);
        }
        var rest = classes - c;
        if (rest > 0)
        {
            var w = weights is null ? b : TVector.LoadFirst(weights + c, rest) * b;
            ((VectorMath.Exp(TVector.LoadFirst(logits + c, rest) - shift) * a) - w).StoreFirst(gradient + c, rest);
        }
    }
}
