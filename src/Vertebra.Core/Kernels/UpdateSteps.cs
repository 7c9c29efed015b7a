using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// What an optimiser does with one element, written once for vectors: the struct is a type argument, so the loop around it is
/// compiled for it. Its fields are the numbers of one step.
/// </summary>
internal interface IUpdateRule
{
    /// <summary>How many numbers of state an element has, at most 4.</summary>
    static abstract int Slots { get; }

    /// <summary>Moves the state on and returns the direction u: the weight then loses rate·u.</summary>
    /// <param name="gradient">The gradient with scale, limit and coupled decay worked in.</param>
    /// <param name="state">The element's state, old before and new after.</param>
    TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>;
}

/// <summary>The state of as many elements as a register holds.</summary>
internal struct SlotLanes<TVector>
{
    public TVector A;
    public TVector B;
    public TVector C;
    public TVector D;
}

/// <summary>The state of a piece of a parameter; slots that a rule does not have are empty.</summary>
internal readonly ref struct SlotSpans(Span<float> a, Span<float> b, Span<float> c, Span<float> d)
{
    public Span<float> A { get; } = a;

    public Span<float> B { get; } = b;

    public Span<float> C { get; } = c;

    public Span<float> D { get; } = d;
}

/// <summary>What is common to all rules: w = shrink·w, g = clamp(scale·g, ±limit) + decay·w, and in the end w -= rate·u.</summary>
/// <param name="Rate">Learning rate, with whatever bias correction does not depend on the element.</param>
/// <param name="Decay">Weight decay added to the gradient (L2).</param>
/// <param name="Shrink">Factor on the weights before the update (decoupled decay).</param>
/// <param name="Scale">Factor on the gradient.</param>
/// <param name="Limit">Largest absolute value of a scaled gradient element.</param>
internal readonly record struct UpdateNumbers(float Rate, float Decay, float Shrink, float Scale, float Limit);

/// <summary>Sums over a piece of a parameter, for methods that look at a whole tensor.</summary>
/// <param name="WeightSquares">Σ w².</param>
/// <param name="Squares">Σ u².</param>
/// <param name="WeightProduct">Σ w·u.</param>
/// <param name="GradientProduct">Σ g·u.</param>
/// <param name="Agreeing">Number of elements with g·u &gt; 0.</param>
internal readonly record struct DirectionSums(double WeightSquares, double Squares, double WeightProduct, double GradientProduct, double Agreeing)
{
    public static DirectionSums operator +(DirectionSums a, DirectionSums b) => new(
        a.WeightSquares + b.WeightSquares, a.Squares + b.Squares, a.WeightProduct + b.WeightProduct,
        a.GradientProduct + b.GradientProduct, a.Agreeing + b.Agreeing);
}

/// <summary>
/// Update rules of optimisers as one pass over memory: weights, gradients and state are each read and written once.
/// Every element stands for itself, so any partition over threads gives the same bits. Averaging over accumulated batches and
/// clipping by value are worked in, cost no pass of their own and never write to the gradient, whose memory may be shared.
/// </summary>
internal static unsafe class UpdateSteps
{
    // Float32 sums stay this short; they are added up in float64.
    private const int Block = 1024;

    /// <summary>The whole update in one pass.</summary>
    public static void Apply<TRule>(TRule rule, Span<float> weights, ReadOnlySpan<float> gradients, SlotSpans slots, in UpdateNumbers numbers) where TRule : struct, IUpdateRule
    {
        CheckLengths<TRule>(weights.Length, gradients.Length, slots);
        fixed (float* w = weights, g = gradients, a = slots.A, b = slots.B, c = slots.C, d = slots.D)
        {
            var at = new Pointers(w, g, a, b, c, d, null);
            switch (Simd.Level)
            {
                case SimdLevel.Vector512: Apply<V512, TRule>(rule, at, weights.Length, numbers); break;
                case SimdLevel.Vector256: Apply<V256, TRule>(rule, at, weights.Length, numbers); break;
                case SimdLevel.Vector128: Apply<V128, TRule>(rule, at, weights.Length, numbers); break;
                default: Apply<V1, TRule>(rule, at, weights.Length, numbers); break;
            }
        }
    }

