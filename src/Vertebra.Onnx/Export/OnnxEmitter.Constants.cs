using System.Globalization;
using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>Initializers: weights, tables, and the small numbers that operators take.</summary>
internal sealed partial class OnnxEmitter
{
    private readonly HashSet<string> _constants = new(StringComparer.Ordinal);

    /// <summary>An int64 vector constant.</summary>
    public string Int64(params ReadOnlySpan<long> values) =>
        Shared(Tensor.From(values, [values.Length]), $"const.i64[{string.Join(',', values.ToArray())}]");

    /// <summary>An int64 scalar constant.</summary>
    public string Int64Scalar(long value) => Shared(Tensor.From([value], []), $"const.i64.{value}");

    /// <summary>A float32 scalar constant.</summary>
    public string Float(float value) => Shared(Tensor.Scalar(value), $"const.f32.{value.ToString("r", CultureInfo.InvariantCulture)}");

    /// <summary>A float64 scalar constant.</summary>
    public string Double(double value) => Shared(Tensor.From([value], []), $"const.f64.{value.ToString("r", CultureInfo.InvariantCulture)}");

    /// <summary>A float32 vector of one number repeated.</summary>
    public string Repeated(float value, int count)
    {
        var values = new float[count];
        Array.Fill(values, value);
        return Shared(Tensor.From(values, [count]), $"const.f32.{value.ToString("r", CultureInfo.InvariantCulture)}x{count}");
    }

    /// <summary>A constant of the current node.</summary>
    public string Table(Tensor tensor, string suffix) => Constant(tensor, Unique($"{_node?.Outputs[0].Name ?? "preprocess"}.{suffix}"), AxisOrder.Plain(tensor.Rank));

    // Names of small constants say their content, so equal ones are one.
    private string Shared(Tensor tensor, string name) => Constant(tensor, name, AxisOrder.Plain(tensor.Rank));

    private string Constant(Tensor tensor, string name, AxisOrder order)
    {
        if (!_constants.Add(name))
            return name;
        if (!order.IsPlain)
            tensor = Vertebra.Ops.TensorOps.Permute(tensor, order.Axes);
        _valueNames.Add(name);
        var proto = new TensorProto { Name = name, DataType = (int)TypeOf(tensor.DType) };
        foreach (var size in tensor.Shape)
            proto.Dims.Add(size);
        _proto.Initializer.Add(proto);
        Initializers.Add((proto, tensor));
        return name;
    }

    /// <summary>The format's number of an element type.</summary>
    public static TensorProto.Types.DataType TypeOf(DType dtype) => dtype switch
    {
        DType.Float32 => TensorProto.Types.DataType.Float,
        DType.Float16 => TensorProto.Types.DataType.Float16,
        DType.BFloat16 => TensorProto.Types.DataType.Bfloat16,
        DType.Float64 => TensorProto.Types.DataType.Double,
        DType.Int8 => TensorProto.Types.DataType.Int8,
        DType.UInt8 => TensorProto.Types.DataType.Uint8,
        DType.Int32 => TensorProto.Types.DataType.Int32,
        DType.Int64 => TensorProto.Types.DataType.Int64,
        _ => TensorProto.Types.DataType.Bool,
    };
}
