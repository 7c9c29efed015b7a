using Vertebra.Kernels;
using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>An average of a network's parameters and running statistics over its training, evaluated and saved beside the network itself.</summary>
public abstract class WeightAverage
{
    private readonly List<(StateEntry Live, Tensor Average)> _entries;
    private readonly List<(Tensor Live, Tensor Average)> _averaged;
    private readonly TensorChunks _chunks;

    /// <param name="module">The network; its present state is the first average.</param>
    protected WeightAverage(Module module)
    {
        _entries = [.. module.State().Select(e => (e, e.Tensor.Clone()))];
        _averaged = [.. _entries.Where(e => e.Average.DType == DType.Float32).Select(e => (e.Live.Tensor, e.Average))];
        _chunks = new(_averaged.Select(e => e.Average));
    }

    /// <summary>Moves the average a share of the way to the network's present state; counters are taken as they are.</summary>
    /// <param name="weight">The share, in [0, 1].</param>
    protected void MoveTowardsNetwork(float weight)
    {
        _chunks.ForEach((_, chunk) =>
        {
            var (live, average) = _averaged[chunk.Tensor];
            OptimizerSteps.MoveTowards(chunk.Of(average), chunk.Of(live), weight);
        });
        foreach (var (live, average) in _entries)
        {
            if (average.DType == DType.Float32)
                average.MarkWritten();
            else
                average.CopyFrom(live.Tensor);
        }
    }

    /// <summary>The average under the network's state-dict names; the live tensors, not copies.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> State() => _entries.Select(e => (e.Live.Name, e.Average));

    /// <summary>Continues from a saved average.</summary>
    /// <param name="state">Tensors by state-dict name.</param>
    /// <exception cref="VertebraException">A tensor is missing or of another shape.</exception>
    public void Load(IReadOnlyDictionary<string, Tensor> state)
    {
        foreach (var (name, average) in State())
        {
            if (!state.TryGetValue(name, out var saved) || saved.Spec != average.Spec)
                throw new VertebraException($"the saved weight average does not fit: '{name}' should be {average.Spec}, and is {(saved is null ? "missing" : saved.Spec.ToString())}");
        }
        foreach (var (name, average) in State())
            average.CopyFrom(state[name]);
    }

    /// <summary>Exchanges the network's state with the average until the returned scope ends, so that the average can be evaluated in place.</summary>
    public Scope Borrow()
    {
        Exchange();
        return new(this);
    }

    private void Exchange()
    {
        foreach (var (live, average) in _entries)
            Exchange(live.Tensor, average);
    }

    private static void Exchange(Tensor a, Tensor b)
    {
        var former = a.Clone();
        a.CopyFrom(b);
        b.CopyFrom(former);
    }

    /// <summary>The time during which network and average are exchanged.</summary>
    public readonly ref struct Scope
    {
        private readonly WeightAverage _average;

        internal Scope(WeightAverage average) => _average = average;

        public void Dispose() => _average.Exchange();
    }
}
