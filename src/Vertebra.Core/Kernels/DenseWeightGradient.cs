namespace Vertebra.Kernels;

/// <summary>
/// The weight gradient of a convolution without groups: for each tap a product over the pixels, (output channels × pixels) ·
/// (pixels × input channels), of which the taps share the copy of the left operand.
/// </summary>
internal static unsafe class DenseWeightGradient
{
    // Below that the panels of input channels are not full; several taps side by side fill them better.
    private const int FewestChannels = 16;

    public static bool Has(in ConvShape shape) => shape.Groups == 1 && shape.C >= FewestChannels;

    /// <summary>Writes the gradient [OC, C, KH, KW].</summary>
    public static void Run(in ConvShape shape, float* x, float* dy, float* dw)
    {
        var taps = shape.KH * shape.KW;
        using var byTaps = Scratch.Take(taps > 1 ? shape.WeightCount : 0);
        var target = taps > 1 ? byTaps.Pointer : dw;
        Level.Run(new Product(new TransposedProduct
        {
            M = shape.OC, N = shape.C, K = checked(shape.N * shape.OH * shape.OW), A = dy, Lda = shape.OC, B = new(shape, x), C = target, Ldc = taps * shape.C,
        }));
        if (taps == 1)
            return;
        Workers.Run(shape.OC, (From: (nint)target, To: (nint)dw, Channels: shape.C, taps), static (in job, row) =>
        {
            var offset = (nint)row * job.Channels * job.taps;
            Transpose.Run(job.taps, job.Channels, (float*)job.From + offset, job.Channels, (float*)job.To + offset, job.taps);
        });
    }

    private readonly struct Product(TransposedProduct product) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector> => product.Run<TVector>();
    }
}
