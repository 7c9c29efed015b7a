using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>A graph of an ONNX file, checked and ready to be executed: nodes in order, each with its row.</summary>
internal sealed class OnnxProgram
{
    public required string Name { get; init; }

    /// <summary>What must be given; initialisers that are also inputs are not among them.</summary>
    public required IReadOnlyList<string> Inputs { get; init; }

    public required IReadOnlyList<string> Outputs { get; init; }

    public required IReadOnlyList<OnnxNode> Nodes { get; init; }

    /// <summary>Initialisers and Constant nodes.</summary>
    public required IReadOnlyDictionary<string, OnnxValue> Constants { get; init; }

    /// <summary>Names that the nodes read from the graphs around this one.</summary>
    public required IReadOnlySet<string> Captured { get; init; }
}

/// <summary>One node, with the row that computes it.</summary>
internal sealed class OnnxNode
{
    public required string Name { get; init; }

    public required string OpType { get; init; }

    public required OnnxRow Row { get; init; }

    /// <summary>Version of the operator set the node is to be understood by.</summary>
    public required int Opset { get; init; }

    /// <summary>Operands; an empty name is one left out.</summary>
    public required IReadOnlyList<string> Inputs { get; init; }

    /// <summary>Results; an empty name is one not wanted.</summary>
    public required IReadOnlyList<string> Outputs { get; init; }

    public required IReadOnlyDictionary<string, AttributeProto> Attributes { get; init; }

    /// <summary>Graph attributes (the branches of If, the body of Loop), and the body of a function.</summary>
    public required IReadOnlyDictionary<string, OnnxProgram> Subgraphs { get; init; }

    /// <summary>Values of this graph that no later node reads.</summary>
    public IReadOnlyList<string> Dying { get; set; } = [];

    public override string ToString() => Name.Length == 0 ? OpType : $"'{Name}' ({OpType})";
}

/// <summary>How one operator is computed: results in the operator's order, as many as are there or as the node names.</summary>
internal delegate OnnxValue[] OnnxRow(OnnxCall call);