    /// <summary>
    /// The first half of an update that depends on a whole tensor: state and decoupled decay move on, the directions are written
    /// down and summed; <see cref="Subtract"/> is the second half. With <paramref name="masks"/>, directions against the
    /// gradient's sign (g·u ≤ 0) become 0.
    /// </summary>
    public static DirectionSums Direct<TRule>(
        TRule rule, Span<float> weights, ReadOnlySpan<float> gradients, SlotSpans slots, in UpdateNumbers numbers, bool masks, Span<float> directions)
        where TRule : struct, IUpdateRule
    {
        CheckLengths<TRule>(weights.Length, gradients.Length, slots);
        CheckLengths(weights.Length, directions.Length);
        fixed (float* w = weights, g = gradients, a = slots.A, b = slots.B, c = slots.C, d = slots.D, u = directions)
        {
            var at = new Pointers(w, g, a, b, c, d, u);
            return Simd.Level switch
            {
                SimdLevel.Vector512 => Direct<V512, TRule>(rule, at, weights.Length, masks, numbers),
                SimdLevel.Vector256 => Direct<V256, TRule>(rule, at, weights.Length, masks, numbers),
                SimdLevel.Vector128 => Direct<V128, TRule>(rule, at, weights.Length, masks, numbers),
                _ => Direct<V1, TRule>(rule, at, weights.Length, masks, numbers),
            };
        }
    }

    /// <summary>w = keep·w - rate·u.</summary>
    public static void Subtract(Span<float> weights, ReadOnlySpan<float> directions, float keep, float rate)
    {
        CheckLengths(weights.Length, directions.Length);
        fixed (float* w = weights, u = directions)
        {
            switch (Simd.Level)
            {
                case SimdLevel.Vector512: Subtract<V512>(w, u, weights.Length, keep, rate); break;
                case SimdLevel.Vector256: Subtract<V256>(w, u, weights.Length, keep, rate); break;
                case SimdLevel.Vector128: Subtract<V128>(w, u, weights.Length, keep, rate); break;
                default: Subtract<V1>(w, u, weights.Length, keep, rate); break;
            }
        }
    }

    private static void CheckLengths<TRule>(int weights, int gradients, SlotSpans slots) where TRule : struct, IUpdateRule
    {
        CheckLengths(weights, gradients);
        CheckLengths(TRule.Slots > 0 ? weights : 0, slots.A.Length);
        CheckLengths(TRule.Slots > 1 ? weights : 0, slots.B.Length);
        CheckLengths(TRule.Slots > 2 ? weights : 0, slots.C.Length);
        CheckLengths(TRule.Slots > 3 ? weights : 0, slots.D.Length);
    }

