using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// One of Winograd's minimal filtering algorithms F(m × m, 3 × 3), in one dimension: a square of m results is
/// Aᵀ[(G g Gᵀ) ∘ (Bᵀ d B)]A of the 3 × 3 filter g and the square d of m + 2 inputs a side, so each matrix is applied to rows and then to columns
/// (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).
/// </summary>
internal unsafe interface IWinogradScheme
{
    /// <summary>Results a side, m.</summary>
    static abstract int Results { get; }

    /// <summary>Inputs a side, m + 2, and also products a side; six at most.</summary>
    static abstract int Side { get; }

    /// <summary>Bᵀ x: stores <see cref="Side"/> vectors, <paramref name="step"/> numbers apart. Operands beyond the side are not read.</summary>
    static abstract void Input<TVector>(TVector x0, TVector x1, TVector x2, TVector x3, TVector x4, TVector x5, float* to, nint step)
        where TVector : unmanaged, IVector<TVector>;

    /// <summary>G g: stores <see cref="Side"/> vectors.</summary>
    static abstract void Filter<TVector>(TVector g0, TVector g1, TVector g2, float* to, nint step) where TVector : unmanaged, IVector<TVector>;

    /// <summary>Aᵀ p: stores <see cref="Results"/> vectors.</summary>
    static abstract void Output<TVector>(TVector p0, TVector p1, TVector p2, TVector p3, TVector p4, TVector p5, float* to, nint step)
        where TVector : unmanaged, IVector<TVector>;
}

