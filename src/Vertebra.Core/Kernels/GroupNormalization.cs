namespace Vertebra.Kernels;

/// <summary>
/// Normalisation over the positions and a group of channels of each image: the grid's segments are the images. Channels are
/// reduced one by one first, and then joined to groups in float64.
/// </summary>
internal static unsafe class GroupNormalization
{
    /// <summary>y = act((x - mean) · inverse · weight + bias), with each image's and group's mean and inverse = 1 / √(variance + epsilon), [images, groups], written too.</summary>
    public static void Forward(in ColumnGrid grid, int groups, Activation activation, float epsilon, float* x, float* weight, float* bias, float* y, float* means, float* inverses)
    {
        var (images, channels) = (grid.Segments, grid.Channels);
        var perGroup = channels / groups;
        using var scratch = Scratch.Take(3L * images * channels);
        float* mean = scratch.Pointer, scale = mean + ((long)images * channels), shift = scale + ((long)images * channels);
        // The channels' means and variances first; both arrays are then overwritten by the groups'.
        ColumnStatistics.Run(grid, x, mean, scale);
        for (var i = 0; i < images * groups; i++)
        {
            var first = (long)i * perGroup;
            double sum = 0, squares = 0;
            for (var c = first; c < first + perGroup; c++)
                sum += mean[c];
            sum /= perGroup;
            for (var c = first; c < first + perGroup; c++)
                squares += scale[c] + ((mean[c] - sum) * (mean[c] - sum));
            (means[i], inverses[i]) = ((float)sum, (float)(1 / Math.Sqrt((squares / perGroup) + epsilon)));
        }
        Spread(grid, groups, weight, bias, means, inverses, mean, scale, shift);
        ChannelAffine.Forward(grid, activation, x, null, mean, scale, shift, y);
    }

    /// <summary>Gradients of x, weight and bias, for the gradient dy of <see cref="Forward"/>'s result.</summary>
    public static void Backward(
        in ColumnGrid grid, int groups, Activation activation, float* dy, float* x, float* weight, float* bias, float* means, float* inverses,
        float* dx, float* dweight, float* dbias)
    {
        var (images, channels) = (grid.Segments, grid.Channels);
        if (grid.IsEmpty)
        {
            new Span<float>(dweight, channels).Clear();
            new Span<float>(dbias, channels).Clear();
            return;
        }
        var perGroup = channels / groups;
        var count = (long)images * channels;
        using var scratch = Scratch.Take(7 * count);
        float* mean = scratch.Pointer, scale = mean + count, shift = scale + count, slope = shift + count, offset = slope + count;
        float* sums = offset + count, products = sums + count;
        Spread(grid, groups, weight, bias, means, inverses, mean, scale, shift);
        ChannelAffine.GradientSums(grid, activation, x, dy, mean, scale, shift, sums, products);
        for (var i = 0; i < images * groups; i++)
        {
            var first = (long)i * perGroup;
            double sum = 0, product = 0, inverse = inverses[i];
            for (var c = first; c < first + perGroup; c++)
            {
                sum += (double)weight[c % channels] * sums[c];
                product += (double)weight[c % channels] * products[c];
            }
            var size = (double)grid.Rows * perGroup;
            for (var c = first; c < first + perGroup; c++)
            {
                slope[c] = (float)(-inverse * inverse * inverse * product / size);
                offset[c] = (float)(-inverse * sum / size);
            }
        }
        for (var c = 0; c < channels; c++)
        {
            double weightSum = 0, biasSum = 0;
            for (var image = 0; image < images; image++)
            {
                weightSum += (double)products[((long)image * channels) + c] * inverses[(image * groups) + (c / perGroup)];
                biasSum += sums[((long)image * channels) + c];
            }
            (dweight[c], dbias[c]) = ((float)weightSum, (float)biasSum);
        }
        ChannelAffine.InputGradient(grid, activation, x, dy, mean, scale, shift, slope, offset, dx);
    }

    /// <summary>The groups' statistics and the parameters as per-image, per-channel numbers.</summary>
    private static void Spread(in ColumnGrid grid, int groups, float* weight, float* bias, float* means, float* inverses, float* mean, float* scale, float* shift)
    {
        var (channels, perGroup) = (grid.Channels, grid.Channels / groups);
        for (var image = 0; image < grid.Segments; image++)
        {
            for (var c = 0; c < channels; c++)
            {
                var (target, group) = (((long)image * channels) + c, (image * groups) + (c / perGroup));
                mean[target] = means[group];
                scale[target] = inverses[group] * weight[c];
                shift[target] = bias[c];
            }
        }
    }
}
