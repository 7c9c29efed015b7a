using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>
/// A network as data: op applications in topological order, with the values that flow between them. Traced from a module
/// without arithmetic, it can be asked (feature taps, multiply-accumulates), changed, run and exported.
/// </summary>
public sealed class Graph
{
    private readonly Dictionary<string, Value> _moduleOutputs;
    private readonly GraphRunner _runner;

    internal Graph(IReadOnlyList<Value> inputs, IReadOnlyList<Node> nodes, IReadOnlyList<Value> outputs, IReadOnlyDictionary<string, Value>? moduleOutputs = null)
    {
        (Inputs, Nodes, Outputs) = (inputs, nodes, outputs);
        var known = new HashSet<Value>(inputs.Concat(nodes.SelectMany(n => n.Outputs)), ReferenceEqualityComparer.Instance);
        _moduleOutputs = (moduleOutputs ?? new Dictionary<string, Value>()).Where(m => known.Contains(m.Value)).ToDictionary();
        Verify();
        _runner = new GraphRunner(this);
    }

    /// <summary>What the graph is given.</summary>
    public IReadOnlyList<Value> Inputs { get; }

    /// <summary>Op applications; every operand comes from an earlier node, an input or a constant.</summary>
    public IReadOnlyList<Node> Nodes { get; }

    /// <summary>What the graph gives.</summary>
    public IReadOnlyList<Value> Outputs { get; }

    /// <summary>Module paths and the value each module returned when it was traced.</summary>
    public IReadOnlyDictionary<string, Value> ModuleOutputs => _moduleOutputs;

    /// <summary>Parameters, buffers and other constants that the nodes use, each once, in order of first use.</summary>
    public IReadOnlyList<Value> Constants => [.. Nodes.SelectMany(n => n.Inputs).Where(v => v.IsConstant).Distinct()];

    /// <summary>Multiply-accumulates of one run at the traced shapes.</summary>
    public long Macs => Nodes.Sum(n => n.Macs);

    /// <summary>
    /// The graph of a module for inputs of the given shapes, images as [N, H, W, C]. Only shapes are computed. The module is
    /// traced as it is: in evaluation mode unless it was switched to training.
    /// </summary>
    /// <exception cref="VertebraException">The module's computation depends on the data (it reads elements), which a trace cannot follow.</exception>
    public static Graph Trace(Module module, params ReadOnlySpan<Shape> inputs)
    {
        var tensors = new Tensor[inputs.Length];
        for (var i = 0; i < inputs.Length; i++)
            tensors[i] = Tensor.Meta(inputs[i]);
        if (tensors.Length != 1)
            throw new VertebraException($"a module takes one input; {tensors.Length} shapes were given");
        return GraphTracer.Trace(module, tensors, x => [module.Forward(x[0])]);
    }

    /// <summary>Computes the outputs. Other batch sizes than the traced one work wherever the ops allow it.</summary>
    public Tensor[] Run(params ReadOnlySpan<Tensor> inputs) => _runner.Run(inputs, static (node, operands) => node.Op.ApplyAll(operands));

    /// <summary>The value that the module at a path returned: the place of a feature tap.</summary>
    /// <exception cref="VertebraException">No such module was traced; the message names the nearest.</exception>
    public Value OutputOf(string modulePath) => _moduleOutputs.TryGetValue(modulePath, out var value) ? value
        : throw new VertebraException($"the graph has no module '{modulePath}'; it has {string.Join(", ", Nearest(modulePath))}");

    /// <summary>Computes the outputs, each node's results by <paramref name="apply"/>, which may look at them, but must not keep them.</summary>
    internal Tensor[] Run(ReadOnlySpan<Tensor> inputs, Func<Node, Tensor[], Tensor[]> apply) => _runner.Run(inputs, apply);

