namespace Vertebra.Graphs;

/// <summary>
/// A graph made ready for inference: fused ops, weights in the kernels' own layout, memory planned once. In steady state a run
/// allocates nothing. It holds copies of the weights: weights that change afterwards make a run fail, and the graph is to be compiled
/// again. One run at a time; results do not depend on the number of threads.
/// </summary>
public sealed class CompiledGraph
{
    private readonly (WeakReference<Tensor> Tensor, int Version, string Name)[] _sources;
    private readonly List<ExecutionPlan> _plans = []; // the last used first
    private readonly int _keptPlans;
    private int _isRunning;

    internal CompiledGraph(Graph source, CompileOptions options)
    {
        if (options.KeptPlans < 1)
            throw new VertebraException($"CompileOptions.KeptPlans is {options.KeptPlans}; at least 1 plan must be kept");
        _keptPlans = options.KeptPlans;
        Options = options;
        _sources = [.. source.Constants.Select(v => (new WeakReference<Tensor>(v.Data!), v.Data!.Version, v.Name))];
        Graph = Compiler.Lower(source, options);
        _plans.Add(new ExecutionPlan(Graph));
    }

    /// <summary>The graph as it runs, at the shapes it was traced with. The weights of its fused ops are held in packed form only.</summary>
    public Graph Graph { get; }

    /// <summary>How it was compiled.</summary>
    public CompileOptions Options { get; }

    /// <summary>Bytes of the block that holds all intermediate results, for the shapes of the last run.</summary>
    public long ArenaBytes => _plans[0].Memory.ArenaBytes;

    /// <summary>Most bytes of intermediate results in use at one time: <see cref="ArenaBytes"/> can be no less.</summary>
    public long MostLiveBytes => _plans[0].Memory.MostLiveBytes;

    /// <summary>
    /// Computes the outputs. They are valid until the next run, which writes over them: clone what is to stay, or have it
    /// copied by <see cref="Run(ReadOnlySpan{Tensor}, ReadOnlySpan{Tensor})"/>. The list is the same object each time.
    /// </summary>
    /// <param name="inputs">Of the traced shapes, or of others that the graph takes; for those memory is planned first.</param>
    /// <exception cref="VertebraException">Weights were written to since the graph was compiled, or another run is under way.</exception>
    public IReadOnlyList<Tensor> Run(params ReadOnlySpan<Tensor> inputs)
    {
        Enter();
        try
        {
            return Compute(inputs).Outputs;
        }
        finally
        {
            Volatile.Write(ref _isRunning, 0);
        }
    }

    /// <summary>Computes the outputs and copies them into tensors of their shapes, which stay as they are when the next run begins.</summary>
    /// <param name="inputs">As for <see cref="Run(ReadOnlySpan{Tensor})"/>.</param>
    /// <param name="outputs">One for each output of the graph.</param>
    public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        Enter();
        try
        {
            if (outputs.Length != Graph.Outputs.Count)
                throw new ShapeException($"the graph gives {Graph.Outputs.Count} outputs, {outputs.Length} tensors were given for them");
            var results = Compute(inputs).Outputs;
            for (var i = 0; i < results.Length; i++)
                outputs[i].CopyFrom(results[i]);
        }
        finally
        {
            Volatile.Write(ref _isRunning, 0);
        }
    }

    /// <summary>Computes the outputs node by node at the traced shapes (<see cref="ExecutionPlan.Run(ReadOnlySpan{Tensor}, Action{int})"/>).</summary>
    internal void Run(ReadOnlySpan<Tensor> inputs, Action<int> done)
    {
        Enter();
        try
        {
            for (var i = 0; i < inputs.Length && i < Graph.Inputs.Count; i++)
            {
                if (inputs[i].Spec != Graph.Inputs[i].Spec)
                    throw new ShapeException($"nodes are timed at the traced shapes: input {i} is {Graph.Inputs[i].Spec}, got {inputs[i].Spec}");
            }
            Checked(inputs).Run(inputs, done);
        }
        finally
        {
            Volatile.Write(ref _isRunning, 0);
        }
    }

    /// <summary>The plan for inputs of these shapes; for tests of it.</summary>
    internal ExecutionPlan PlanFor(ReadOnlySpan<Tensor> inputs)
    {
        for (var i = 0; i < _plans.Count; i++)
        {
            var plan = _plans[i];
            if (!plan.Takes(inputs))
                continue;
            if (i > 0)
            {
                _plans.RemoveAt(i);
                _plans.Insert(0, plan);
            }
            return plan;
        }
        if (_plans.Count == _keptPlans)
            _plans.RemoveAt(_plans.Count - 1);
        _plans.Insert(0, new ExecutionPlan(Resized(inputs)));
        return _plans[0];
    }

    private ExecutionPlan Compute(ReadOnlySpan<Tensor> inputs)
    {
        var plan = Checked(inputs);
        plan.Run(inputs);
        return plan;
    }

    private ExecutionPlan Checked(ReadOnlySpan<Tensor> inputs)
    {
        foreach (var input in inputs)
        {
            if (input.IsMeta)
                throw new VertebraException("a compiled graph computes; a meta tensor has no data to compute with");
        }
        foreach (var (reference, version, name) in _sources)
        {
            if (reference.TryGetTarget(out var tensor) && tensor.Version != version)
                throw new VertebraException($"'{name}' was written to after the graph was compiled; compile it again");
        }
        return PlanFor(inputs);
    }

    private Graph Resized(ReadOnlySpan<Tensor> inputs)
    {
        var shapes = new Shape[inputs.Length];
        for (var i = 0; i < shapes.Length; i++)
        {
            shapes[i] = inputs[i].Shape;
            if (i < Graph.Inputs.Count && inputs[i].DType != Graph.Inputs[i].Spec.DType)
                throw new ShapeException($"input {i} of the graph is {Graph.Inputs[i].Spec}, got {inputs[i].Spec}; convert it with To");
        }
        return Graph.At(shapes);
    }

    private void Enter()
    {
        if (Interlocked.Exchange(ref _isRunning, 1) != 0)
            throw new VertebraException("a compiled graph runs once at a time, because runs share their memory; compile one for each thread");
    }
}

/// <summary>Makes graphs ready for inference.</summary>
public static class GraphCompilation
{
    /// <summary>
    /// Compiles the graph for inference: constants are folded, batch norms merged into weights, activations and residuals into the
    /// ops before them, weights packed for the kernels, and memory planned. Gradients are not recorded.
    /// </summary>
    /// <param name="graph">Traced in evaluation mode, with weights.</param>
    /// <param name="options">null: the defaults.</param>
    /// <exception cref="VertebraException">The graph has no weights (it was built as meta).</exception>
    public static CompiledGraph Compile(this Graph graph, CompileOptions? options = null) => new(graph, options ?? new CompileOptions());
}
