namespace Vertebra.Lab.Data;

/// <summary>Inputs and labels of one step.</summary>
/// <param name="Number">Place in the epoch, from 0.</param>
/// <param name="Images">float32 [S * N, height, width, channels], normalised: all first views, then all second ones, and so on.</param>
/// <param name="Labels">int64 [S * N], those of the N images S times over; <see cref="PooledDataset.NoLabel"/> where there is none.</param>
/// <param name="Indices">Which images of the data set they are, N of them.</param>
/// <param name="Wait">How long the taker had to wait for this batch.</param>
public sealed record Batch(int Number, Tensor Images, Tensor Labels, IReadOnlyList<int> Indices, TimeSpan Wait)
{
    /// <summary>Number of images, N.</summary>
    public int Count => Indices.Count;

    /// <summary>Views of each image, S: 1, or the first of several is clean (<see cref="Augmentation.Views"/>).</summary>
    public int Splits { get; init; } = 1;

    /// <summary>Number of the epoch.</summary>
    public int Epoch { get; init; }

    /// <summary>float32 [S * N, classes]: in place of the labels, where images were mixed or have several classes; not smoothed. Null: the labels say all.</summary>
    public Tensor? Targets { get; init; }

    /// <summary>The targets say which classes each image shows, and the labels only one of them, -1 where there is none.</summary>
    public bool IsMultiLabel { get; init; }
}
