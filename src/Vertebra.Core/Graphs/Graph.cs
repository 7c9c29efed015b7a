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
    private readonly Dictionary<Value, Node> _producers = [];
    private readonly Dictionary<Value, List<Node>> _consumers = [];
    private readonly Lazy<Dictionary<string, Value>> _names;
    private readonly Lazy<GraphRunner> _runner;
    private readonly bool _followsSize;
    private Graph? _resized; // for the shapes of the last run, when they were others

    /// <summary>A graph of these parts, verified.</summary>
    /// <param name="inputs">What it is given.</param>
    /// <param name="nodes">In topological order.</param>
    /// <param name="outputs">What it gives.</param>
    /// <param name="moduleOutputs">Module paths and what each module returns; those that no node computes are left out.</param>
    /// <exception cref="VertebraException">The parts do not fit together; the message names the node.</exception>
    public Graph(IReadOnlyList<Value> inputs, IReadOnlyList<Node> nodes, IReadOnlyList<Value> outputs, IReadOnlyDictionary<string, Value>? moduleOutputs = null)
    {
        (Inputs, Nodes, Outputs) = (inputs, nodes, outputs);
        Verify();
        foreach (var node in nodes)
        {
            foreach (var value in node.Outputs)
                _producers.Add(value, node);
            foreach (var value in node.Inputs.Distinct())
            {
                if (!_consumers.TryGetValue(value, out var readers))
                    _consumers.Add(value, readers = []);
                readers.Add(node);
            }
        }
        _moduleOutputs = (moduleOutputs ?? new Dictionary<string, Value>())
            .Where(m => _producers.ContainsKey(m.Value) || inputs.Contains(m.Value)).ToDictionary();
        _names = new(IndexNames);
        _followsSize = nodes.Any(n => n.SizeRules is not null);
        _runner = new(() => new GraphRunner(this));
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
        if (module is GraphModule graph)
            return GraphTracer.Trace(module, tensors, x => graph.ForwardAll(x));
        if (tensors.Length != 1)
            throw new VertebraException($"a module takes one input; {tensors.Length} shapes were given");
        return GraphTracer.Trace(module, tensors, x => [module.Forward(x[0])]);
    }

    /// <summary>
    /// The graph of a module with open axes: it runs at other batch and image sizes too, also where reshapes and windows carry
    /// sizes, and values know their sizes as expressions (<see cref="Value.Sizes"/>).
    /// </summary>
    /// <param name="module">Takes one input.</param>
    /// <param name="open">Which axes stay open.</param>
    /// <param name="input">The input's shape, which the graph has until it is told otherwise.</param>
    /// <exception cref="VertebraException">The network does something else at another size; the message names the node and its module.</exception>
    public static Graph Trace(Module module, OpenAxes open, Shape input) => DynamicTrace.Trace(shape => Trace(module, [shape]), open, input);

    /// <summary>The same for graphs that come from elsewhere.</summary>
    /// <param name="at">Makes the graph for an input of the given shape: the same network every time.</param>
    /// <param name="open">Which axes stay open.</param>
    /// <param name="input">The input's shape, which the graph has until it is told otherwise.</param>
    public static Graph Trace(Func<Shape, Graph> at, OpenAxes open, Shape input) => DynamicTrace.Trace(at, open, input);

    /// <summary>True when axes of the input are open.</summary>
    public bool IsDynamic => Inputs.Any(v => v.Sizes is not null);

    /// <summary>This graph for inputs of other shapes: attributes that follow the size are worked out, and every shape is inferred again.</summary>
    /// <exception cref="VertebraException">The network does not take such inputs.</exception>
    public Graph At(params IReadOnlyList<Shape> inputs) => GraphResizing.Apply(this, inputs);

    /// <summary>Computes the outputs. Other sizes than the traced ones work wherever the ops allow it, and always on axes that were left open.</summary>
    public Tensor[] Run(params ReadOnlySpan<Tensor> inputs) =>
        For(inputs)._runner.Value.Run(inputs, static (node, operands) => node.Op.ApplyAll(operands));

    /// <summary>The value that the module at a path returned: the place of a feature tap.</summary>
    /// <exception cref="VertebraException">No such module was traced; the message names the nearest.</exception>
    public Value OutputOf(string modulePath) => _moduleOutputs.TryGetValue(modulePath, out var value) ? value
        : throw new VertebraException($"the graph has no module '{modulePath}'; it has {string.Join(", ", Nearest(modulePath))}");

    /// <summary>Computes the outputs, each node's results by <paramref name="apply"/>, which may look at them, but must not keep them.</summary>
    internal Tensor[] Run(ReadOnlySpan<Tensor> inputs, Func<Node, Tensor[], Tensor[]> apply) => _runner.Value.Run(inputs, apply);

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

    /// <summary>The value of a name (an input, a constant or a result), or what the module of that path returned.</summary>
    /// <exception cref="VertebraException">There is no such value.</exception>
    public Value this[string name] => _names.Value.TryGetValue(name, out var value) ? value : OutputOf(name);

    /// <summary>The node that computes a value; null for inputs and constants.</summary>
    public Node? ProducerOf(Value value) => _producers.GetValueOrDefault(value);

    /// <summary>The nodes that read a value, each once, in order.</summary>
    public IReadOnlyList<Node> ConsumersOf(Value value) => _consumers.TryGetValue(value, out var readers) ? readers : [];

    /// <summary>Constant folding and removal of what no output needs come with every rewrite; see <see cref="RewriteRule"/>.</summary>
    /// <param name="rules">Applied wherever they match, until none matches any more.</param>
    public Graph Rewrite(params IReadOnlyList<RewriteRule> rules) => Rewriter.Apply(this, rules);

    /// <summary>This graph, or what it is at the shapes of these inputs when attributes follow the size.</summary>
    private Graph For(ReadOnlySpan<Tensor> inputs)
    {
        var shapes = new Shape[inputs.Length];
        for (var i = 0; i < shapes.Length; i++)
            shapes[i] = inputs[i].Shape;
        if (!_followsSize || shapes.SequenceEqual(Inputs.Select(v => v.Shape)))
            return this;
        if (_resized is { } known && shapes.SequenceEqual(known.Inputs.Select(v => v.Shape)))
            return known;
        return _resized = At(shapes);
    }

    private Dictionary<string, Value> IndexNames()
    {
        var names = new Dictionary<string, Value>(StringComparer.Ordinal);
        foreach (var value in Inputs.Concat(Nodes.SelectMany(n => n.Inputs.Concat(n.Outputs))))
            names.TryAdd(value.Name, value);
        return names;
    }

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

    /// <summary>The shape as a function of the open axes of the graph's input; null where nothing is open.</summary>
    public IReadOnlyList<SizeExpression>? Sizes { get; internal set; }

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
    /// <summary>Which attributes of the op follow the size of the graph's input; null when none does.</summary>
    public SizeRules? SizeRules { get; init; }

    /// <summary>Multiply-accumulates at the traced shapes.</summary>
    public long Macs => Op.Macs(Inputs.Select(v => v.Spec).ToArray(), Outputs.Select(v => v.Spec).ToArray());

    public override string ToString() => $"#{Id} {Op.Name} in '{ModulePath}'";
}