    /// <summary>This graph with other outputs, without the nodes that they do not need.</summary>
    public Graph WithOutputs(params IReadOnlyList<Value> outputs)
    {
        var needed = new HashSet<Value>(outputs, ReferenceEqualityComparer.Instance);
        var nodes = new List<Node>();
        foreach (var node in Nodes.Reverse())
        {
            if (!node.Outputs.Any(needed.Contains))
                continue;
            nodes.Add(node);
            needed.UnionWith(node.Inputs);
        }
        nodes.Reverse();
        return new(Inputs, nodes, outputs, _moduleOutputs);
    }

    /// <summary>The node that computes a value; null for inputs and constants.</summary>
    public Node? ProducerOf(Value value) => Nodes.FirstOrDefault(n => n.Outputs.Contains(value));

    /// <summary>The nodes that read a value.</summary>
    public IEnumerable<Node> ConsumersOf(Value value) => Nodes.Where(n => n.Inputs.Contains(value));

    private IEnumerable<string> Nearest(string path)
    {
        var parent = path.Contains('.') ? path[..path.LastIndexOf('.')] : "";
        var depth = path.Count(c => c == '.');
        var siblings = _moduleOutputs.Keys.Where(k => k.Length > 0 && k.Count(c => c == '.') == depth && k.StartsWith(parent, StringComparison.Ordinal));
        return siblings.DefaultIfEmpty("no module at that depth").Take(12);
    }

    /// <summary>Checks that operands come before their use and that every op's shape rule gives the specs that are written down.</summary>
    /// <exception cref="VertebraException">The graph is inconsistent; the message names the node.</exception>
    public void Verify()
    {
        var known = new HashSet<Value>(Inputs, ReferenceEqualityComparer.Instance);
        foreach (var node in Nodes)
        {
            var dangling = node.Inputs.FirstOrDefault(v => !v.IsConstant && !known.Contains(v));
            if (dangling is not null)
                throw new VertebraException($"graph node {node} reads {dangling}, which nothing before it computes");
            var specs = node.Op.Infer(node.Inputs.Select(v => v.Spec).ToArray());
            if (!specs.SequenceEqual(node.Outputs.Select(v => v.Spec)))
                throw new VertebraException($"graph node {node} should give {string.Join(", ", specs)}, but {string.Join(", ", node.Outputs)} is written down");
            if (node.Outputs.Any(v => v.IsConstant || !known.Add(v)))
                throw new VertebraException($"graph node {node} computes a value that exists already");
        }
        var missing = Outputs.FirstOrDefault(v => !v.IsConstant && !known.Contains(v));
        if (missing is not null)
            throw new VertebraException($"graph output {missing} is computed by nothing");
    }
}

/// <summary>Something that flows through a graph: an input, a constant (parameter, buffer) or the result of a node. Compared by identity.</summary>
public sealed class Value(string name, TensorSpec spec, Tensor? data = null)
{
    /// <summary>For parameters and buffers the state-dict name; for results the path of the module and the op.</summary>
    public string Name { get; } = name;

    public TensorSpec Spec { get; } = spec;

    public Shape Shape => Spec.Shape;

    /// <summary>The tensor of a constant (meta when the network was built without data); null otherwise.</summary>
    public Tensor? Data { get; } = data;

    public bool IsConstant => Data is not null;

    public override string ToString() => $"{Name} {Spec}";
}

/// <summary>One op application.</summary>
/// <param name="Id">Position in the trace; it stays when other nodes are removed.</param>
/// <param name="Op">The operation.</param>
/// <param name="Inputs">Its operands.</param>
/// <param name="Outputs">Its results.</param>
/// <param name="ModulePath">Dotted path of the module that applied it; empty for the root.</param>
public sealed record Node(int Id, Op Op, IReadOnlyList<Value> Inputs, IReadOnlyList<Value> Outputs, string ModulePath)
{
    /// <summary>Multiply-accumulates at the traced shapes.</summary>
    public long Macs => Op.Macs(Inputs.Select(v => v.Spec).ToArray(), Outputs.Select(v => v.Spec).ToArray());

    public override string ToString() => $"#{Id} {Op.Name} in '{ModulePath}'";
}
