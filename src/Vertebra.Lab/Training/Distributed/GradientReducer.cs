using Vertebra.Communication;

namespace Vertebra.Lab.Training.Distributed;

/// <summary>
/// Means of gradients over processes, on their way while the backward pass goes on (Li et al., "PyTorch distributed: experiences on
/// accelerating data parallel training", VLDB 2020): parameters stand in buckets in reverse order, which is about the order in which
/// their gradients are complete, and a bucket's sum begins as soon as it is full and those before it have begun.
/// </summary>
internal sealed class GradientReducer
{
    /// <summary>Size of a bucket, as in the paper; a larger parameter has one for itself.</summary>
    public const long BucketBytes = 25 << 20;

    // So that the first sum begins early.
    private const long FirstBucketBytes = 1 << 20;

    private readonly IProcessGroup _processes;
    private readonly Bucket[] _buckets;
    private readonly Dictionary<Tensor, (Bucket Bucket, int Place)> _places = new(ReferenceEqualityComparer.Instance);
    private int _started;
    private int _finished;

    /// <param name="processes">The processes.</param>
    /// <param name="parameters">What is trained, the same in each, in the order of the forward pass.</param>
    /// <param name="bucketBytes">Size of a bucket.</param>
    public GradientReducer(IProcessGroup processes, IEnumerable<Tensor> parameters, long bucketBytes = BucketBytes)
    {
        _processes = processes;
        var buckets = new List<Bucket>();
        var (members, bytes) = (new List<Tensor>(), 0L);
        foreach (var parameter in parameters.Reverse())
        {
            members.Add(parameter);
            bytes += parameter.ElementCount * sizeof(float);
            if (bytes >= (buckets.Count == 0 ? Math.Min(FirstBucketBytes, bucketBytes) : bucketBytes))
                Close();
        }
        if (members.Count > 0)
            Close();
        _buckets = [.. buckets];
        foreach (var bucket in buckets)
        {
            for (var i = 0; i < bucket.Parameters.Count; i++)
                _places.Add(bucket.Parameters[i], (bucket, i));
        }

        void Close()
        {
            buckets.Add(new(members));
            (members, bytes) = ([], 0);
        }
    }

    /// <summary>Number of buckets.</summary>
    public int BucketCount => _buckets.Length;

    /// <summary>Takes a parameter's complete gradient, as the backward pass tells it.</summary>
    public void GradientDone(Tensor parameter)
    {
        if (!_places.TryGetValue(parameter, out var place))
            return;
        place.Bucket.Take(place.Place);
        while (_started < _buckets.Length && _buckets[_started].IsFull)
            _buckets[_started++].Start(_processes);
        // MPI moves data only while it is called.
        while (_finished < _started && _buckets[_finished].Poll())
            _finished++;
    }

    /// <summary>
    /// After the backward pass: waits for what is on its way, and puts the means in the place of the gradients. A parameter that got none
    /// counts as zero, and has none afterwards if no process has one.
    /// </summary>
    public void Finish()
    {
        for (; _started < _buckets.Length; _started++)
        {
            _buckets[_started].TakeRest();
            _buckets[_started].Start(_processes);
        }
        foreach (var bucket in _buckets)
            bucket.Finish(_processes.Count);
        (_started, _finished) = (0, 0);
    }

    /// <summary>The gradients of some parameters one after another, and for each a number that is not 0 where there is one.</summary>
    private sealed class Bucket
    {
        private readonly long[] _offsets;
        private readonly bool[] _isTaken;
        private readonly Tensor _values;
        private int _taken;
        private IPendingSum? _sum;

        public Bucket(IReadOnlyList<Tensor> parameters)
        {
            Parameters = parameters;
            _isTaken = new bool[parameters.Count];
            _offsets = new long[parameters.Count + 1];
            for (var i = 0; i < parameters.Count; i++)
                _offsets[i + 1] = _offsets[i] + parameters[i].ElementCount;
            _values = Tensor.Empty([checked((int)(_offsets[^1] + parameters.Count))]);
        }

        public IReadOnlyList<Tensor> Parameters { get; }

        public bool IsFull => _taken == Parameters.Count;

        public void Take(int place)
        {
            if (_isTaken[place])
                return;
            var gradient = Parameters[place].Grad;
            if (gradient is null)
                Part(place).Clear();
            else
                gradient.AsSpan<float>().CopyTo(Part(place));
            _values.AsSpan<float>()[(int)_offsets[^1] + place] = gradient is null ? 0 : 1;
            GC.KeepAlive(gradient);
            _isTaken[place] = true;
            _taken++;
        }

        public void TakeRest()
        {
            for (var i = 0; i < Parameters.Count; i++)
                Take(i);
        }

        public void Start(IProcessGroup processes) => _sum = processes.StartSum(_values);

        public bool Poll() => _sum!.Poll();

        public void Finish(int count)
        {
            _sum!.Wait();
            var isThere = _values.AsSpan<float>()[(int)_offsets[^1]..];
            for (var i = 0; i < Parameters.Count; i++)
                Parameters[i].Grad = isThere[i] == 0 ? null : Mean(i, count);
            Array.Clear(_isTaken);
            _taken = 0;
        }

        // A new tensor: ops may have handed the old one to several parameters.
        private Tensor Mean(int place, int count)
        {
            var mean = Tensor.Empty(Parameters[place].Shape);
            var values = mean.AsSpan<float>();
            Part(place).CopyTo(values);
            var share = 1f / count;
            foreach (ref var value in values)
                value *= share;
            mean.MarkWritten();
            return mean;
        }

        private Span<float> Part(int place) => _values.AsSpan<float>()[(int)_offsets[place]..(int)_offsets[place + 1]];
    }
}
