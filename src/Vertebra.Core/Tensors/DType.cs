namespace Vertebra;

/// <summary>Element types. Arithmetic is float32; the 16-bit floats are storage, int8 and int32 serve quantised graphs, int64 is for indices.</summary>
public enum DType
{
    Float32,
    Float16,
    BFloat16,
    Float64,
    Int8,
    UInt8,
    Int32,
    Int64,
    Bool,
}

/// <summary>Facts about <see cref="DType"/>.</summary>
public static class DTypes
{
    /// <summary>Bytes per element.</summary>
    public static int Size(this DType dtype) => dtype switch
    {
        DType.Float64 or DType.Int64 => 8,
        DType.Float32 or DType.Int32 => 4,
        DType.Float16 or DType.BFloat16 => 2,
        _ => 1,
    };

    /// <summary>True for the floating-point types, the only ones that can carry a gradient.</summary>
    public static bool IsFloat(this DType dtype) => dtype is DType.Float32 or DType.Float16 or DType.BFloat16 or DType.Float64;

    /// <summary>The element type that stores <typeparamref name="T"/>; bfloat16 is read and written as <see cref="ushort"/> bits.</summary>
    /// <exception cref="ArgumentException">No element type stores <typeparamref name="T"/>.</exception>
    public static DType Of<T>() where T : unmanaged =>
        typeof(T) == typeof(float) ? DType.Float32
        : typeof(T) == typeof(double) ? DType.Float64
        : typeof(T) == typeof(Half) ? DType.Float16
        : typeof(T) == typeof(ushort) ? DType.BFloat16
        : typeof(T) == typeof(sbyte) ? DType.Int8
        : typeof(T) == typeof(byte) ? DType.UInt8
        : typeof(T) == typeof(int) ? DType.Int32
        : typeof(T) == typeof(long) ? DType.Int64
        : typeof(T) == typeof(bool) ? DType.Bool
        : throw new ArgumentException($"no tensor element type stores {typeof(T).Name}");
}
