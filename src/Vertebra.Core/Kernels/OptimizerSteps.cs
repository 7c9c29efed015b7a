using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// Update rules of optimisers as one pass over memory: weights, gradients and state are each read and written once.
/// Every element stands for itself, so any partition over threads gives the same bits. Before a rule sees a gradient it
/// becomes clamp(gradient · Scale, -Limit, Limit): averaging over accumulated batches and clipping cost no pass of their own
/// and never write to the gradient, whose memory may be shared.
/// </summary>
internal static unsafe class OptimizerSteps
{
    /// <summary>
    /// Stochastic gradient descent as PyTorch's <c>SGD</c> with dampening 0:
    /// d = g + decay·w; v = momentum·v + d; w -= rate·(nesterov ? d + momentum·v : v), or w -= rate·d without momentum.
    /// </summary>
    public static void Sgd(Span<float> weights, ReadOnlySpan<float> gradients, Span<float> velocity, in SgdStep step)
    {
        CheckLengths(weights.Length, gradients.Length, step.HasMomentum ? velocity.Length : weights.Length);
        fixed (float* w = weights, g = gradients, v = velocity)
        {
            switch (Simd.Level)
            {
                case SimdLevel.Vector512: Sgd<V512>(w, g, v, weights.Length, step); break;
                case SimdLevel.Vector256: Sgd<V256>(w, g, v, weights.Length, step); break;
                case SimdLevel.Vector128: Sgd<V128>(w, g, v, weights.Length, step); break;
                default: Sgd<V1>(w, g, v, weights.Length, step); break;
            }
        }
    }

    /// <summary>
    /// Adam (Kingma and Ba 2015, as PyTorch computes it) and, with <see cref="AdamStep.Shrink"/> below 1, AdamW (Loshchilov and
    /// Hutter 2019): w *= shrink; d = g + decay·w; m = β1·m + (1-β1)·d; s = β2·s + (1-β2)·d²; w -= rate·m / (√s / correction + ε).
    /// </summary>
    public static void Adam(Span<float> weights, ReadOnlySpan<float> gradients, Span<float> mean, Span<float> meanSquare, in AdamStep step)
    {
        CheckLengths(weights.Length, gradients.Length, mean.Length);
        CheckLengths(weights.Length, gradients.Length, meanSquare.Length);
        fixed (float* w = weights, g = gradients, m = mean, s = meanSquare)
        {
            switch (Simd.Level)
            {
                case SimdLevel.Vector512: Adam<V512>(w, g, m, s, weights.Length, step); break;
                case SimdLevel.Vector256: Adam<V256>(w, g, m, s, weights.Length, step); break;
                case SimdLevel.Vector128: Adam<V128>(w, g, m, s, weights.Length, step); break;
                default: Adam<V1>(w, g, m, s, weights.Length, step); break;
            }
        }
    }

    /// <summary>average += weight · (value - average); with weight 1 the average becomes exactly the value.</summary>
    public static void MoveTowards(Span<float> average, ReadOnlySpan<float> value, float weight)
    {
        CheckLengths(average.Length, value.Length, average.Length);
        fixed (float* a = average, v = value)
        {
            switch (Simd.Level)
            {
                case SimdLevel.Vector512: MoveTowards<V512>(a, v, average.Length, weight); break;
                case SimdLevel.Vector256: MoveTowards<V256>(a, v, average.Length, weight); break;
                case SimdLevel.Vector128: MoveTowards<V128>(a, v, average.Length, weight); break;
                default: MoveTowards<V1>(a, v, average.Length, weight); break;
            }
        }
    }

    /// <summary>Σ x², in float32 within blocks of 1024 and in float64 across them.</summary>
    public static double SumOfSquares(ReadOnlySpan<float> values)
    {
        fixed (float* x = values)
        {
            return Simd.Level switch
            {
                SimdLevel.Vector512 => SumOfSquares<V512>(x, values.Length),
                SimdLevel.Vector256 => SumOfSquares<V256>(x, values.Length),
                SimdLevel.Vector128 => SumOfSquares<V128>(x, values.Length),
                _ => SumOfSquares<V1>(x, values.Length),
            };
        }
    }

