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

    /// <summary>
    /// The fastest for this convolution. Times are estimated in multiply-adds of the tile kernel, one core of a Zen 5 at 512 bits having
    /// been measured: a method's filters, once past the second-level cache, take as long to read as 16 multiply-adds each
    /// (with 16 squares of 256 channels they are half the time); transforming a number of a square takes as long as 16, so that 16
    /// channels gain 1.6 times, 32 twice, 64 and more 2.4 to 2.6 times. Winograd has to gain 1.3 times, and F(4×4) 1.1 times against
    /// F(2×2), whose filters take less than half the memory.
    /// </summary>
    /// <param name="shape">Its sizes.</param>
    /// <param name="use">The product it is for.</param>
    /// <param name="packs">Whether the weights are packed for this one call.</param>
    public static ConvMethod Fastest(in ConvShape shape, ConvUse use, bool packs)
    {
        if (!HasWinograd(shape))
            return ConvMethod.Direct;
        var (two, four) = (Time(shape, use, ConvMethod.Winograd2, packs), Time(shape, use, ConvMethod.Winograd4, packs));
        var (method, time) = 1.1 * four < two ? (ConvMethod.Winograd4, four) : (ConvMethod.Winograd2, two);
        return 1.3 * time < Time(shape, use, ConvMethod.Direct, packs) ? method : ConvMethod.Direct;
    }

    // In multiply-adds.
    private static double Time(in ConvShape shape, ConvUse use, ConvMethod method, bool packs)
    {
        const double ReadNear = 4, ReadFar = 16, Transform = 16, Pack = 24;
        const int NearBytes = 1 << 20;
        var (height, width) = use == ConvUse.Forward ? (shape.OH, shape.OW) : (shape.H, shape.W);
        var side = SideOf(method);
        var products = side * side;
        var filter = (double)products * shape.C * shape.OC;
        var reading = filter * (filter * sizeof(float) > NearBytes ? ReadFar : ReadNear) + (packs ? filter * Pack : 0);
        if (method == ConvMethod.Direct)
            return (double)shape.N * height * width * filter + reading;
        var results = side - 2;
        var squares = (double)shape.N * ((height + results - 1) / results) * ((width + results - 1) / results);
        return squares * (filter + (double)products * Transform * (shape.C + shape.OC)) + reading;
    }
}

/// <summary>Where Winograd's methods are used, besides compiled graphs (<c>CompileOptions.Winograd</c>).</summary>
public static class Winograd
{
    /// <summary>
    /// Whether convolutions whose weights are in training, and the gradients of their inputs, are computed by <see cref="ConvMethod"/>
    /// where that is faster. Set it before training begins: the bits of the results differ.
    /// </summary>
    public static bool InTraining { get; set; } = true;
}
