namespace Vertebra.Kernels;

/// <summary>Batch normalisation of channels-last data and its gradients, from per-channel parameters and statistics.</summary>
internal static unsafe class BatchNormalization
{
    /// <summary>y = act((x - mean) / √(variance + epsilon) · weight + bias [+ residual]).</summary>
    public static void Forward(
        in ColumnGrid grid, Activation activation, float epsilon, float* x, float* residual, float* weight, float* bias, float* mean, float* variance, float* y)
    {
        using var scale = Scratch.Take(grid.Channels);
        for (var c = 0; c < grid.Channels; c++)
            scale.Pointer[c] = (float)(weight[c] * InverseDeviation(variance[c], epsilon));
        ChannelAffine.Forward(grid, activation, x, residual, mean, scale.Pointer, bias, y);
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
        for (var c = 0; c < channels; c++)
            scale[c] = (float)(weight[c] * InverseDeviation(variance[c], epsilon));
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
