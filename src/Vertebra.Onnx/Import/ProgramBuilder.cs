using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>
/// Checks the graphs of a file and makes programs of them: every name is computed once and before it is read, every operator
/// has a row, functions are replaced by their bodies. Nothing in the file is trusted.
/// </summary>
internal sealed class ProgramBuilder
{
    private const int DeepestNesting = 32;

    private readonly string _source;
    private readonly OnnxLimits _limits;
    private readonly TensorReader _tensors;
    private readonly Dictionary<string, long> _opsets = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Domain, string Name), FunctionProto> _functions = [];
    private readonly SortedDictionary<string, (int Count, string First)> _unsupported = new(StringComparer.Ordinal);
    private int _nodes;
    private int _depth;

    public ProgramBuilder(string source, ModelProto model, TensorReader tensors, OnnxLimits limits)
    {
        (_source, _tensors, _limits) = (source, tensors, limits);
        ReadOpsets(model.OpsetImport, _opsets);
        foreach (var function in model.Functions)
        {
            if (!_functions.TryAdd((OperatorTable.Domain(function.Domain), function.Name), function))
                throw Bad($"the function '{function.Domain}.{function.Name}' stands there twice");
        }
    }

    /// <summary>Version of the standard operator set that the file uses.</summary>
    public long Opset => _opsets.GetValueOrDefault("", 1);

    /// <summary>The program of the main graph.</summary>
    /// <exception cref="FileFormatException">Something is inconsistent, or operators are missing; all of them are named.</exception>
    public OnnxProgram Build(GraphProto graph)
    {
        var program = Build(graph, new(null), _opsets);
        if (_unsupported.Count > 0)
            throw Bad($"operators that are not supported: {string.Join(", ", _unsupported.Select(u => $"{u.Key} ({u.Value.Count} times, first in node '{u.Value.First}')"))}");
        return program;
    }

    // ---------------------------------------------------------------- graphs and functions

    private OnnxProgram Build(GraphProto graph, Names outer, IReadOnlyDictionary<string, long> opsets, IReadOnlyDictionary<string, AttributeProto>? bindings = null)
    {
        if (graph.SparseInitializer.Count > 0)
            throw Bad($"the graph '{graph.Name}' has sparse initialisers ('{graph.SparseInitializer[0].Values?.Name}'), which are not supported: save it with dense ones");
        var names = new Names(outer);
        var constants = new Dictionary<string, OnnxValue>(StringComparer.Ordinal);
        foreach (var proto in graph.Initializer)
        {
            Define(names, proto.Name, "initialiser");
            constants[proto.Name] = Constant(_tensors.Read(proto));
            proto.RawData = Google.Protobuf.ByteString.Empty; // the tensor has it now
        }
        var inputs = new List<string>();
        foreach (var input in graph.Input.Where(i => !constants.ContainsKey(i.Name)))
        {
            Define(names, input.Name, "input");
            inputs.Add(input.Name);
        }
        return Finish(graph.Name, inputs, [.. graph.Output.Select(o => o.Name)], graph.Node, names, constants, opsets, bindings);
    }

    private OnnxProgram Build(FunctionProto function, NodeProto call, IReadOnlyDictionary<string, AttributeProto>? outerBindings)
    {
        var opsets = new Dictionary<string, long>(_opsets, StringComparer.Ordinal);
        ReadOpsets(function.OpsetImport, opsets);
        var names = new Names(null);
        foreach (var input in function.Input)
            Define(names, input, "input");
        if (call.Input.Count > function.Input.Count)
            throw Bad($"node '{call.Name}' gives {call.Input.Count} operands to the function '{function.Name}', which takes {function.Input.Count}");
        var bindings = function.AttributeProto.ToDictionary(a => a.Name, StringComparer.Ordinal);
        foreach (var attribute in call.Attribute)
        {
            if (Bound(attribute, outerBindings) is { } bound)
                bindings[attribute.Name] = bound;
        }
        return Finish(function.Name, [.. function.Input], [.. function.Output], function.Node, names, [], opsets, bindings);
    }

    private OnnxProgram Finish(string name, List<string> inputs, string[] outputs, IReadOnlyList<NodeProto> protos, Names names,
        Dictionary<string, OnnxValue> constants, IReadOnlyDictionary<string, long> opsets, IReadOnlyDictionary<string, AttributeProto>? bindings)
    {
        if (++_depth > DeepestNesting)
            throw Bad($"subgraphs or functions are nested more than {DeepestNesting} deep (does a function call itself?)");
        var later = protos.SelectMany(n => n.Output).ToHashSet(StringComparer.Ordinal);
        var nodes = new List<OnnxNode>(protos.Count);
        foreach (var proto in protos)
        {
            if (++_nodes > _limits.MostNodes)
                throw Bad($"more than {_limits.MostNodes} nodes");
            foreach (var input in proto.Input.Where(i => i.Length > 0 && !names.Knows(i)))
            {
                throw Bad(later.Contains(input)
                    ? $"node '{proto.Name}' ({proto.OpType}) reads '{input}' before it is computed: the nodes stand in a cycle or out of order"
                    : $"node '{proto.Name}' ({proto.OpType}) reads '{input}', which nothing computes");
            }
            var isConstant = proto.OpType == "Constant" && OperatorTable.Domain(proto.Domain).Length == 0 && proto.Output.Count == 1;
            var node = Build(proto, names, opsets, bindings);
            foreach (var output in proto.Output.Where(o => o.Length > 0))
                Define(names, output, $"result of node '{proto.Name}'");
            if (isConstant && node is not null && ConstantOf(node) is { } tensor)
                constants[proto.Output[0]] = Constant(tensor);
            else if (node is not null)
                nodes.Add(node);
        }
        foreach (var output in outputs.Where(o => !names.Knows(o)))
            throw Bad($"nothing computes '{output}', an output of '{name}'");
        _depth--;
        PlanRelease(nodes, outputs, names);
        return new() { Name = name, Inputs = inputs, Outputs = outputs, Nodes = nodes, Constants = constants, Captured = names.Captured };
    }

    private OnnxNode? Build(NodeProto proto, Names names, IReadOnlyDictionary<string, long> opsets, IReadOnlyDictionary<string, AttributeProto>? bindings)
    {
        var domain = OperatorTable.Domain(proto.Domain);
        if (_functions.TryGetValue((domain, proto.OpType), out var function))
            return FunctionCall(proto, function, bindings);
        if (!opsets.TryGetValue(domain, out var opset))
            throw Bad($"node '{proto.Name}' ({proto.OpType}) is of the operator set '{proto.Domain}', whose version the file does not say");
        if (OperatorTable.Find(domain, proto.OpType) is not { } row)
        {
            var key = domain.Length == 0 ? proto.OpType : $"{domain}.{proto.OpType}";
            var (count, first) = _unsupported.GetValueOrDefault(key, (0, proto.Name));
            _unsupported[key] = (count + 1, first);
            return null;
        }
        var attributes = new Dictionary<string, AttributeProto>(StringComparer.Ordinal);
        var subgraphs = new Dictionary<string, OnnxProgram>(StringComparer.Ordinal);
        foreach (var attribute in proto.Attribute)
        {
            if (Bound(attribute, bindings) is not { } bound)
                continue;
            if (!attributes.TryAdd(attribute.Name, bound))
                throw Bad($"node '{proto.Name}' ({proto.OpType}) has the attribute '{attribute.Name}' twice");
            if (bound.G is not null)
                subgraphs[attribute.Name] = Build(bound.G, names, opsets, bindings);
        }
        return new()
        {
            Name = proto.Name, OpType = proto.OpType, Row = row, Opset = (int)Math.Clamp(opset, 1, int.MaxValue), Inputs = [.. proto.Input], Outputs = [.. proto.Output],
            Attributes = attributes, Subgraphs = subgraphs,
        };
    }

    private OnnxNode FunctionCall(NodeProto proto, FunctionProto function, IReadOnlyDictionary<string, AttributeProto>? bindings)
    {
        var body = Build(function, proto, bindings);
        return new()
        {
            Name = proto.Name, OpType = proto.OpType, Opset = 1, Inputs = [.. proto.Input], Outputs = [.. proto.Output],
            Row = call => call.ExecuteFunction(body, call.Inputs),
            Attributes = new Dictionary<string, AttributeProto>(), Subgraphs = new Dictionary<string, OnnxProgram>(),
        };
    }

    // ---------------------------------------------------------------- details

    /// <summary>The attribute, or what the function's caller gave for it; null where the caller gave nothing.</summary>
    private static AttributeProto? Bound(AttributeProto attribute, IReadOnlyDictionary<string, AttributeProto>? bindings) =>
        attribute.RefAttrName.Length == 0 ? attribute : bindings?.GetValueOrDefault(attribute.RefAttrName);

    private static OnnxValue Constant(Tensor tensor) => OnnxValue.Constant(tensor);

    // A Constant node is an initialiser in other words.
    private Tensor? ConstantOf(OnnxNode node)
    {
        if (node.Attributes.Count != 1)
            return null;
        var (name, attribute) = node.Attributes.First();
        return name switch
        {
            "value" when attribute.T is not null => _tensors.Read(attribute.T),
            "value_float" => Tensor.Scalar(attribute.F),
            "value_int" => Tensor.From([attribute.I], Shape.Scalar),
            "value_floats" => Tensor.From(attribute.Floats.ToArray()),
            "value_ints" => Tensor.From(attribute.Ints.ToArray()),
            _ => null,
        };
    }

    private void Define(Names names, string name, string what)
    {
        if (name.Length == 0)
            throw Bad($"a {what} has no name");
        if (!names.Add(name))
            throw Bad($"the {what} '{name}' has a name that is taken: every value is computed once");
    }

    // What no later node reads can be forgotten after a node; a subgraph's captured names are read by the node that holds it.
    private static void PlanRelease(List<OnnxNode> nodes, string[] outputs, Names names)
    {
        var read = new HashSet<string>(outputs, StringComparer.Ordinal);
        for (var i = nodes.Count - 1; i >= 0; i--)
        {
            var touched = nodes[i].Inputs.Concat(nodes[i].Outputs).Concat(nodes[i].Subgraphs.Values.SelectMany(g => g.Captured))
                .Where(n => n.Length > 0 && names.Owns(n)).Distinct();
            nodes[i].Dying = [.. touched.Where(read.Add)];
        }
    }

    private void ReadOpsets(IEnumerable<OperatorSetIdProto> imports, Dictionary<string, long> opsets)
    {
        foreach (var import in imports)
            opsets[OperatorTable.Domain(import.Domain)] = import.Version;
    }

    private FileFormatException Bad(string what) => new($"{_source}: {what}");

    /// <summary>The names known at a place of a graph.</summary>
    private sealed class Names(Names? outer)
    {
        private readonly HashSet<string> _own = new(StringComparer.Ordinal);

        public HashSet<string> Captured { get; } = new(StringComparer.Ordinal);

        public bool Add(string name) => _own.Add(name);

        public bool Owns(string name) => _own.Contains(name);

        public bool Knows(string name)
        {
            if (_own.Contains(name))
                return true;
            if (outer is null || !outer.Knows(name))
                return false;
            Captured.Add(name);
            return true;
        }
    }
}
