namespace Vertebra.Kernels;

/// <summary>One lane: the scalar fallback, and the tail of every wider loop. It rounds as the wider ones do.</summary>
internal unsafe struct V1(float value) : IVector<V1>
{
    private readonly float _v = value;

    public static int Count => 1;
    public static int Registers => 16;
    public static V1 Zero => default;
    public static V1 Load(float* source) => new(*source);
    public static V1 Create(float value) => new(value);
    public static V1 Broadcast(float* source) => new(*source);
    public void Store(float* target) => *target = _v;

    public void StoreStreaming(float* target) => *target = _v;
    public static V1 Fma(V1 a, V1 b, V1 c) => new(float.MultiplyAddEstimate(a._v, b._v, c._v));
    public void AddProduct(V1 a, V1 b) => this = Fma(a, b, this);
    public static V1 operator +(V1 a, V1 b) => new(a._v + b._v);
    public static V1 operator -(V1 a, V1 b) => new(a._v - b._v);
    public static V1 operator *(V1 a, V1 b) => new(a._v * b._v);
    public static V1 operator /(V1 a, V1 b) => new(a._v / b._v);
    public static V1 Max(V1 a, V1 b) => new(MathF.Max(a._v, b._v));
    public static V1 Min(V1 a, V1 b) => new(MathF.Min(a._v, b._v));
    public static V1 AtLeast(V1 bound, V1 x) => new(bound._v > x._v ? bound._v : x._v);
    public static V1 AtMost(V1 bound, V1 x) => new(bound._v < x._v ? bound._v : x._v);
    public static V1 Sqrt(V1 a) => new(MathF.Sqrt(a._v));
    public static V1 Abs(V1 a) => new(MathF.Abs(a._v));
    public static V1 Round(V1 a) => new(MathF.Round(a._v));
    public static V1 PowerOfTwo(V1 n) => new(BitConverter.Int32BitsToSingle(((int)n._v + 127) << 23));

    public static V1 Scale(V1 a, V1 n)
    {
        var half = Round(n * Create(0.5f));
        return a * PowerOfTwo(half) * PowerOfTwo(n - half);
    }

    public static V1 GreaterThan(V1 a, V1 b) => new(BitConverter.Int32BitsToSingle(a._v > b._v ? -1 : 0));
    public static V1 Equal(V1 a, V1 b) => new(BitConverter.Int32BitsToSingle(a._v == b._v ? -1 : 0));
    public static V1 Select(V1 mask, V1 yes, V1 no) => BitConverter.SingleToInt32Bits(mask._v) != 0 ? yes : no;
    public static V1 LoadFirst(float* source, int count) => count > 0 ? Load(source) : default;

    public void StoreFirst(float* target, int count)
    {
        if (count > 0)
            Store(target);
    }

    public static V1 operator &(V1 a, V1 b) => new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(a._v) & BitConverter.SingleToInt32Bits(b._v)));
    public static V1 operator |(V1 a, V1 b) => new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(a._v) | BitConverter.SingleToInt32Bits(b._v)));
    public static V1 operator ^(V1 a, V1 b) => new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(a._v) ^ BitConverter.SingleToInt32Bits(b._v)));
    public static V1 Exponent(V1 a) => new(((BitConverter.SingleToInt32Bits(a._v) >> 23) & 255) - 127);
    public static float Sum(V1 a) => a._v;
    public static float HorizontalMax(V1 a) => a._v;
    public static void Transpose(float* source, nint sourceStride, float* target, nint targetStride, int columns) => *target = *source;
}
