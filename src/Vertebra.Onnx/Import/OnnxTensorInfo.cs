using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>An axis as an ONNX file states it: a size, or a name for one that is open, or neither.</summary>
/// <param name="Size">The size; null when it is open.</param>
/// <param name="Name">The name of an open size; empty when it has none.</param>
public readonly record struct OnnxDimension(int? Size, string Name)
{
    public override string ToString() => Size?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? (Name.Length > 0 ? Name : "?");
}

/// <summary>What an ONNX file says of an input or output.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DType">The element type it has here; null for what is no tensor or of a type without place here.</param>
/// <param name="TypeName">The element type in ONNX's words, for messages.</param>
/// <param name="Dimensions">Its axes in ONNX's order; null when even their number is open.</param>
public sealed record OnnxTensorInfo(string Name, DType? DType, string TypeName, IReadOnlyList<OnnxDimension>? Dimensions)
{
    internal static OnnxTensorInfo Of(ValueInfoProto info, string source)
    {
        var tensor = info.Type?.TensorType;
        if (tensor is null)
            return new(info.Name, null, info.Type?.SequenceType is not null ? "sequence" : "unknown", null);
        return new(info.Name, TensorReader.TypeOf(tensor.ElemType), TensorReader.Name(tensor.ElemType), tensor.Shape is null ? null : [.. tensor.Shape.Dim.Select(d => Dimension(d, info.Name, source))]);
    }

    private static OnnxDimension Dimension(TensorShapeProto.Types.Dimension dimension, string name, string source) => dimension.ValueCase switch
    {
        TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue when dimension.DimValue is >= 0 and <= int.MaxValue => new((int)dimension.DimValue, ""),
        TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue when dimension.DimValue == -1 => new(null, ""),
        TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue => throw new FileFormatException($"{source}: '{name}' has an axis of size {dimension.DimValue}"),
        _ => new(null, dimension.DimParam),
    };

    public override string ToString() => $"{Name} {TypeName}[{(Dimensions is null ? "..." : string.Join(", ", Dimensions))}]";
}
