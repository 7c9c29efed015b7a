namespace Vertebra.Lab.Data;

/// <summary>Where the views of one sample go: batches hold the first view of every sample, then the second of every sample.</summary>
/// <param name="batch">All of it.</param>
/// <param name="place">The sample's place.</param>
/// <param name="samples">Samples of the batch.</param>
/// <param name="length">Floats of a view.</param>
internal readonly ref struct SampleViews(Span<float> batch, int place, int samples, int length)
{
    private readonly Span<float> _batch = batch;
    private readonly int _place = place;
    private readonly int _samples = samples;
    private readonly int _length = length;

    /// <summary>Place of a view.</summary>
    public Span<float> this[int view] => _batch.Slice(((view * _samples) + _place) * _length, _length);
}
