using System.Numerics;

namespace Vertebra.Onnx;

/// <summary>A function of two integers.</summary>
internal interface IIntegerFunction
{
    static abstract T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T>;
}

/// <summary>
/// Arithmetic on integers (and choices between elements of any type), which ONNX files use to compute with shapes. The ops of
/// this project compute on float32; these tensors have a few elements, and plain loops do.
/// </summary>
internal static class HostMath
{
    /// <summary>A function of two integer tensors of one type, with NumPy's broadcasting.</summary>
    /// <exception cref="DataDependenceException">An operand has no elements yet.</exception>
    public static Tensor Binary<TFunction>(Tensor a, Tensor b) where TFunction : struct, IIntegerFunction
    {
        RequireData(a);
        RequireData(b);
        if (a.DType != b.DType)
            throw new ShapeException($"the operands are of different types: {a.Spec} and {b.Spec}");
        return a.DType switch
        {
            DType.Int64 => Zip<long, long, long>(a, b, TFunction.Invoke),
            DType.Int32 => Zip<int, int, int>(a, b, TFunction.Invoke),
            DType.Int8 => Zip<sbyte, sbyte, sbyte>(a, b, TFunction.Invoke),
            DType.UInt8 => Zip<byte, byte, byte>(a, b, TFunction.Invoke),
            _ => throw new ShapeException($"there is no such arithmetic on {a.Spec}"),
        };
    }

    /// <summary>A function of each integer.</summary>
    public static Tensor Unary(Tensor x, Func<long, long> function)
    {
        RequireData(x);
        return x.DType switch
        {
            DType.Int64 => Tensor.From(Array.ConvertAll(x.ToArray<long>(), v => function(v)), x.Shape),
            DType.Int32 => Tensor.From(Array.ConvertAll(x.ToArray<int>(), v => (int)function(v)), x.Shape),
            DType.Int8 => Tensor.From(Array.ConvertAll(x.ToArray<sbyte>(), v => (sbyte)function(v)), x.Shape),
            DType.UInt8 => Tensor.From(Array.ConvertAll(x.ToArray<byte>(), v => (byte)function(v)), x.Shape),
            _ => throw new ShapeException($"there is no such arithmetic on {x.Spec}"),
        };
    }

    /// <summary>Element by element, broadcast, a where the condition holds, else b; of any type.</summary>
    public static Tensor Where(Tensor condition, Tensor a, Tensor b)
    {
        RequireData(condition);
        RequireData(a);
        RequireData(b);
        if (a.DType != b.DType)
            throw new ShapeException($"the choices are of different types: {a.Spec} and {b.Spec}");
        return a.DType switch
        {
            DType.Int64 => Choose<long>(condition, a, b),
            DType.Int32 => Choose<int>(condition, a, b),
            DType.Float32 => Choose<float>(condition, a, b),
            DType.Bool => Choose<bool>(condition, a, b),
            DType.Int8 => Choose<sbyte>(condition, a, b),
            DType.UInt8 => Choose<byte>(condition, a, b),
            _ => throw new ShapeException($"there is no choice between elements of {a.Spec}"),
        };
    }

    /// <summary>The elements as numbers, whatever their type.</summary>
    public static double[] ToDoubles(Tensor tensor)
    {
        RequireData(tensor);
        return tensor.DType switch
        {
            DType.Float32 => Array.ConvertAll(tensor.ToArray<float>(), v => (double)v),
            DType.Float64 => tensor.ToArray<double>(),
            DType.Float16 => Array.ConvertAll(tensor.ToArray<Half>(), v => (double)v),
            DType.Int64 => Array.ConvertAll(tensor.ToArray<long>(), v => (double)v),
            DType.Int32 => Array.ConvertAll(tensor.ToArray<int>(), v => (double)v),
            DType.Int8 => Array.ConvertAll(tensor.ToArray<sbyte>(), v => (double)v),
            DType.UInt8 => Array.ConvertAll(tensor.ToArray<byte>(), v => (double)v),
            DType.Bool => Array.ConvertAll(tensor.ToArray<bool>(), v => v ? 1.0 : 0),
            _ => throw new ShapeException($"a {tensor.Spec} is not read as numbers"),
        };
    }

