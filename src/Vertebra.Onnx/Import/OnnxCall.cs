using Vertebra.Onnx.Format;
using Type = Vertebra.Onnx.Format.AttributeProto.Types.AttributeType;

namespace Vertebra.Onnx;

/// <summary>One application of an operator: what a row is given. Everything it asks for is checked, and what is wrong is said in one line.</summary>
internal sealed class OnnxCall(OnnxNode node, OnnxValue?[] inputs, Interpreter interpreter, OnnxScope scope)
{
    public OnnxNode Node => node;

    /// <summary>Version of the operator set.</summary>
    public int Opset => node.Opset;

    /// <summary>Operands by position; null where one is left out.</summary>
    public IReadOnlyList<OnnxValue?> Inputs => inputs;

    /// <summary>Number of results that the node names.</summary>
    public int OutputCount => node.Outputs.Count;

    // ---------------------------------------------------------------- operands

    public bool Has(int index) => index < inputs.Length && inputs[index] is not null;

    /// <summary>An operand that must be there.</summary>
    public OnnxValue this[int index] => Has(index) ? inputs[index]! : throw Bad($"operand {index} is missing");

    /// <summary>The operand with ONNX's axes.</summary>
    public Tensor Plain(int index) => this[index].AsPlain();

    /// <summary>The operand with ONNX's axes; null when it is left out.</summary>
    public Tensor? PlainOrNull(int index) => Has(index) ? this[index].AsPlain() : null;

    /// <summary>The elements of an integer operand.</summary>
    /// <exception cref="DataDependenceException">They are not known while a graph is made.</exception>
    public long[] Longs(int index)
    {
        var tensor = Plain(index);
        if (tensor.IsMeta)
            throw new DataDependenceException($"operand {index}");
        return tensor.DType switch
        {
            DType.Int64 => tensor.ToArray<long>(),
            DType.Int32 => Array.ConvertAll(tensor.ToArray<int>(), v => (long)v),
            _ => throw Bad($"operand {index} must hold integers, it is {this[index]}"),
        };
    }

    /// <summary>The elements of an integer operand as numbers of 32 bits.</summary>
    public int[] Ints(int index) => Array.ConvertAll(Longs(index), v => ToInt(v, $"operand {index}"));

    /// <summary>The only element of an integer operand.</summary>
    public long Long(int index) => Longs(index) is [var value] ? value : throw Bad($"operand {index} must hold one number, it is {this[index]}");

    /// <summary>The elements of a float operand.</summary>
    public float[] Floats(int index)
    {
        var tensor = Plain(index);
        if (tensor.IsMeta)
            throw new DataDependenceException($"operand {index}");
        return tensor.DType == DType.Float32 ? tensor.ToArray<float>() : throw Bad($"operand {index} must hold float numbers, it is {this[index]}");
    }

    /// <summary>The only element of an operand of any type, as a number.</summary>
    public double Number(int index)
    {
        var tensor = Plain(index);
        if (tensor.ElementCount != 1)
            throw Bad($"operand {index} must hold one number, it is {this[index]}");
        return HostMath.ToDoubles(tensor)[0];
    }

    // ---------------------------------------------------------------- attributes

    public bool HasAttribute(string name) => node.Attributes.ContainsKey(name);

    public long Int(string name, long otherwise) => Attribute(name, Type.Int) is { } a ? a.I : otherwise;

    public long Int(string name) => Attribute(name, Type.Int) is { } a ? a.I : throw Missing(name);

    public int Axis(string name, int otherwise) => ToInt(Int(name, otherwise), name);

    public bool Flag(string name, bool otherwise = false) => Int(name, otherwise ? 1 : 0) != 0;

    public float Float(string name, float otherwise) => Attribute(name, Type.Float) is { } a ? a.F : otherwise;

    public float Float(string name) => Attribute(name, Type.Float) is { } a ? a.F : throw Missing(name);

    public string Text(string name, string otherwise) => Attribute(name, Type.String) is { } a ? a.S.ToStringUtf8() : otherwise;

    public string Text(string name) => Attribute(name, Type.String) is { } a ? a.S.ToStringUtf8() : throw Missing(name);

    public long[]? LongList(string name) => Attribute(name, Type.Ints) is { } a ? [.. a.Ints] : null;

    public int[]? IntList(string name) => LongList(name) is { } list ? Array.ConvertAll(list, v => ToInt(v, name)) : null;

    public float[]? FloatList(string name) => Attribute(name, Type.Floats) is { } a ? [.. a.Floats] : null;

    public string[]? TextList(string name) => Attribute(name, Type.Strings) is { } a ? [.. a.Strings.Select(s => s.ToStringUtf8())] : null;

    public Tensor? TensorAttribute(string name) => Attribute(name, Type.Tensor) is { } a
        ? interpreter.ReadTensor(a.T ?? throw Bad($"the attribute '{name}' holds no tensor")) : null;

    // ---------------------------------------------------------------- subgraphs and other rows

    /// <summary>Another operator of the standard with this node's attributes, on other operands.</summary>
    public OnnxValue[] Other(string opType, params OnnxValue?[] operands) => OperatorTable.Find("", opType)!(new(node, operands, interpreter, scope));

    /// <summary>A graph attribute.</summary>
    public OnnxProgram Subgraph(string name) => node.Subgraphs.TryGetValue(name, out var graph) ? graph : throw Missing(name);

    /// <summary>Executes a graph attribute, which sees the values around this node.</summary>
    public OnnxValue[] Execute(OnnxProgram program, params IReadOnlyList<OnnxValue> arguments) => interpreter.Execute(program, arguments, scope);

    /// <summary>Executes the body of a function, which sees nothing but its operands.</summary>
    public OnnxValue[] ExecuteFunction(OnnxProgram program, IReadOnlyList<OnnxValue?> arguments) => interpreter.ExecuteFunction(program, arguments);

    // ---------------------------------------------------------------- complaints

    /// <summary>An error of the file; the interpreter adds its name and the node's.</summary>
    public VertebraException Bad(string message) => new FileFormatException(message);

    public int ToInt(long value, string what) => value is >= int.MinValue and <= int.MaxValue ? (int)value
        : throw Bad($"{what} is {value}, beyond what a size or position can be");

    private VertebraException Missing(string name) => Bad($"the attribute '{name}' is missing");

    private AttributeProto? Attribute(string name, Type type)
    {
        if (!node.Attributes.TryGetValue(name, out var attribute))
            return null;
        return attribute.Type == type || attribute.Type == Type.Undefined ? attribute
            : throw Bad($"the attribute '{name}' is of type {attribute.Type}, not {type}");
    }
}
