using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>An activation that a normalisation or convolution can apply while it writes its result.</summary>
public enum Activation
{
    /// <summary>The value itself.</summary>
    None,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>min(max(x, 0), 6).</summary>
    Relu6,
}

/// <summary>An <see cref="Activation"/> as a type argument.</summary>
internal interface IFusedActivation
{
    static abstract TVector Apply<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>;

    /// <summary>The gradient at the input: <paramref name="gradient"/> · f'(x). It holds for x before the activation and for x after it.</summary>
    static abstract TVector Gate<TVector>(TVector x, TVector gradient) where TVector : unmanaged, IVector<TVector>;
}

internal readonly struct NoActivation : IFusedActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gate<TVector>(TVector x, TVector gradient) where TVector : unmanaged, IVector<TVector> => gradient;
}

internal readonly struct FusedRelu : IFusedActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => TVector.Max(x, TVector.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gate<TVector>(TVector x, TVector gradient) where TVector : unmanaged, IVector<TVector> =>
        TVector.Select(TVector.GreaterThan(x, TVector.Zero), gradient, TVector.Zero);
}

internal readonly struct FusedRelu6 : IFusedActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
        TVector.Min(TVector.Max(x, TVector.Zero), TVector.Create(6));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gate<TVector>(TVector x, TVector gradient) where TVector : unmanaged, IVector<TVector>
    {
        var positive = TVector.Select(TVector.GreaterThan(x, TVector.Zero), gradient, TVector.Zero);
        return TVector.Select(TVector.GreaterThan(TVector.Create(6), x), positive, TVector.Zero);
    }
}
