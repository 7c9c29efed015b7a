using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// Elementary functions over vectors. Polynomial coefficients are minimax fits made for this file (Remez exchange in
/// extended precision, then rounded to float32); the stated largest errors are those measured by the tests.
/// </summary>
internal static class VectorMath
{
    private const float Log2E = 1.44269504f;
    private const float Ln2High = 0.693145752f; // its last nine bits are zero, so that n · Ln2High is exact
    private const float Ln2Low = 1.42860677e-06f;

    /// <summary>e^x, denormal results included; 0 below -104, infinity above 88.73.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        // Beyond these bounds the result is 0 or infinity anyway, and n stays within what two powers of two can scale.
        x = TVector.Min(TVector.Max(x, TVector.Create(-104f)), TVector.Create(89f));
        var n = TVector.Round(x * TVector.Create(Log2E));
        var r = TVector.Fma(n, TVector.Create(-Ln2High), x);
        r = TVector.Fma(n, TVector.Create(-Ln2Low), r);
        // e^r = 1 + r + r² · q(r) for |r| <= ln(2) / 2
        var q = TVector.Fma(TVector.Create(0.00139504485f), r, TVector.Create(0.00836888608f));
        q = TVector.Fma(q, r, TVector.Create(0.041666206f));
        q = TVector.Fma(q, r, TVector.Create(0.166665196f));
        q = TVector.Fma(q, r, TVector.Create(0.5f));
        var p = TVector.Fma(r * r, q, r) + TVector.Create(1f);
        // 2^n in two factors: the first keeps the product normal, so a denormal result is rounded once.
        var half = TVector.Round(n * TVector.Create(0.5f));
        return p * TVector.PowerOfTwo(half) * TVector.PowerOfTwo(n - half);
    }
}
