using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>
/// A graph made ready for inputs of its shapes: every result has its place in one block of memory, every op its tables, and a
/// run is a walk over arrays that exist already.
/// </summary>
internal sealed class ExecutionPlan
{
    private readonly Storage _arena;
    private readonly Step[] _steps;
    private readonly int[] _nodes; // by step: index of its node
    private readonly Tensor?[] _copies; // by input: where it is copied to, or null when it is read where it lies
    private readonly (Tensor[] Operands, int Index, int Input)[] _slots; // where inputs stand among operands
    private readonly Tensor[] _placeholders;
    private readonly Tensor[] _outputs;

    public ExecutionPlan(Graph graph)
    {
        Memory = MemoryPlan.Create(graph);
        _arena = new Storage(Memory.ArenaBytes);
        _placeholders = [.. graph.Inputs.Select(v => Tensor.Meta(v.Shape, v.Spec.DType))];
        var tensors = new Dictionary<Value, Tensor>();
        _copies = [.. graph.Inputs.Select(Place)];
        for (var i = 0; i < _copies.Length; i++)
            tensors[graph.Inputs[i]] = _copies[i] ?? _placeholders[i];
        var (steps, nodes, slots) = (new List<Step>(), new List<int>(), new List<(Tensor[], int, int)>());
        for (var index = 0; index < graph.Nodes.Count; index++)
        {
            var node = graph.Nodes[index];
            var operands = node.Inputs.Select(v => v.Data ?? tensors[v]).ToArray();
            var results = node.Op.IsView && operands[0] is var under && Memory.BufferOf(node.Outputs[0]) is null ? [under.View(node.Outputs[0].Shape)]
                : node.Outputs.Select(v => Place(v)!).ToArray();
            for (var i = 0; i < results.Length; i++)
                tensors[node.Outputs[i]] = results[i];
            if (node.Op.IsView)
                continue;
            steps.Add(new(node.Op, node.Op.Prepare(operands, results), operands, results));
            nodes.Add(index);
            for (var i = 0; i < operands.Length; i++)
            {
                if (Array.IndexOf(_placeholders, operands[i]) is >= 0 and var input)
                    slots.Add((operands, i, input));
            }
        }
        (_steps, _nodes, _slots) = ([.. steps], [.. nodes], [.. slots]);
        _outputs = [.. graph.Outputs.Select(v => v.Data ?? tensors[v])];

        Tensor? Place(Value value) => Memory.BufferOf(value) is { } buffer ? Tensor.At(_arena, buffer.Offset, value.Spec) : null;
    }

    private readonly record struct Step(Op Op, object? Prepared, Tensor[] Operands, Tensor[] Results);

    public MemoryPlan Memory { get; }

    /// <summary>The results of the last run; the next one writes over them.</summary>
    public Tensor[] Outputs => _outputs;

    /// <summary>Whether it was made for inputs of these shapes and types.</summary>
    public bool Takes(ReadOnlySpan<Tensor> inputs)
    {
        if (inputs.Length != _placeholders.Length)
            return false;
        for (var i = 0; i < inputs.Length; i++)
        {
            if (inputs[i].Spec != _placeholders[i].Spec)
                return false;
        }
        return true;
    }

    public void Run(ReadOnlySpan<Tensor> inputs)
    {
        TakeInputs(inputs);
        foreach (ref readonly var step in _steps.AsSpan())
            step.Op.ForwardPrepared(step.Prepared, step.Operands, step.Results);
        ForgetInputs();
        GC.KeepAlive(this);
    }

    /// <summary>Runs node by node for someone with a watch.</summary>
    /// <param name="inputs">As for <see cref="Run(ReadOnlySpan{Tensor})"/>.</param>
    /// <param name="done">Called with -1 when the inputs are in place, and after each node that computes something, with its index in the graph's nodes.</param>
    public void Run(ReadOnlySpan<Tensor> inputs, Action<int> done)
    {
        TakeInputs(inputs);
        done(-1);
        for (var i = 0; i < _steps.Length; i++)
        {
            _steps[i].Op.ForwardPrepared(_steps[i].Prepared, _steps[i].Operands, _steps[i].Results);
            done(_nodes[i]);
        }
        ForgetInputs();
        GC.KeepAlive(this);
    }

    private void TakeInputs(ReadOnlySpan<Tensor> inputs)
    {
        for (var i = 0; i < inputs.Length; i++)
            _copies[i]?.CopyFrom(inputs[i]);
        foreach (var (operands, index, input) in _slots)
            operands[index] = inputs[input];
    }

    // The caller's tensors are not to live as long as the plan.
    private void ForgetInputs()
    {
        foreach (var (operands, index, input) in _slots)
            operands[index] = _placeholders[input];
    }
}
