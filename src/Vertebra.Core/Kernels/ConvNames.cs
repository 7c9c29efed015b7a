namespace Vertebra.Kernels;

/// <summary>Tells people by which kernel <see cref="Conv"/> computes a convolution with packed weights.</summary>
internal static class ConvNames
{
    // With so few channels a tap has nothing to vectorise over but the results.
    private const int FewChannels = 4;

    /// <summary>A few words.</summary>
    public static string Of(in ConvShape shape, ConvMethod method) => method switch
    {
        ConvMethod.Winograd2 => "Winograd F(2x2)",
        ConvMethod.Winograd4 => "Winograd F(4x4)",
        _ when shape.IsPointwise => "matrix product",
        _ when shape.IsDepthwise => "depthwise",
        _ when shape.Groups > 1 => "grouped",
        _ when shape.C <= FewChannels => "first layer",
        _ => "direct",
    };
}
