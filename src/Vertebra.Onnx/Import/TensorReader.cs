using System.Runtime.InteropServices;
using Vertebra.Onnx.Format;
using Vertebra.Ops;
using DataType = Vertebra.Onnx.Format.TensorProto.Types.DataType;

namespace Vertebra.Onnx;

/// <summary>
/// Reads tensors out of the file or the files beside it. The number of elements is compared with the data that is there
/// before memory is taken. Arithmetic here is float32: float16, bfloat16 and double are converted where they are read, and
/// the integers without an element type of their own become the next wider one.
/// </summary>
internal sealed class TensorReader(string source, ExternalData? external, OnnxLimits limits)
{
    private const int LargestRank = 32;

    private long _bytes;

    /// <exception cref="FileFormatException">The tensor is inconsistent or of a type that has no place here.</exception>
    public Tensor Read(TensorProto proto)
    {
        var shape = ShapeOf(proto);
        var type = (DataType)proto.DataType;
        var bits = BitsPerElement(type) ?? throw Bad(proto, $"holds elements of type {Name(type)}, which are not supported");
        var bytes = checked(((shape.ElementCount * bits) + 7) / 8);
        if (proto.DataLocation == TensorProto.Types.DataLocation.External)
        {
            var file = external ?? throw Bad(proto, "has its data in another file, but the model did not come from a folder");
            Reserve(proto, bytes);
            using var stream = file.Open(proto, bytes);
            return FromStream(type, stream, bytes, shape);
        }
        if (proto.RawData.Length > 0 || TypedCount(proto, type) == 0)
        {
            if (proto.RawData.Length != bytes)
                throw Bad(proto, $"is {Name(type)}{shape} and needs {bytes} bytes, raw_data has {proto.RawData.Length}");
            Reserve(proto, bytes);
            return FromRaw(type, proto.RawData.Span, shape);
        }
        var perEntry = type is DataType.Int4 or DataType.Uint4 ? 2 : 1;
        if (TypedCount(proto, type) != (shape.ElementCount + perEntry - 1) / perEntry)
            throw Bad(proto, $"is {Name(type)}{shape} and needs {shape.ElementCount} elements, {TypedCount(proto, type)} entries are there");
        Reserve(proto, bytes);
        return FromFields(proto, type, shape);
    }

    /// <summary>Our element type for one of ONNX's; null for those without.</summary>
    public static DType? TypeOf(int type) => (DataType)type switch
    {
        DataType.Float or DataType.Float16 or DataType.Bfloat16 or DataType.Double => DType.Float32,
        DataType.Int8 or DataType.Int4 => DType.Int8,
        DataType.Uint8 or DataType.Uint4 => DType.UInt8,
        DataType.Int16 or DataType.Uint16 or DataType.Int32 => DType.Int32,
        DataType.Int64 or DataType.Uint32 or DataType.Uint64 => DType.Int64,
        DataType.Bool => DType.Bool,
        _ => null,
    };

    /// <summary>An element type in messages.</summary>
    public static string Name(int type) => Name((DataType)type);

    private static string Name(DataType type) => Enum.IsDefined(type) ? type.ToString().ToLowerInvariant() : $"number {(int)type}";

    private Shape ShapeOf(TensorProto proto)
    {
        if (proto.Dims.Count > LargestRank)
            throw Bad(proto, $"has {proto.Dims.Count} axes; more than {LargestRank} are not supported");
        var sizes = new int[proto.Dims.Count];
        for (var i = 0; i < sizes.Length; i++)
            sizes[i] = proto.Dims[i] is >= 0 and <= int.MaxValue ? (int)proto.Dims[i] : throw Bad(proto, $"has an axis of size {proto.Dims[i]}");
        try
        {
            // So that byte counts do not overflow either.
            return ((Shape)sizes).ElementCount <= long.MaxValue / 64 ? sizes : throw new OverflowException();
        }
        catch (OverflowException)
        {
            throw Bad(proto, $"has the shape [{string.Join(", ", sizes)}], which is impossible");
        }
    }

    private void Reserve(TensorProto proto, long bytes)
    {
        _bytes += bytes;
        if (bytes > limits.LargestTensorBytes || _bytes > limits.InitializerBytes)
            throw Bad(proto, $"has {bytes >> 20} MiB, which bring the constants to {_bytes >> 20} MiB, beyond the limit");
    }

    private static int? BitsPerElement(DataType type) => type switch
    {
        DataType.Double or DataType.Int64 or DataType.Uint64 => 64,
        DataType.Float or DataType.Int32 or DataType.Uint32 => 32,
        DataType.Float16 or DataType.Bfloat16 or DataType.Int16 or DataType.Uint16 => 16,
        DataType.Int8 or DataType.Uint8 or DataType.Bool => 8,
        DataType.Int4 or DataType.Uint4 => 4,
        _ => null,
    };

