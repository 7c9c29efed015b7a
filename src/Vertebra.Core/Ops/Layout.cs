using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Row-major strides, and copies by strides, for the ops that only move elements.</summary>
internal static class Layout
{
    /// <summary>Steps in elements between neighbours on each axis of a contiguous tensor.</summary>
    public static long[] Strides(Shape shape)
    {
        var strides = new long[shape.Rank];
        long stride = 1;
        for (var axis = shape.Rank - 1; axis >= 0; axis--)
        {
            strides[axis] = stride;
            stride *= shape[axis];
        }
        return strides;
    }

    /// <summary>Puts all of <paramref name="source"/> into <paramref name="target"/>, written at an offset and by strides (in elements).</summary>
    public static unsafe void Write(Tensor source, Tensor target, long offset, ReadOnlySpan<long> strides)
    {
        var size = source.DType.Size();
        new StridedCopy(Strides(source.Shape), strides, source.Shape.Span, size).Run(source.DataPointer, target.DataPointer + (offset * size));
    }
}