    private static void CheckLengths(int weights, int gradients, int state)
    {
        if (weights != gradients || weights != state)
            throw new ArgumentException($"an update of {weights} weights has {gradients} gradients and {state} numbers of state");
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sgd<TVector>(float* w, float* g, float* v, int count, in SgdStep step) where TVector : unmanaged, IVector<TVector>
    {
        var i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
            SgdAt<TVector>(w + i, g + i, v + i, step);
        for (; i < count; i++)
            SgdAt<V1>(w + i, g + i, v + i, step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SgdAt<TVector>(float* w, float* g, float* v, in SgdStep step) where TVector : unmanaged, IVector<TVector>
    {
        var weight = TVector.Load(w);
        var direction = TVector.Fma(TVector.Create(step.Decay), weight, Transformed<TVector>(g, step.Scale, step.Limit));
        if (step.HasMomentum)
        {
            var momentum = TVector.Create(step.Momentum);
            var velocity = TVector.Fma(momentum, TVector.Load(v), direction);
            velocity.Store(v);
            direction = step.Nesterov ? TVector.Fma(momentum, velocity, direction) : velocity;
        }
        TVector.Fma(TVector.Create(-step.Rate), direction, weight).Store(w);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Adam<TVector>(float* w, float* g, float* m, float* s, int count, in AdamStep step) where TVector : unmanaged, IVector<TVector>
    {
        var i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
            AdamAt<TVector>(w + i, g + i, m + i, s + i, step);
        for (; i < count; i++)
            AdamAt<V1>(w + i, g + i, m + i, s + i, step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AdamAt<TVector>(float* w, float* g, float* m, float* s, in AdamStep step) where TVector : unmanaged, IVector<TVector>
    {
        var weight = TVector.Create(step.Shrink) * TVector.Load(w);
        var direction = TVector.Fma(TVector.Create(step.Decay), weight, Transformed<TVector>(g, step.Scale, step.Limit));
        var mean = TVector.Fma(TVector.Create(step.Rest1), direction, TVector.Create(step.Beta1) * TVector.Load(m));
        var square = TVector.Fma(TVector.Create(step.Rest2) * direction, direction, TVector.Create(step.Beta2) * TVector.Load(s));
        mean.Store(m);
        square.Store(s);
        var denominator = (TVector.Sqrt(square) / TVector.Create(step.Correction)) + TVector.Create(step.Epsilon);
        TVector.Fma(TVector.Create(-step.Rate), mean / denominator, weight).Store(w);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Transformed<TVector>(float* g, float scale, float limit) where TVector : unmanaged, IVector<TVector> =>
        TVector.Min(TVector.Max(TVector.Load(g) * TVector.Create(scale), TVector.Create(-limit)), TVector.Create(limit));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MoveTowards<TVector>(float* average, float* value, int count, float weight) where TVector : unmanaged, IVector<TVector>
    {
        var i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
            MoveTowardsAt<TVector>(average + i, value + i, weight);
        for (; i < count; i++)
            MoveTowardsAt<V1>(average + i, value + i, weight);
    }

    // Two forms, as in PyTorch's lerp, so that either end is met exactly.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MoveTowardsAt<TVector>(float* average, float* value, float weight) where TVector : unmanaged, IVector<TVector>
    {
        var (from, to) = (TVector.Load(average), TVector.Load(value));
        var moved = weight < 0.5f
            ? TVector.Fma(TVector.Create(weight), to - from, from)
            : TVector.Fma(TVector.Create(weight - 1), to - from, to);
        moved.Store(average);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumOfSquares<TVector>(float* x, int count) where TVector : unmanaged, IVector<TVector>
    {
        const int Block = 1024;
        double total = 0;
        for (var start = 0; start < count; start += Block)
        {
            var end = Math.Min(count, start + Block);
            var sum = TVector.Zero;
            var i = start;
            for (; i <= end - TVector.Count; i += TVector.Count)
                sum = TVector.Fma(TVector.Load(x + i), TVector.Load(x + i), sum);
            total += TVector.Sum(sum);
            for (; i < end; i++)
                total += (double)x[i] * x[i];
        }
        return total;
    }
}

/// <summary>The numbers of one SGD update; see <see cref="OptimizerSteps.Sgd"/>.</summary>
internal readonly record struct SgdStep(float Rate, float Momentum, bool Nesterov, float Decay, float Scale, float Limit)
{
    public bool HasMomentum => Momentum != 0;
}

/// <summary>The numbers of one Adam update, bias corrections worked in; see <see cref="OptimizerSteps.Adam"/>.</summary>
/// <param name="Rate">Learning rate / (1 - β1^t).</param>
/// <param name="Beta1">Decay of the mean.</param>
/// <param name="Rest1">1 - β1, rounded once: from a float32 β it would be wrong in the fifth digit.</param>
/// <param name="Beta2">Decay of the mean square.</param>
/// <param name="Rest2">1 - β2, rounded once.</param>
/// <param name="Epsilon">Added to the denominator.</param>
/// <param name="Correction">√(1 - β2^t).</param>
/// <param name="Decay">Weight decay added to the gradient (Adam).</param>
/// <param name="Shrink">Factor on the weights before the update, 1 - rate·decay (AdamW).</param>
/// <param name="Scale">Factor on the gradient.</param>
/// <param name="Limit">Largest absolute value of a scaled gradient element.</param>
internal readonly record struct AdamStep(
    float Rate, float Beta1, float Rest1, float Beta2, float Rest2, float Epsilon, float Correction, float Decay, float Shrink, float Scale, float Limit);
