using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// A pointwise convolution of a few pixels at a time, f(x · weights + bias [+ residual]), for kernels that compute it where it is
/// needed. Panels go around pixels, so that a panel of weights stays in the first-level cache; on the calling thread.
/// </summary>
internal unsafe struct PointwiseLayer
{
    /// <summary>Channels of the pixels, and of the results.</summary>
    public int C, Channels;

    /// <summary>In the packed form of <see cref="Panels"/> for a group of so many channels; null where there is no such layer.</summary>
    public float* Weights;

    /// <summary>A number for each channel of the result.</summary>
    public float* Bias;

    /// <summary>The residual is laid out as all results, which start at <see cref="Origin"/>.</summary>
    public Epilogue Epilogue;
    public float* Origin;

    public readonly bool Exists => Weights != null;

    /// <summary>Computes <paramref name="pixels"/> pixels that lie one after the other, there and here.</summary>
    public readonly void Run(float* x, int pixels, float* y)
    {
        switch (ConvPacking.LevelFor(Channels))
        {
            case SimdLevel.Vector512: Run<V512>(x, pixels, y); break;
            case SimdLevel.Vector256: Run<V256>(x, pixels, y); break;
            case SimdLevel.Vector128: Run<V128>(x, pixels, y); break;
            default: Run<V1>(x, pixels, y); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Run<TVector>(float* x, int pixels, float* y) where TVector : unmanaged, IVector<TVector>
    {
        nint noOffset = 0;
        var job = new TileJob { Taps = 1, TapOffsets = &noOffset, RowStride = (nint)C * sizeof(float), Depth = C };
        Epilogue.SetLimits(&job, isLast: true);
        var width = Panels.Width<TVector>();
        for (var column = 0; column < Channels; column += width)
        {
            var lanes = Math.Min(width, Channels - column);
            job.BStride = Panels.PaddedWidth<TVector>(lanes) * sizeof(float);
            Tiles.Run<TVector, AlongDepth>(&job, pixels, job.RowStride, lanes, x, Weights + (nint)column * C, Bias + column,
                y + column, Channels, false, Epilogue.ResidualAt(Origin, y + column), Epilogue.Function);
        }
    }
}