/// <summary>F(2 × 2, 3 × 3), from the points 0, 1, -1 and infinity: sums and halves only.</summary>
internal readonly unsafe struct WinogradF2 : IWinogradScheme
{
    public static int Results => 2;
    public static int Side => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Input<TVector>(TVector x0, TVector x1, TVector x2, TVector x3, TVector x4, TVector x5, float* to, nint step)
        where TVector : unmanaged, IVector<TVector>
    {
        (x0 - x2).Store(to);
        (x1 + x2).Store(to + step);
        (x2 - x1).Store(to + 2 * step);
        (x1 - x3).Store(to + 3 * step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Filter<TVector>(TVector g0, TVector g1, TVector g2, float* to, nint step) where TVector : unmanaged, IVector<TVector>
    {
        var half = TVector.Create(0.5f);
        var (even, odd) = (half * (g0 + g2), half * g1);
        g0.Store(to);
        (even + odd).Store(to + step);
        (even - odd).Store(to + 2 * step);
        g2.Store(to + 3 * step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Output<TVector>(TVector p0, TVector p1, TVector p2, TVector p3, TVector p4, TVector p5, float* to, nint step)
        where TVector : unmanaged, IVector<TVector>
    {
        (p0 + p1 + p2).Store(to);
        (p1 - p2 - p3).Store(to + step);
    }
}

/// <summary>
/// F(4 × 4, 3 × 3), from the points 0, ±a, ±b and infinity. The usual 1 and 2 give twice the rounding error of 11/16 and 3/2,
/// which were the best of sixteen pairs tried; their powers are exact in float32 (after Barabasz, Anderson, Soodhalter and Gregg,
/// "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020).
/// </summary>
internal readonly unsafe struct WinogradF4 : IWinogradScheme
{
    private const double A = 0.6875, B = 1.5;
    private const double A2 = A * A, B2 = B * B;

    // One over the product of a point's distances to the others.
    private const double AtA = 1 / (2 * A2 * (A2 - B2)), AtB = 1 / (2 * B2 * (B2 - A2));

    public static int Results => 4;
    public static int Side => 6;

    // Rows of Bᵀ are the coefficients of x(x²-a²)(x²-b²) with one factor left out: those of a and -a differ in the sign of the odd part.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Input<TVector>(TVector x0, TVector x1, TVector x2, TVector x3, TVector x4, TVector x5, float* to, nint step)
        where TVector : unmanaged, IVector<TVector>
    {
        var (product, sum) = (TVector.Create((float)(A2 * B2)), TVector.Create((float)-(A2 + B2)));
        TVector.Fma(product, x0, TVector.Fma(sum, x2, x4)).Store(to);
        TVector.Fma(product, x1, TVector.Fma(sum, x3, x5)).Store(to + 5 * step);
        var square = TVector.Create((float)-B2);
        var (even, odd) = (TVector.Fma(square, x2, x4), TVector.Fma(square, x1, x3));
        TVector.Fma(TVector.Create((float)A), odd, even).Store(to + step);
        TVector.Fma(TVector.Create((float)-A), odd, even).Store(to + 2 * step);
        square = TVector.Create((float)-A2);
        (even, odd) = (TVector.Fma(square, x2, x4), TVector.Fma(square, x1, x3));
        TVector.Fma(TVector.Create((float)B), odd, even).Store(to + 3 * step);
        TVector.Fma(TVector.Create((float)-B), odd, even).Store(to + 4 * step);
    }

    // Values of the filter's polynomial at the points, divided by the product of the point's distances to the others.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Filter<TVector>(TVector g0, TVector g1, TVector g2, float* to, nint step) where TVector : unmanaged, IVector<TVector>
    {
        (TVector.Create((float)(1 / (A2 * B2))) * g0).Store(to);
        var even = TVector.Create((float)AtA) * TVector.Fma(TVector.Create((float)A2), g2, g0);
        TVector.Fma(TVector.Create((float)(AtA * A)), g1, even).Store(to + step);
        TVector.Fma(TVector.Create((float)-(AtA * A)), g1, even).Store(to + 2 * step);
        even = TVector.Create((float)AtB) * TVector.Fma(TVector.Create((float)B2), g2, g0);
        TVector.Fma(TVector.Create((float)(AtB * B)), g1, even).Store(to + 3 * step);
        TVector.Fma(TVector.Create((float)-(AtB * B)), g1, even).Store(to + 4 * step);
        g2.Store(to + 5 * step);
    }

    // Row k of Aᵀ are the k-th powers of the points.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Output<TVector>(TVector p0, TVector p1, TVector p2, TVector p3, TVector p4, TVector p5, float* to, nint step)
        where TVector : unmanaged, IVector<TVector>
    {
        var (evenA, oddA, evenB, oddB) = (p1 + p2, p1 - p2, p3 + p4, p3 - p4);
        (p0 + evenA + evenB).Store(to);
        TVector.Fma(TVector.Create((float)A), oddA, TVector.Create((float)B) * oddB).Store(to + step);
        TVector.Fma(TVector.Create((float)A2), evenA, TVector.Create((float)B2) * evenB).Store(to + 2 * step);
        TVector.Fma(TVector.Create((float)(A * A2)), oddA, TVector.Fma(TVector.Create((float)(B * B2)), oddB, p5)).Store(to + 3 * step);
    }

    /// <summary>A y, for the gradient of the products: stores <see cref="Side"/> vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void OutputGradient<TVector>(TVector y0, TVector y1, TVector y2, TVector y3, float* to, nint step) where TVector : unmanaged, IVector<TVector>
    {
        y0.Store(to);
        y3.Store(to + 5 * step);
        var even = TVector.Fma(TVector.Create((float)A2), y2, y0);
        var odd = TVector.Create((float)A) * TVector.Fma(TVector.Create((float)A2), y3, y1);
        (even + odd).Store(to + step);
        (even - odd).Store(to + 2 * step);
        even = TVector.Fma(TVector.Create((float)B2), y2, y0);
        odd = TVector.Create((float)B) * TVector.Fma(TVector.Create((float)B2), y3, y1);
        (even + odd).Store(to + 3 * step);
        (even - odd).Store(to + 4 * step);
    }

    /// <summary>Gᵀ u, for the gradient of the filter: stores three vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FilterGradient<TVector>(TVector u0, TVector u1, TVector u2, TVector u3, TVector u4, TVector u5, float* to, nint step)
        where TVector : unmanaged, IVector<TVector>
    {
        var (evenA, oddA) = (TVector.Create((float)AtA) * (u1 + u2), TVector.Create((float)(AtA * A)) * (u1 - u2));
        var (evenB, oddB) = (TVector.Create((float)AtB) * (u3 + u4), TVector.Create((float)(AtB * B)) * (u3 - u4));
        TVector.Fma(TVector.Create((float)(1 / (A2 * B2))), u0, evenA + evenB).Store(to);
        (oddA + oddB).Store(to + step);
        TVector.Fma(TVector.Create((float)A2), evenA, TVector.Fma(TVector.Create((float)B2), evenB, u5)).Store(to + 2 * step);
    }
}
