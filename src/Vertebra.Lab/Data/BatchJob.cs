namespace Vertebra.Lab.Data;

/// <summary>A batch in the making: threads claim its samples one by one.</summary>
internal sealed class BatchJob
{
    private readonly SampleMaker _maker;
    private readonly int _number;
    private readonly int[] _order;
    private readonly int _first;
    private readonly int _epoch;
    private readonly Tensor _images;
    private readonly int[] _indices;
    private int _claimed;
    private int _finished;
    private volatile Exception? _failure;

    /// <param name="maker">Makes the samples.</param>
    /// <param name="number">Place of the batch in the epoch.</param>
    /// <param name="order">The epoch's order.</param>
    /// <param name="first">Position of the first sample in it.</param>
    /// <param name="count">Number of samples.</param>
    /// <param name="epoch">Number of the epoch.</param>
    public BatchJob(SampleMaker maker, int number, int[] order, int first, int count, int epoch)
    {
        (_maker, _number, _order, _first, _epoch) = (maker, number, order, first, epoch);
        var form = maker.Preprocessing;
        _images = Tensor.Empty([maker.Views * count, form.Height, form.Width, form.Channels]);
        _indices = new int[count];
    }

    /// <summary>True when some thread has, or had, every sample in hand.</summary>
    public bool IsClaimed => Volatile.Read(ref _claimed) >= _indices.Length;

    /// <summary>True when every sample is made, or making one failed.</summary>
    public bool IsDone => Volatile.Read(ref _finished) >= _indices.Length || _failure is not null;

    /// <summary>Makes one more sample, unless all are claimed.</summary>
    /// <returns>True when this was the last one to be finished.</returns>
    public bool MakeOne()
    {
        var i = Interlocked.Increment(ref _claimed) - 1;
        if (i >= _indices.Length)
            return false;
        try
        {
            _indices[i] = _maker.Make(_order, _first + i, _epoch, ViewsOf(_images, i, _indices.Length));
        }
        catch (Exception e)
        {
            _failure = e;
        }
        return Interlocked.Increment(ref _finished) == _indices.Length || _failure is not null;
    }

    /// <summary>The finished batch; null when nothing of it can be read.</summary>
    public Batch? ToBatch(TimeSpan wait)
    {
        if (_failure is { } failure)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        _images.MarkWritten();
        var (images, indices) = Array.TrueForAll(_indices, i => i >= 0) ? (_images, _indices) : WithoutBroken();
        if (indices.Length == 0)
            return null;
        var labels = Enumerable.Repeat(Array.ConvertAll(indices, _maker.Label), _maker.Views).SelectMany(l => l).ToArray();
        var batch = new Batch(_number, images, Tensor.From(labels, [labels.Length]), indices, wait) { Splits = _maker.Views, Epoch = _epoch };
        if (_maker.Targets(indices) is not { } targets)
            return batch;
        float[] all = [.. Enumerable.Repeat(targets, _maker.Views).SelectMany(t => t)];
        return batch with { IsMultiLabel = true, Targets = Tensor.From(all, [labels.Length, all.Length / labels.Length]) };
    }

    private SampleViews ViewsOf(Tensor images, int place, int samples) => new(images.AsSpan<float>(), place, samples, _maker.InputLength);

    private (Tensor, int[]) WithoutBroken()
    {
        var places = Enumerable.Range(0, _indices.Length).Where(i => _indices[i] >= 0).ToArray();
        var form = _maker.Preprocessing;
        var images = Tensor.Empty([_maker.Views * places.Length, form.Height, form.Width, form.Channels]);
        for (var i = 0; i < places.Length; i++)
        {
            for (var view = 0; view < _maker.Views; view++)
                ViewsOf(_images, places[i], _indices.Length)[view].CopyTo(ViewsOf(images, i, places.Length)[view]);
        }
        GC.KeepAlive(_images);
        images.MarkWritten();
        return (images, Array.ConvertAll(places, i => _indices[i]));
    }
}