    private static int TypedCount(TensorProto proto, DataType type) => type switch
    {
        DataType.Float => proto.FloatData.Count,
        DataType.Double => proto.DoubleData.Count,
        DataType.Int64 => proto.Int64Data.Count,
        DataType.Uint32 or DataType.Uint64 => proto.Uint64Data.Count,
        _ => proto.Int32Data.Count,
    };

    private static Tensor FromStream(DataType type, Stream stream, long bytes, Shape shape)
    {
        if (type != DataType.Float)
        {
            var data = new byte[bytes];
            stream.ReadExactly(data);
            return FromRaw(type, data, shape);
        }
        // Weights go straight into their tensor: copies of large ones wait long for the garbage collector.
        var tensor = Tensor.Empty(shape);
        stream.ReadExactly(MemoryMarshal.AsBytes(tensor.AsSpan<float>()));
        GC.KeepAlive(tensor);
        return tensor;
    }

    private static Tensor FromRaw(DataType type, ReadOnlySpan<byte> data, Shape shape) => type switch
    {
        DataType.Float => Tensor.From(MemoryMarshal.Cast<byte, float>(data), shape),
        DataType.Double => Tensor.From(MemoryMarshal.Cast<byte, double>(data), shape).To(DType.Float32),
        DataType.Float16 => Tensor.From(MemoryMarshal.Cast<byte, Half>(data), shape).To(DType.Float32),
        DataType.Bfloat16 => Tensor.From(MemoryMarshal.Cast<byte, ushort>(data), shape).To(DType.Float32),
        DataType.Int64 => Tensor.From(MemoryMarshal.Cast<byte, long>(data), shape),
        DataType.Uint64 => Tensor.From(Convert(MemoryMarshal.Cast<byte, ulong>(data), Signed), shape),
        DataType.Int32 => Tensor.From(MemoryMarshal.Cast<byte, int>(data), shape),
        DataType.Uint32 => Tensor.From(Convert(MemoryMarshal.Cast<byte, uint>(data), v => (long)v), shape),
        DataType.Int16 => Tensor.From(Convert(MemoryMarshal.Cast<byte, short>(data), v => (int)v), shape),
        DataType.Uint16 => Tensor.From(Convert(MemoryMarshal.Cast<byte, ushort>(data), v => (int)v), shape),
        DataType.Int8 => Tensor.From(MemoryMarshal.Cast<byte, sbyte>(data), shape),
        DataType.Uint8 => Tensor.From(data, shape),
        DataType.Bool => Tensor.From(Convert(data, v => v != 0), shape),
        DataType.Uint4 => Tensor.From(Nibbles(data, (int)shape.ElementCount), shape),
        _ => Tensor.From(Convert<byte, sbyte>(Nibbles(data, (int)shape.ElementCount), v => (sbyte)(v >= 8 ? v - 16 : v)), shape),
    };

    private static Tensor FromFields(TensorProto proto, DataType type, Shape shape)
    {
        switch (type)
        {
            case DataType.Float: return Tensor.From(proto.FloatData.ToArray(), shape);
            case DataType.Double: return Tensor.From(proto.DoubleData.ToArray(), shape).To(DType.Float32);
            case DataType.Int64: return Tensor.From(proto.Int64Data.ToArray(), shape);
            case DataType.Uint32 or DataType.Uint64: return Tensor.From(Convert<ulong, long>(proto.Uint64Data.ToArray(), Signed), shape);
        }
        var entries = proto.Int32Data.ToArray();
        return type switch
        {
            DataType.Float16 => Tensor.From(Convert<int, Half>(entries, v => BitConverter.UInt16BitsToHalf((ushort)v)), shape).To(DType.Float32),
            DataType.Bfloat16 => Tensor.From(Convert<int, ushort>(entries, v => (ushort)v), shape).To(DType.Float32),
            DataType.Int8 => Tensor.From(Convert<int, sbyte>(entries, v => (sbyte)v), shape),
            DataType.Uint8 => Tensor.From(Convert<int, byte>(entries, v => (byte)v), shape),
            DataType.Bool => Tensor.From(Convert<int, bool>(entries, v => v != 0), shape),
            DataType.Int4 or DataType.Uint4 => FromRaw(type, Convert<int, byte>(entries, v => (byte)v), shape),
            _ => Tensor.From(entries, shape),
        };
    }

    private static byte[] Nibbles(ReadOnlySpan<byte> data, int count)
    {
        var result = new byte[count];
        for (var i = 0; i < count; i++)
            result[i] = (byte)((data[i / 2] >> (i % 2 * 4)) & 15);
        return result;
    }

    private static long Signed(ulong value) => value <= long.MaxValue ? (long)value
        : throw new FileFormatException($"a uint64 element is {value}; only those up to {long.MaxValue} are supported");

    private static TTo[] Convert<TFrom, TTo>(ReadOnlySpan<TFrom> source, Func<TFrom, TTo> one)
    {
        var result = new TTo[source.Length];
        for (var i = 0; i < result.Length; i++)
            result[i] = one(source[i]);
        return result;
    }

    private FileFormatException Bad(TensorProto proto, string what) => new($"{source}: the tensor '{proto.Name}' {what}");
}
