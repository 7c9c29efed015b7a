using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// Elementary functions over vectors. Polynomial coefficients are minimax fits made for this file (Remez exchange in
/// extended precision, then rounded to float32). The stated bounds on the error, in units in the last place, hold for
/// every number that the tests try, over all exponents, with or without fused multiply-add.
/// </summary>
internal static class VectorMath
{
    private const float Log2E = 1.44269504f;
    private const float Ln2High = 0.693145752f; // its last nine bits are zero, so that n · Ln2High is exact
    private const float Ln2Low = 1.42860677e-06f;

    /// <summary>e^x, denormal results included; 0 below -104, infinity above 88.73. Within 1.1 units in the last place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        // Beyond these bounds the result is 0 or infinity anyway, and n stays small.
        x = TVector.AtMost(TVector.Create(89f), TVector.AtLeast(TVector.Create(-104f), x));
        var n = TVector.Round(x * TVector.Create(Log2E));
        var r = TVector.Fma(n, TVector.Create(-Ln2High), x);
        r = TVector.Fma(n, TVector.Create(-Ln2Low), r);
        var p = ExpMinusOneNearZero(r) + TVector.Create(1f);
        return TVector.Scale(p, n);
    }

    /// <summary>e^x for x up to 87, 0 below -87: what softmax needs, at two thirds of the cost of <see cref="Exp"/>. Within 1.1 units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ExpFlushed<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        var n = TVector.Round(x * TVector.Create(Log2E));
        var r = TVector.Fma(n, TVector.Create(-Ln2Low), TVector.Fma(n, TVector.Create(-Ln2High), x));
        var p = ExpMinusOneNearZero(r) + TVector.Create(1f);
        // Below the bound, -∞ included, the power of two is nonsense. NaN is not below it, and stays NaN.
        return TVector.Select(TVector.GreaterThan(TVector.Create(-87f), x), TVector.Zero, p * TVector.PowerOfTwo(n));
    }

    /// <summary>e^x - 1 without cancellation, for x &lt;= 0 (larger x give nonsense). Within 1 unit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ExpMinusOne<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        x = TVector.AtLeast(TVector.Create(-87f), x); // -1 to the last bit long before
        var n = TVector.Round(x * TVector.Create(Log2E));
        var p = ExpMinusOneNearZero(TVector.Fma(n, TVector.Create(-Ln2Low), TVector.Fma(n, TVector.Create(-Ln2High), x)));
        var scale = TVector.PowerOfTwo(n);
        return TVector.Fma(p, scale, scale - TVector.Create(1f));
    }

    /// <summary>Natural logarithm, denormals included; -infinity at 0, NaN below. Within 0.9 units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Log<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        var one = TVector.Create(1f);
        var isDenormal = TVector.GreaterThan(TVector.Create(1.17549435e-38f), x);
        var scaled = TVector.Select(isDenormal, x * TVector.Create(16777216f), x);
        // x = m · 2^e with m in [√½, √2)
        var e = TVector.Exponent(scaled) - (isDenormal & TVector.Create(24f));
        var m = (scaled & TVector.Create(BitConverter.Int32BitsToSingle(0x007FFFFF))) | one;
        var isUpper = TVector.GreaterThan(m, TVector.Create(1.41421354f));
        m = TVector.Select(isUpper, m * TVector.Create(0.5f), m);
        e += isUpper & one;
        var log = LogOnePlusNearZero(m - one, e);
        log = TVector.Select(TVector.Equal(x, TVector.Create(float.PositiveInfinity)), x, log);
        var outside = TVector.Select(TVector.Equal(x, TVector.Zero), TVector.Create(float.NegativeInfinity), TVector.Create(float.NaN));
        return TVector.Select(TVector.GreaterThan(x, TVector.Zero), log, outside);
    }

    /// <summary>log(1 + x) for x in [0, 1]. Within 1.5 units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector LogOnePlus<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        // Above √2 - 1: log(1 + x) = log(2) + log(1 + (x - 1) / 2), where x - 1 is exact.
        var one = TVector.Create(1f);
        var isUpper = TVector.GreaterThan(x, TVector.Create(0.414213562f));
        return LogOnePlusNearZero(TVector.Select(isUpper, (x - one) * TVector.Create(0.5f), x), isUpper & one);
    }

    /// <summary>Hyperbolic tangent. Within 1.5 units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Tanh<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        var one = TVector.Create(1f);
        var size = TVector.Abs(x);
        var far = one - (TVector.Create(2f) / (Exp(size + size) + one));
        far |= x & TVector.Create(-0f);
        var z = x * x;
        var p = TVector.Fma(TVector.Create(-0.00566533348f), z, TVector.Create(0.0206067078f));
        p = TVector.Fma(p, z, TVector.Create(-0.0537309423f));
        p = TVector.Fma(p, z, TVector.Create(0.133313537f));
        p = TVector.Fma(p, z, TVector.Create(-0.333332807f));
        var near = TVector.Fma(p * z, x, x);
        return TVector.Select(TVector.GreaterThan(size, TVector.Create(0.6f)), far, near);
    }

    /// <summary>1 / (1 + e^-x). Within 2.4 units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sigmoid<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        // The exponential never overflows, and small results keep all their digits.
        var one = TVector.Create(1f);
        var e = Exp(TVector.Zero - TVector.Abs(x));
        return TVector.Select(TVector.GreaterThan(x, TVector.Zero), one, e) / (one + e);
    }

    /// <summary>x / (1 + e^-x). Within 2.5 units (2.403 over all float32 numbers), at two thirds of the cost of the product with <see cref="Sigmoid"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Silu<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        // At the upper bound the power of two is infinite, and the result 0.
        var t = TVector.AtMost(TVector.Create(111f), TVector.AtLeast(TVector.Create(-87f), TVector.Zero - x));
        var n = TVector.Round(t * TVector.Create(Log2E));
        var p = ExpMinusOneNearZero(TVector.Fma(n, TVector.Create(-Ln2Low), TVector.Fma(n, TVector.Create(-Ln2High), t)));
        // Both sides of a quotient near the end of the range are divided by 2^32, so that it comes out denormal and not 0.
        var one = TVector.Create(1f);
        var isLarge = TVector.GreaterThan(t, TVector.Create(60f));
        var unit = TVector.Select(isLarge, TVector.Create(2.32830644e-10f), one);
        return x * unit / TVector.Fma(p + one, TVector.PowerOfTwo(n - (isLarge & TVector.Create(32f))), unit);
    }

    /// <summary>log(1 + e^x). Within 1.8 units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Softplus<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
        TVector.AtLeast(TVector.Zero, x) + LogOnePlus(Exp(TVector.Zero - TVector.Abs(x)));

    /// <summary>Error function. Within 1.2 units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Erf<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        var size = TVector.Abs(x);
        var far = TVector.Create(1f) - (Exp(TVector.Zero - (size * size)) * ScaledErfc(size));
        far |= x & TVector.Create(-0f);
        var z = x * x;
        var p = TVector.Fma(TVector.Create(7.85386146e-05f), z, TVector.Create(-0.000801019371f));
        p = TVector.Fma(p, z, TVector.Create(0.00518832775f));
        p = TVector.Fma(p, z, TVector.Create(-0.0268538129f));
        p = TVector.Fma(p, z, TVector.Create(0.112835854f));
        p = TVector.Fma(p, z, TVector.Create(-0.37612626f));
        p = TVector.Fma(p, z, TVector.Create(0.128379166f));
        var near = TVector.Fma(p, x, x);
        return TVector.Select(TVector.GreaterThan(size, TVector.Create(1f)), far, near);
    }

    /// <summary>
    /// The standard normal distribution at x: how much lies below, and the density without its factor 1 / √(2π), e^(-x² / 2). The first is within
    /// 5.5 units near 0; far below, the rounding of x² adds x² / 2 units.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (TVector Below, TVector Density) Normal<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        var density = Exp(x * x * TVector.Create(-0.5f));
        var tail = TVector.Create(0.5f) * density * ScaledErfc(TVector.Abs(x) * TVector.Create(0.707106781f));
        return (TVector.Select(TVector.GreaterThan(x, TVector.Zero), TVector.Create(1f) - tail, tail), density);
    }

    /// <summary>e^(x²) · erfc(x) for x &gt;= 0, held constant beyond 10.3, where erfc is below the smallest float32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector ScaledErfc<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        x = TVector.AtMost(TVector.Create(10.3f), x);
        var q = (x - TVector.Create(3f)) / (x + TVector.Create(3f));
        var p = TVector.Fma(TVector.Create(5.59645086e-05f), q, TVector.Create(2.89938307e-05f));
        p = TVector.Fma(p, q, TVector.Create(-0.00059451838f));
        p = TVector.Fma(p, q, TVector.Create(0.000715678441f));
        p = TVector.Fma(p, q, TVector.Create(0.00426883623f));
        p = TVector.Fma(p, q, TVector.Create(-0.0243942253f));
        p = TVector.Fma(p, q, TVector.Create(0.0716658756f));
        p = TVector.Fma(p, q, TVector.Create(-0.150115788f));
        p = TVector.Fma(p, q, TVector.Create(0.2456038f));
        p = TVector.Fma(p, q, TVector.Create(-0.326233566f));
        return TVector.Fma(p, q, TVector.Create(0.179001153f));
    }

    /// <summary>e^r - 1 = r + r² · q(r) for |r| &lt;= ln(2) / 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector ExpMinusOneNearZero<TVector>(TVector r) where TVector : unmanaged, IVector<TVector>
    {
        var q = TVector.Fma(TVector.Create(0.00139504485f), r, TVector.Create(0.00836888608f));
        q = TVector.Fma(q, r, TVector.Create(0.041666206f));
        q = TVector.Fma(q, r, TVector.Create(0.166665196f));
        q = TVector.Fma(q, r, TVector.Create(0.5f));
        return TVector.Fma(r * r, q, r);
    }

    /// <summary>log(1 + f) + e · log(2) for f in [√½ - 1, √2 - 1], as f - f² / 2 + f³ · p(f).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector LogOnePlusNearZero<TVector>(TVector f, TVector e) where TVector : unmanaged, IVector<TVector>
    {
        var p = TVector.Fma(TVector.Create(0.0691731647f), f, TVector.Create(-0.117907979f));
        p = TVector.Fma(p, f, TVector.Create(0.118725792f));
        p = TVector.Fma(p, f, TVector.Create(-0.123841919f));
        p = TVector.Fma(p, f, TVector.Create(0.142187133f));
        p = TVector.Fma(p, f, TVector.Create(-0.1666926f));
        p = TVector.Fma(p, f, TVector.Create(0.200022221f));
        p = TVector.Fma(p, f, TVector.Create(-0.249999866f));
        p = TVector.Fma(p, f, TVector.Create(0.333333105f));
        var square = f * f;
        var y = TVector.Fma(e, TVector.Create(Ln2Low), square * f * p);
        y = TVector.Fma(square, TVector.Create(-0.5f), y);
        return TVector.Fma(e, TVector.Create(Ln2High), f + y);
    }
}
