using Vertebra.Ops;

namespace Vertebra.Autograd;

/// <summary>One op application on the tape: what its gradient needs, and where the gradients go.</summary>
internal sealed class GradNode
{
    private static long s_sequence;

    private readonly Edge[] _edges;
    private readonly TensorSpec[] _inputSpecs;
    private readonly TensorSpec[] _outputSpecs;
    private Tensor?[]? _saved; // inputs, then outputs; null once released
    private Func<Tensor>? _again;

    private GradNode(string name, Op? op, Edge[] edges, TensorSpec[] inputSpecs, TensorSpec[] outputSpecs, Tensor?[] saved)
    {
        (Name, Op, _edges, _inputSpecs, _outputSpecs, _saved) = (name, op, edges, inputSpecs, outputSpecs, saved);
        Sequence = Interlocked.Increment(ref s_sequence);
    }

    /// <summary>What was applied, in messages and tables.</summary>
    public string Name { get; }

    /// <summary>Null for a piece of the network that is computed again (<see cref="RecordAgain"/>).</summary>
    public Op? Op { get; }

    /// <summary>Later applications have larger numbers, so descending order is a reverse topological order.</summary>
    public long Sequence { get; }

    public ReadOnlySpan<Edge> Edges => _edges;

    public int OutputCount => _outputSpecs.Length;

    public static void Record(Op op, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var edges = new Edge[inputs.Length];
        var inputSpecs = new TensorSpec[inputs.Length];
        var outputSpecs = new TensorSpec[outputs.Length];
        var saved = new Tensor?[inputs.Length + outputs.Length];
        for (var i = 0; i < inputs.Length; i++)
        {
            inputSpecs[i] = inputs[i].Spec;
            edges[i] = Edge.To(inputs[i]);
            saved[i] = op.Saves.HasFlag((Saved)((int)Saved.Input0 << i)) ? inputs[i] : null;
        }
        for (var i = 0; i < outputs.Length; i++)
            outputSpecs[i] = outputs[i].Spec;
        var node = new GradNode(op.Name, op, edges, inputSpecs, outputSpecs, saved);
        for (var i = 0; i < outputs.Length; i++)
        {
            if (outputs[i].DType.IsFloat())
                (outputs[i].GradNode, outputs[i].GradIndex) = (node, i);
            saved[inputs.Length + i] = op.Saves.HasFlag((Saved)((int)Saved.Output0 << i)) ? outputs[i] : null;
        }
    }

    /// <summary>
    /// The same data as a result whose own tape is let go: the backward walk that comes here computes it again, by the function,
    /// and goes on along the new tape. As the new nodes are the latest of all, it walks them next, and whatever the function reads
    /// was made earlier than this node, so the order of the walk stays right.
    /// </summary>
    public static Tensor RecordAgain(Tensor result, Func<Tensor> function)
    {
        var output = result.Detach();
        output.GradNode = new("Recomputation", null, [], [], [result.Spec], []) { _again = function };
        return output;
    }

    /// <summary>Computes what <see cref="RecordAgain"/> left out, and records it.</summary>
    public Tensor ComputeAgain()
    {
        var function = _again ?? throw Released();
        using var recording = GradMode.Set(enabled: true);
        return function();
    }

    /// <summary>The gradients of the inputs, given those of the outputs.</summary>
    /// <exception cref="VertebraException">The node was released by an earlier walk, or the op returns a gradient of a wrong shape.</exception>
    public Tensor?[] Gradient(Tensor?[] outputGradients)
    {
        var saved = _saved ?? throw Released();
        var gradients = Op!.Gradient(new GradientContext(Op, _edges, _inputSpecs, _outputSpecs, saved, outputGradients));
        if (gradients.Length != _edges.Length)
            throw new VertebraException($"{Name}: its gradient returned {gradients.Length} tensors for {_edges.Length} inputs");
        for (var i = 0; i < gradients.Length; i++)
        {
            if (gradients[i] is { } gradient && gradient.Shape != _inputSpecs[i].Shape)
                throw new ShapeException($"{Name}: the gradient of input {i} has shape {gradient.Shape}, its input {_inputSpecs[i].Shape}");
        }
        return gradients;
    }

    /// <summary>Lets go of the saved tensors.</summary>
    public void Release() => (_saved, _again) = (null, null);

    private VertebraException Released() =>
        new($"the graph was already walked back through {Name}, and what its gradient needs is gone; pass retainGraph: true to the first walk");
}

/// <summary>Where the gradient of an input goes: to the node that made it, to a leaf, or nowhere.</summary>
internal readonly record struct Edge(GradNode? Node, int Index, Tensor? Leaf)
{
    public bool IsNeeded => Node is not null || Leaf is not null;

    public static Edge To(Tensor tensor) =>
        tensor.GradNode is { } node ? new(node, tensor.GradIndex, null)
        : tensor.RequiresGrad ? new(null, 0, tensor)
        : default;
}

/// <summary>What <see cref="Op.Gradient"/> may read: saved operands and results, specs of all of them, and the output gradients.</summary>
public sealed class GradientContext
{
    private readonly Op _op;
    private readonly Edge[] _edges;
    private readonly TensorSpec[] _inputSpecs;
    private readonly TensorSpec[] _outputSpecs;
    private readonly Tensor?[] _saved;
    private readonly Tensor?[] _outputGradients;

    internal GradientContext(Op op, Edge[] edges, TensorSpec[] inputSpecs, TensorSpec[] outputSpecs, Tensor?[] saved, Tensor?[] outputGradients) =>
        (_op, _edges, _inputSpecs, _outputSpecs, _saved, _outputGradients) = (op, edges, inputSpecs, outputSpecs, saved, outputGradients);

    public int InputCount => _inputSpecs.Length;

    /// <summary>An operand that the op's <see cref="Op.Saves"/> names.</summary>
    public Tensor Input(int index) => _saved[index] ?? throw NotSaved("input", index);

    /// <summary>A result that the op's <see cref="Op.Saves"/> names.</summary>
    public Tensor Output(int index = 0) => _saved[_inputSpecs.Length + index] ?? throw NotSaved("output", index);

    public TensorSpec InputSpec(int index) => _inputSpecs[index];

    public TensorSpec OutputSpec(int index = 0) => _outputSpecs[index];

    /// <summary>Whether anyone asks for the gradient of this input; if not, do not compute it.</summary>
    public bool Needs(int input) => input < _edges.Length && _edges[input].IsNeeded;

    /// <summary>The gradient of an output; zeros where none arrived.</summary>
    public Tensor OutputGradient(int index = 0) => _outputGradients[index] ?? Tensor.Zeros(_outputSpecs[index].Shape);

    /// <summary>Whether a gradient arrived at this output.</summary>
    public bool HasOutputGradient(int index) => _outputGradients[index] is not null;

    private VertebraException NotSaved(string what, int index) => new($"{_op.Name}: its gradient reads {what} {index}, which its Saves does not name");
}
