using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>
/// Keeps what some modules of a network return while it runs on this thread, in training or in evaluation; gradients flow through what
/// is kept. As while a trace is taken, every module has an output of its own: normalisers leave activations to their modules.
/// </summary>
public sealed class ModuleWatch : IOpRecorder, IDisposable
{
    private readonly IOpRecorder? _former;
    private readonly Dictionary<Module, Tensor?> _outputs;

    /// <summary>Watches until it is disposed of.</summary>
    /// <param name="modules">Whose outputs are to be kept.</param>
    public ModuleWatch(params IEnumerable<Module> modules)
    {
        _outputs = modules.Distinct().ToDictionary(m => m, _ => (Tensor?)null);
        _former = OpRecording.Current;
        OpRecording.Current = this;
    }

    /// <summary>What a watched module returned last.</summary>
    /// <exception cref="VertebraException">It has not run.</exception>
    public Tensor this[Module module] => _outputs.GetValueOrDefault(module)
        ?? throw new VertebraException($"a {module.GetType().Name} that is watched has not run");

    /// <summary>Ends the watch; what was kept stays.</summary>
    public void Dispose() => OpRecording.Current = _former;

    void IOpRecorder.Record(Op op, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => _former?.Record(op, inputs, outputs);

    void IOpRecorder.Returned(object module, Tensor output)
    {
        if (_outputs.ContainsKey((Module)module))
            _outputs[(Module)module] = output;
        _former?.Returned(module, output);
    }
}
