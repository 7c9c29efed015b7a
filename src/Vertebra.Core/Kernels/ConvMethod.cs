namespace Vertebra.Kernels;

/// <summary>How a convolution is computed. The results differ in rounding only.</summary>
public enum ConvMethod
{
    /// <summary>Every product of the definition.</summary>
    Direct,

    /// <summary>Winograd's F(2×2, 3×3): 16 products for 4 results where the definition has 36. Rounds about as the direct form does.</summary>
    Winograd2,

    /// <summary>Winograd's F(4×4, 3×3): 36 products for 16 results where the definition has 144. Rounding errors are about twice those of the direct form.</summary>
    Winograd4,
}

/// <summary>Chooses how a convolution is computed, from its sizes alone.</summary>
internal static class ConvMethods
{
    /// <summary>Whether Winograd's forms exist for it: 3 × 3, one channel group, every pixel its own result.</summary>
    public static bool HasWinograd(in ConvShape shape) =>
        shape is { KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Groups: 1 };

    /// <summary>Throws where they do not.</summary>
    public static void RequireWinograd(in ConvShape shape)
    {
        if (!HasWinograd(shape))
            throw new ArgumentException($"{shape} has no Winograd form: only 3x3 convolutions of stride, dilation and groups 1 have");
    }

    /// <summary>Products a side of a square of results; 3, the filter's, for the direct form.</summary>
    public static int SideOf(ConvMethod method) => method switch
    {
        ConvMethod.Winograd2 => WinogradF2.Side,
        ConvMethod.Winograd4 => WinogradF4.Side,
        _ => 3,
    };

    /// <summary>The fastest for this convolution.</summary>
    public static ConvMethod Fastest(in ConvShape shape, ConvUse use)
    {
        return HasWinograd(shape) ? ConvMethod.Winograd4 : ConvMethod.Direct;
    }
}
