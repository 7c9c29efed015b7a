namespace Vertebra.Kernels;

/// <summary>Momentum, plain or Nesterov's, as PyTorch's <c>SGD</c> with dampening 0: v = momentum·v + g; u = v, or g + momentum·v.</summary>
internal readonly record struct MomentumRule(float Momentum, bool Nesterov) : IUpdateRule
{
    public static int Slots => 1;

    public TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>
    {
        var momentum = TVector.Create(Momentum);
        state.A = TVector.Fma(momentum, state.A, gradient);
        return Nesterov ? TVector.Fma(momentum, state.A, gradient) : state.A;
    }
}

/// <summary>The running means of Adam and its kin: m = β1·m + (1-β1)·g; s = β2·s + (1-β2)·g².</summary>
/// <param name="Beta1">Decay of the mean.</param>
/// <param name="Rest1">1 - β1, rounded once: from a float32 β it would be wrong in the fifth digit.</param>
/// <param name="Beta2">Decay of the mean square.</param>
/// <param name="Rest2">1 - β2, rounded once.</param>
/// <param name="Epsilon">Added to the denominator.</param>
/// <param name="Correction">√(1 - β2^t), or 1 where the mean square's bias is not corrected.</param>
internal readonly record struct Moments(float Beta1, float Rest1, float Beta2, float Rest2, float Epsilon, float Correction)
{
    public TVector Mean<TVector>(TVector mean, TVector gradient) where TVector : unmanaged, IVector<TVector> =>
        TVector.Fma(TVector.Create(Rest1), gradient, TVector.Create(Beta1) * mean);

    public TVector Square<TVector>(TVector square, TVector gradient) where TVector : unmanaged, IVector<TVector> =>
        TVector.Fma(TVector.Create(Rest2) * gradient, gradient, TVector.Create(Beta2) * square);

    /// <summary>√s / correction + ε.</summary>
    public TVector Denominator<TVector>(TVector square) where TVector : unmanaged, IVector<TVector> =>
        (TVector.Sqrt(square) / TVector.Create(Correction)) + TVector.Create(Epsilon);
}

/// <summary>Adam (Kingma and Ba 2015, as PyTorch computes it): u = m / (√s / correction + ε); the rate holds the mean's correction.</summary>
internal readonly record struct AdamRule(Moments Moments) : IUpdateRule
{
    public static int Slots => 2;

    public TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>
    {
        state.A = Moments.Mean(state.A, gradient);
        state.B = Moments.Square(state.B, gradient);
        return state.A / Moments.Denominator(state.B);
    }
}

/// <summary>Adam with Nesterov's look ahead: u = (meanShare·m + gradientShare·g) / (√s / correction + ε).</summary>
internal readonly record struct NesterovAdamRule(Moments Moments, float MeanShare, float GradientShare) : IUpdateRule
{
    public static int Slots => 2;

    public TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>
    {
        state.A = Moments.Mean(state.A, gradient);
        state.B = Moments.Square(state.B, gradient);
        var ahead = TVector.Fma(TVector.Create(MeanShare), state.A, TVector.Create(GradientShare) * gradient);
        return ahead / Moments.Denominator(state.B);
    }
}

/// <summary>Rectified Adam: as Adam where the variance of the mean square can be trusted, and u = m before.</summary>
internal readonly record struct RectifiedAdamRule(Moments Moments, bool Adapts) : IUpdateRule
{
    public static int Slots => 2;

    public TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>
    {
        state.A = Moments.Mean(state.A, gradient);
        state.B = Moments.Square(state.B, gradient);
        return Adapts ? state.A / Moments.Denominator(state.B) : state.A;
    }
}

/// <summary>AdaBelief: s is the mean square of what the gradient differs from its mean, plus ε.</summary>
internal readonly record struct BeliefRule(Moments Moments, bool Adapts) : IUpdateRule
{
    public static int Slots => 2;

    public TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>
    {
        state.A = Moments.Mean(state.A, gradient);
        state.B = Moments.Square(state.B, gradient - state.A) + TVector.Create(Moments.Epsilon);
        return Adapts ? state.A / Moments.Denominator(state.B) : state.A;
    }
}

