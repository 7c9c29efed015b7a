using System.Runtime.InteropServices;

namespace Vertebra.Onnx;

/// <summary>A tensor's elements as the format stores them: row-major, little-endian.</summary>
internal static class TensorBytes
{
    public static ReadOnlySpan<byte> Of(Tensor tensor) => tensor.DType switch
    {
        DType.Float32 => MemoryMarshal.AsBytes(tensor.AsSpan<float>()),
        DType.Float64 => MemoryMarshal.AsBytes(tensor.AsSpan<double>()),
        DType.Float16 => MemoryMarshal.AsBytes(tensor.AsSpan<Half>()),
        DType.BFloat16 => MemoryMarshal.AsBytes(tensor.AsSpan<ushort>()),
        DType.Int64 => MemoryMarshal.AsBytes(tensor.AsSpan<long>()),
        DType.Int32 => MemoryMarshal.AsBytes(tensor.AsSpan<int>()),
        DType.Int8 => MemoryMarshal.AsBytes(tensor.AsSpan<sbyte>()),
        DType.UInt8 => tensor.AsSpan<byte>(),
        _ => MemoryMarshal.AsBytes(tensor.AsSpan<bool>()),
    };
}
