using Google.Protobuf;
using Vertebra.Onnx.Format;
using Vertebra.Ops;
using DataType = Vertebra.Onnx.Format.TensorProto.Types.DataType;

namespace Vertebra.Onnx;

/// <summary>Reads the values that a backend test's folder holds, and compares results with them.</summary>
internal static class NodeTestData
{
    /// <summary>An operand of a type that the model states.</summary>
    public static OnnxValue Read(string file, TypeProto? type)
    {
        var bytes = File.ReadAllBytes(file);
        var reader = new TensorReader(file, null, new OnnxLimits());
        try
        {
            return type?.ValueCase switch
            {
                TypeProto.ValueOneofCase.SequenceType => Value(SequenceProto.Parser.ParseFrom(bytes), reader),
                TypeProto.ValueOneofCase.OptionalType => Value(OptionalProto.Parser.ParseFrom(bytes), reader),
                _ => reader.Read(AsStated(TensorProto.Parser.ParseFrom(bytes), type)),
            };
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new FileFormatException($"{file}: not a tensor, sequence or optional of the ONNX format: {e.Message}", e);
        }
    }

    /// <summary>Where a result differs from what a file says; null when it agrees.</summary>
    public static string? Difference(OnnxValue actual, string file, TypeProto? type)
    {
        var expected = Read(file, type);
        var relative = type?.TensorType is { } tensor ? RelativeTolerance((DataType)tensor.ElemType) : 1e-3;
        return Difference(actual, expected, relative);
    }

    // NumPy has no bfloat16: the tests hold its bits as uint16.
    private static TensorProto AsStated(TensorProto tensor, TypeProto? type)
    {
        if (tensor.DataType == (int)DataType.Uint16 && type?.TensorType?.ElemType == (int)DataType.Bfloat16)
            tensor.DataType = (int)DataType.Bfloat16;
        return tensor;
    }

    private static OnnxValue Value(SequenceProto sequence, TensorReader reader) => OnnxValue.Sequence(
    [
        .. sequence.TensorValues.Select(t => (OnnxValue)reader.Read(t)),
        .. sequence.SequenceValues.Select(s => Value(s, reader)),
        .. sequence.OptionalValues.Select(o => Value(o, reader)),
    ]);

    private static OnnxValue Value(OptionalProto optional, TensorReader reader) =>
        optional.TensorValue is not null ? reader.Read(optional.TensorValue)
        : optional.SequenceValue is not null ? Value(optional.SequenceValue, reader)
        : optional.OptionalValue is not null ? Value(optional.OptionalValue, reader)
        : OnnxValue.Nothing;

    // The standard's runner allows 1e-3; the 16-bit floats have spacings of 1e-3 and 8e-3.
    private static double RelativeTolerance(DataType type) => type switch
    {
        DataType.Float16 => 2e-3,
        DataType.Bfloat16 => 1.6e-2,
        _ => 1e-3,
    };

    private static string? Difference(OnnxValue actual, OnnxValue expected, double relative)
    {
        if (expected.Elements is { } elements)
        {
            if (actual.Elements?.Count != elements.Count)
                return $"{actual} for {expected}";
            return actual.Elements.Zip(elements, (a, e) => Difference(a, e, relative)).FirstOrDefault(d => d is not null);
        }
        if (!expected.IsTensor || !actual.IsTensor)
            return expected.IsTensor == actual.IsTensor ? null : $"{actual} for {expected}";
        if (actual.Shape != expected.Shape || actual.DType != expected.DType)
            return $"{actual} for {expected}";
        var (a, e) = (HostMath.ToDoubles(actual.AsPlain()), HostMath.ToDoubles(expected.AsPlain()));
        for (var i = 0; i < e.Length; i++)
        {
            var isSame = a[i].Equals(e[i]) || (expected.DType.IsFloat() && Math.Abs(a[i] - e[i]) <= 1e-7 + (relative * Math.Abs(e[i])));
            if (!isSame)
                return $"element {i} of {expected} is {a[i]:g7} for {e[i]:g7}";
        }
        return null;
    }
}