/// <summary>diffGrad: Adam's direction times the logistic function of how much the gradient has changed since the last step.</summary>
internal readonly record struct FrictionRule(Moments Moments) : IUpdateRule
{
    public static int Slots => 3;

    public TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>
    {
        state.A = Moments.Mean(state.A, gradient);
        state.B = Moments.Square(state.B, gradient);
        var friction = VectorMath.Sigmoid(TVector.Abs(state.C - gradient));
        state.C = gradient;
        return friction * state.A / Moments.Denominator(state.B);
    }
}

/// <summary>
/// Adan: means of the gradient (m), of its change (d), and of the square of g + β2·change (n);
/// u = (m·meanShare + d·changeShare) / (√n / correction + ε).
/// </summary>
/// <param name="Moments">β1 for m, β3 for n.</param>
/// <param name="Beta2">Decay of the change.</param>
/// <param name="Rest2">1 - β2.</param>
/// <param name="MeanShare">1 / (1 - β1^t).</param>
/// <param name="ChangeShare">β2 / (1 - β2^t).</param>
/// <param name="IsFirst">There is no former gradient.</param>
internal readonly record struct AdanRule(Moments Moments, float Beta2, float Rest2, float MeanShare, float ChangeShare, bool IsFirst) : IUpdateRule
{
    public static int Slots => 4;

    public TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>
    {
        var change = IsFirst ? TVector.Zero : gradient - state.D;
        state.A = Moments.Mean(state.A, gradient);
        state.B = Moments.Square(state.B, TVector.Fma(TVector.Create(Beta2), change, gradient));
        state.C = TVector.Fma(TVector.Create(Rest2), change, TVector.Create(Beta2) * state.C);
        state.D = gradient;
        var ahead = TVector.Fma(TVector.Create(MeanShare), state.A, TVector.Create(ChangeShare) * state.C);
        return ahead / Moments.Denominator(state.B);
    }
}

/// <summary>Lion: u = sign(β1·m + (1-β1)·g), and only then m = β2·m + (1-β2)·g.</summary>
internal readonly record struct LionRule(float Beta1, float Rest1, float Beta2, float Rest2) : IUpdateRule
{
    public static int Slots => 1;

    public TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>
    {
        var mixed = TVector.Fma(TVector.Create(Rest1), gradient, TVector.Create(Beta1) * state.A);
        state.A = TVector.Fma(TVector.Create(Rest2), gradient, TVector.Create(Beta2) * state.A);
        var positive = TVector.Select(TVector.GreaterThan(mixed, TVector.Zero), TVector.Create(1), TVector.Zero);
        return TVector.Select(TVector.GreaterThan(TVector.Zero, mixed), TVector.Create(-1), positive);
    }
}

/// <summary>
/// RMSprop with momentum: s = α·s + (1-α)·g²; v = momentum·v + inner·g / (√s + ε), or √(s + ε) as TensorFlow has it; u = v.
/// </summary>
/// <param name="Alpha">Decay of the mean square.</param>
/// <param name="Rest">1 - α.</param>
/// <param name="Momentum">Momentum.</param>
/// <param name="Epsilon">ε.</param>
/// <param name="EpsilonInside">ε stands under the root.</param>
/// <param name="Inner">Factor on what enters the momentum: the learning rate in TensorFlow's form, else 1.</param>
internal readonly record struct RmsPropRule(float Alpha, float Rest, float Momentum, float Epsilon, bool EpsilonInside, float Inner) : IUpdateRule
{
    public static int Slots => 2;

    public TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>
    {
        var epsilon = TVector.Create(Epsilon);
        state.A = TVector.Fma(TVector.Create(Rest) * gradient, gradient, TVector.Create(Alpha) * state.A);
        var root = EpsilonInside ? TVector.Sqrt(state.A + epsilon) : TVector.Sqrt(state.A) + epsilon;
        state.B = TVector.Fma(TVector.Create(Momentum), state.B, TVector.Create(Inner) * gradient / root);
        return state.B;
    }
}

/// <summary>Adagrad: s += g²; u = g / (√s + ε).</summary>
internal readonly record struct AdagradRule(float Epsilon) : IUpdateRule
{
    public static int Slots => 1;

    public TVector Direction<TVector>(TVector gradient, ref SlotLanes<TVector> state) where TVector : unmanaged, IVector<TVector>
    {
        state.A = TVector.Fma(gradient, gradient, state.A);
        return gradient / (TVector.Sqrt(state.A) + TVector.Create(Epsilon));
    }
}
