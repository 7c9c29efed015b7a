using Vertebra.Autograd;
using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>
/// Executes programs node by node. With meta inputs and a <see cref="ImportTracer"/> listening the same execution yields a
/// graph: whatever does not depend on the inputs is computed at once.
/// </summary>
internal sealed class Interpreter(string source, OnnxLimits limits, TensorReader tensors, ImportTracer? tracer, Action<string, OnnxValue>? observe)
{
    private const int DeepestNesting = 64;
    private const int StepsPerTurn = 100;

    private long _steps;
    private int _depth;

    /// <summary>Executes the main graph.</summary>
    public OnnxValue[] ExecuteMain(OnnxProgram program, IReadOnlyDictionary<string, OnnxValue> inputs)
    {
        using var off = GradMode.Off();
        using var budget = MemoryBudget.Limit(limits.LargestTensorBytes);
        var scope = new OnnxScope(program, null);
        foreach (var (name, value) in inputs)
            scope.Set(name, value);
        return Execute(program, scope);
    }

    /// <summary>Executes a subgraph, which sees the values around it.</summary>
    public OnnxValue[] Execute(OnnxProgram program, IReadOnlyList<OnnxValue> arguments, OnnxScope outer)
    {
        if (arguments.Count != program.Inputs.Count)
            throw new FileFormatException($"the subgraph '{program.Name}' takes {program.Inputs.Count} inputs, got {arguments.Count}");
        var scope = new OnnxScope(program, outer);
        for (var i = 0; i < arguments.Count; i++)
            scope.Set(program.Inputs[i], arguments[i]);
        return Execute(program, scope);
    }

    /// <summary>Executes the body of a function, which sees nothing but its operands; ones left out stay so.</summary>
    public OnnxValue[] ExecuteFunction(OnnxProgram program, IReadOnlyList<OnnxValue?> arguments)
    {
        var scope = new OnnxScope(program, null);
        for (var i = 0; i < program.Inputs.Count; i++)
            scope.Set(program.Inputs[i], (i < arguments.Count ? arguments[i] : null) ?? OnnxValue.Nothing);
        return Execute(program, scope);
    }

    /// <summary>The tensor of an attribute.</summary>
    public Tensor ReadTensor(TensorProto proto) => tensors.Read(proto);

    private OnnxValue[] Execute(OnnxProgram program, OnnxScope scope)
    {
        // A turn of a loop costs memory even where its body has no nodes.
        Count(StepsPerTurn);
        if (++_depth > DeepestNesting)
            throw new FileFormatException($"subgraphs are nested more than {DeepestNesting} deep");
        foreach (var node in program.Nodes)
        {
            Count(1);
            Execute(node, scope);
        }
        _depth--;
        var results = new OnnxValue[program.Outputs.Count];
        for (var i = 0; i < results.Length; i++)
            results[i] = scope.Find(program.Outputs[i]);
        return results;
    }

    private void Count(int steps)
    {
        _steps += steps;
        if (_steps > limits.MostSteps)
            throw new FileFormatException($"more than {limits.MostSteps} nodes were executed: the file loops too long");
    }

    private void Execute(OnnxNode node, OnnxScope scope)
    {
        var operands = new OnnxValue?[node.Inputs.Count];
        for (var i = 0; i < operands.Length; i++)
            operands[i] = node.Inputs[i].Length == 0 ? null : Present(scope.Find(node.Inputs[i]));
        tracer?.Enter(node);
        OnnxValue[] results;
        try
        {
            results = node.Row(new(node, operands, this, scope));
        }
        catch (Exception e) when (e is VertebraException and not NodeException)
        {
            throw new NodeException($"{source}: node {node}: {e.Message}", e);
        }
        catch (Exception e) when (e is OverflowException or ArgumentException or IndexOutOfRangeException or InvalidOperationException or DivideByZeroException or FormatException)
        {
            // Hostile attributes and shapes that no row's own check foresaw.
            throw new NodeException($"{source}: node {node}: its attributes and operands ({string.Join(", ", operands.Select(o => o?.ToString() ?? "none"))}) do not fit: {e.Message}", e);
        }
        if (results.Length < node.Outputs.Count(o => o.Length > 0) && node.Outputs.Skip(results.Length).Any(o => o.Length > 0))
            throw new NodeException($"{source}: node {node}: gives {results.Length} results, the file names {node.Outputs.Count}", null);
        for (var i = 0; i < node.Outputs.Count; i++)
        {
            if (node.Outputs[i].Length == 0)
                continue;
            scope.Set(node.Outputs[i], results[i]);
            tracer?.Name(results[i], node.Outputs[i]);
            observe?.Invoke(node.Outputs[i], results[i]);
        }
        foreach (var name in node.Dying)
            scope.Remove(name);
    }

    // An operand that a function was not given is one left out.
    private static OnnxValue? Present(OnnxValue value) => ReferenceEquals(value, OnnxValue.Nothing) ? null : value;
}

/// <summary>An error that names its node already.</summary>
internal sealed class NodeException(string message, Exception? inner) : FileFormatException(message, inner!);