    /// <summary>The elements of an integer or bool tensor.</summary>
    public static long[] ToLongs(Tensor tensor)
    {
        RequireData(tensor);
        return tensor.DType switch
        {
            DType.Int64 => tensor.ToArray<long>(),
            DType.Int32 => Array.ConvertAll(tensor.ToArray<int>(), v => (long)v),
            DType.Int8 => Array.ConvertAll(tensor.ToArray<sbyte>(), v => (long)v),
            DType.UInt8 => Array.ConvertAll(tensor.ToArray<byte>(), v => (long)v),
            DType.Bool => Array.ConvertAll(tensor.ToArray<bool>(), v => v ? 1L : 0),
            _ => throw new ShapeException($"a {tensor.Spec} holds no integers"),
        };
    }

    /// <exception cref="DataDependenceException">The tensor has a shape only.</exception>
    public static void RequireData(Tensor tensor)
    {
        if (tensor.IsMeta)
            throw new DataDependenceException($"arithmetic on {tensor.Spec}");
    }

    /// <summary>A function of the elements of two tensors, with NumPy's broadcasting.</summary>
    public static Tensor Zip<TA, TB, TResult>(Tensor a, Tensor b, Func<TA, TB, TResult> function)
        where TA : unmanaged
        where TB : unmanaged
        where TResult : unmanaged
    {
        var shape = Shape.Broadcast(a.Shape, b.Shape, "broadcast");
        MemoryBudget.Check(new(shape, DTypes.Of<TResult>()));
        var (x, y) = (a.ToArray<TA>(), b.ToArray<TB>());
        var result = new TResult[shape.ElementCount];
        var (i, j) = (new BroadcastIndex(a.Shape, shape), new BroadcastIndex(b.Shape, shape));
        for (var k = 0; k < result.Length; k++)
            result[k] = function(x[i.Next()], y[j.Next()]);
        return Tensor.From(result, shape);
    }

    private static Tensor Choose<T>(Tensor condition, Tensor a, Tensor b) where T : unmanaged
    {
        var shape = Shape.Broadcast(condition.Shape, Shape.Broadcast(a.Shape, b.Shape, "Where"), "Where");
        MemoryBudget.Check(new(shape, a.DType));
        var (c, x, y) = (condition.ToArray<bool>(), a.ToArray<T>(), b.ToArray<T>());
        var result = new T[shape.ElementCount];
        var (i, j, l) = (new BroadcastIndex(condition.Shape, shape), new BroadcastIndex(a.Shape, shape), new BroadcastIndex(b.Shape, shape));
        for (var k = 0; k < result.Length; k++)
        {
            var (first, second) = (x[j.Next()], y[l.Next()]);
            result[k] = c[i.Next()] ? first : second;
        }
        return Tensor.From(result, shape);
    }

    /// <summary>Walks the elements of an operand as a broadcast shape visits them.</summary>
    private sealed class BroadcastIndex
    {
        private readonly int[] _sizes;
        private readonly int[] _steps;
        private readonly int[] _position;
        private int _next;

        public BroadcastIndex(Shape own, Shape broadcast)
        {
            (_sizes, _steps, _position) = (broadcast.Span.ToArray(), new int[broadcast.Rank], new int[broadcast.Rank]);
            var step = 1;
            for (var axis = 1; axis <= own.Rank; axis++)
            {
                _steps[^axis] = own[-axis] == 1 ? 0 : step;
                step *= own[-axis];
            }
        }

        public int Next()
        {
            var current = _next;
            for (var axis = _sizes.Length - 1; axis >= 0; axis--)
            {
                _next += _steps[axis];
                if (++_position[axis] < _sizes[axis])
                    break;
                _next -= _steps[axis] * _sizes[axis];
                _position[axis] = 0;
            }
            return current;
        }
    }
}