    private static void CheckLengths(int expected, int actual)
    {
        if (expected != actual)
            throw new ArgumentException($"an update needs {expected} numbers and has {actual}");
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Apply<TVector, TRule>(TRule rule, Pointers at, int count, in UpdateNumbers numbers)
        where TVector : unmanaged, IVector<TVector> where TRule : struct, IUpdateRule
    {
        var i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
            ApplyAt<TVector, TRule>(rule, at, i, numbers);
        for (; i < count; i++)
            ApplyAt<V1, TRule>(rule, at, i, numbers);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ApplyAt<TVector, TRule>(TRule rule, in Pointers at, int i, in UpdateNumbers numbers)
        where TVector : unmanaged, IVector<TVector> where TRule : struct, IUpdateRule
    {
        var (weight, _, direction) = DirectionAt<TVector, TRule>(rule, at, i, numbers);
        TVector.Fma(TVector.Create(-numbers.Rate), direction, weight).Store(at.W + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (TVector Weight, TVector Gradient, TVector Direction) DirectionAt<TVector, TRule>(TRule rule, in Pointers at, int i, in UpdateNumbers numbers)
        where TVector : unmanaged, IVector<TVector> where TRule : struct, IUpdateRule
    {
        var weight = TVector.Create(numbers.Shrink) * TVector.Load(at.W + i);
        var limited = TVector.Min(TVector.Max(TVector.Load(at.G + i) * TVector.Create(numbers.Scale), TVector.Create(-numbers.Limit)), TVector.Create(numbers.Limit));
        var gradient = TVector.Fma(TVector.Create(numbers.Decay), weight, limited);
        var state = default(SlotLanes<TVector>);
        if (TRule.Slots > 0)
            state.A = TVector.Load(at.A + i);
        if (TRule.Slots > 1)
            state.B = TVector.Load(at.B + i);
        if (TRule.Slots > 2)
            state.C = TVector.Load(at.C + i);
        if (TRule.Slots > 3)
            state.D = TVector.Load(at.D + i);
        var direction = rule.Direction(gradient, ref state);
        if (TRule.Slots > 0)
            state.A.Store(at.A + i);
        if (TRule.Slots > 1)
            state.B.Store(at.B + i);
        if (TRule.Slots > 2)
            state.C.Store(at.C + i);
        if (TRule.Slots > 3)
            state.D.Store(at.D + i);
        return (weight, gradient, direction);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static DirectionSums Direct<TVector, TRule>(TRule rule, Pointers at, int count, bool masks, in UpdateNumbers numbers)
        where TVector : unmanaged, IVector<TVector> where TRule : struct, IUpdateRule
    {
        var total = default(DirectionSums);
        for (var start = 0; start < count; start += Block)
        {
            var end = Math.Min(count, start + Block);
            var (wide, narrow) = (default(SumLanes<TVector>), default(SumLanes<V1>));
            var i = start;
            for (; i <= end - TVector.Count; i += TVector.Count)
                DirectAt(rule, at, i, masks, numbers, ref wide);
            for (; i < end; i++)
                DirectAt(rule, at, i, masks, numbers, ref narrow);
            total = total + Sum(wide) + Sum(narrow);
        }
        return total;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void DirectAt<TVector, TRule>(TRule rule, in Pointers at, int i, bool masks, in UpdateNumbers numbers, ref SumLanes<TVector> sums)
        where TVector : unmanaged, IVector<TVector> where TRule : struct, IUpdateRule
    {
        var (weight, gradient, direction) = DirectionAt<TVector, TRule>(rule, at, i, numbers);
        var agrees = TVector.GreaterThan(gradient * direction, TVector.Zero);
        if (masks)
            direction = TVector.Select(agrees, direction, TVector.Zero);
        weight.Store(at.W + i);
        direction.Store(at.U + i);
        sums.WeightSquares = TVector.Fma(weight, weight, sums.WeightSquares);
        sums.Squares = TVector.Fma(direction, direction, sums.Squares);
        sums.WeightProduct = TVector.Fma(weight, direction, sums.WeightProduct);
        sums.GradientProduct = TVector.Fma(gradient, direction, sums.GradientProduct);
        sums.Agreeing += TVector.Select(agrees, TVector.Create(1), TVector.Zero);
    }

    private static DirectionSums Sum<TVector>(in SumLanes<TVector> sums) where TVector : unmanaged, IVector<TVector> => new(
        TVector.Sum(sums.WeightSquares), TVector.Sum(sums.Squares), TVector.Sum(sums.WeightProduct), TVector.Sum(sums.GradientProduct), TVector.Sum(sums.Agreeing));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Subtract<TVector>(float* w, float* u, int count, float keep, float rate) where TVector : unmanaged, IVector<TVector>
    {
        var i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
            SubtractAt<TVector>(w + i, u + i, keep, rate);
        for (; i < count; i++)
            SubtractAt<V1>(w + i, u + i, keep, rate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SubtractAt<TVector>(float* w, float* u, float keep, float rate) where TVector : unmanaged, IVector<TVector> =>
        TVector.Fma(TVector.Create(-rate), TVector.Load(u), TVector.Create(keep) * TVector.Load(w)).Store(w);

    private readonly struct Pointers(float* w, float* g, float* a, float* b, float* c, float* d, float* u)
    {
        public readonly float* W = w;
        public readonly float* G = g;
        public readonly float* A = a;
        public readonly float* B = b;
        public readonly float* C = c;
        public readonly float* D = d;
        public readonly float* U = u;
    }

    private struct SumLanes<TVector>
    {
        public TVector WeightSquares;
        public TVector Squares;
        public TVector WeightProduct;
        public TVector GradientProduct;
        public TVector Agreeing;
    }
}
