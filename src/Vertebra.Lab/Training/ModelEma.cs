using Vertebra.Kernels;
using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>
/// An exponential moving average of a network's parameters and running statistics, evaluated and saved beside the network
/// itself; the rule and its warm-up are timm's <c>ModelEmaV3</c>.
/// </summary>
public sealed class ModelEma
{
    private readonly List<(StateEntry Live, Tensor Average)> _entries;
    private readonly List<(Tensor Live, Tensor Average)> _averaged;
    private readonly TensorChunks _chunks;
    private readonly double _decay;
    private readonly bool _hasWarmup;

    /// <param name="module">The network; its present state is the first average.</param>
    /// <param name="decay">Share of the former average that a step keeps, in [0, 1).</param>
    /// <param name="warmup">Let the share grow as 1 - (1 + step)^(-2/3) until it reaches <paramref name="decay"/>.</param>
    public ModelEma(Module module, double decay, bool warmup)
    {
        (_decay, _hasWarmup) = (decay, warmup);
        _entries = [.. module.State().Select(e => (e, e.Tensor.Clone()))];
        _averaged = [.. _entries.Where(e => e.Average.DType == DType.Float32).Select(e => (e.Live.Tensor, e.Average))];
        _chunks = new(_averaged.Select(e => e.Average));
    }

    /// <summary>The share kept at an update, the first being 1: nothing of the initial weights remains after the first two.</summary>
    public double DecayAt(long update)
    {
        var step = update - 1;
        if (step <= 0)
            return 0;
        return _hasWarmup ? Math.Clamp(1 - Math.Pow(1 + step, -2.0 / 3), 0, _decay) : _decay;
    }

    /// <summary>Takes the network's present state into the average.</summary>
    /// <param name="update">Number of updates of the network so far, at least 1.</param>
    public void Update(long update)
    {
        var weight = (float)(1 - DecayAt(update));
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
        private readonly ModelEma _ema;

        internal Scope(ModelEma ema) => _ema = ema;

        public void Dispose() => _ema.Exchange();
    }
}
