namespace Vertebra.Kernels;

/// <summary>Batch normalisation of channels-last data and its gradients, from per-channel parameters and statistics.</summary>
internal static unsafe class BatchNormalization
{
    /// <summary>y = act((x - mean) / √(variance + epsilon) · weight + bias [+ residual]).</summary>
    public static void Forward(
        in ColumnGrid grid, Activation activation, float epsilon, float* x, float* residual, float* weight, float* bias, float* mean, float* variance, float* y)
    {
        using var scale = Scratch.Take(grid.Channels);
        Scales(grid.Channels, epsilon, weight, variance, scale.Pointer);
        ChannelAffine.Forward(grid, activation, x, residual, mean, scale.Pointer, bias, y);
    }

    /// <summary><see cref="Forward"/> without residual for an x [rows, channels] whose channels lie in several pieces (<see cref="ChannelAffine.ForwardJoined"/>).</summary>
    public static void ForwardJoined(
        long rows, int channels, Activation activation, float epsilon, ReadOnlySpan<nint> pieces, ReadOnlySpan<int> widths, float* weight, float* bias, float* mean, float* variance, float* y)
    {
        using var scale = Scratch.Take(channels);
        Scales(channels, epsilon, weight, variance, scale.Pointer);
        ChannelAffine.ForwardJoined(rows, channels, activation, pieces, widths, mean, scale.Pointer, bias, y);
    }

    private static void Scales(int channels, float epsilon, float* weight, float* variance, float* scale)
    {
        for (var c = 0; c < channels; c++)
            scale[c] = (float)(weight[c] * InverseDeviation(variance[c], epsilon));
    }

    /// <summary>
    /// Gradients of <see cref="Forward"/> without residual, for the gradient dy of its result: in training, mean and variance
    /// are the batch's own and vary with x; else they are constants.
    /// </summary>
    public static void Gradient(
        in ColumnGrid grid, Activation activation, float epsilon, bool training, float* dy, float* x, float* weight, float* bias, float* mean, float* variance,
        float* dx, float* dweight, float* dbias)
    {
        var channels = grid.Channels;
        using var scratch = Scratch.Take(3L * channels);
        float* scale = scratch.Pointer, slope = scale + channels, offset = slope + channels;
        Scales(channels, epsilon, weight, variance, scale);
        ChannelAffine.GradientSums(grid, activation, x, dy, mean, scale, bias, dbias, dweight);
        for (var c = 0; c < channels; c++)
        {
            var inverse = InverseDeviation(variance[c], epsilon);
            slope[c] = training ? (float)(-weight[c] * inverse * inverse * inverse * dweight[c] / grid.Rows) : 0;
            offset[c] = training ? (float)(-weight[c] * inverse * dbias[c] / grid.Rows) : 0;
            dweight[c] = (float)(dweight[c] * inverse);
        }
        ChannelAffine.InputGradient(grid, activation, x, dy, mean, scale, bias, slope, offset, dx);
    }

    public static double InverseDeviation(float variance, float epsilon) => 1 / Math.Sqrt((double)variance + epsilon);
}
