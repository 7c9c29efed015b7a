using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Transposes a matrix of float32.</summary>
internal static unsafe class Transpose
{
    /// <summary>target[j, i] = source[i, j] for i below <paramref name="rows"/>, j below <paramref name="columns"/>; strides in numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(int rows, int columns, float* source, nint sourceStride, float* target, nint targetStride)
    {
        for (var j0 = 0; j0 < columns; j0 += 16)
        {
            var end = Math.Min(columns, j0 + 16);
            for (var i = 0; i < rows; i++)
            {
                var from = source + i * sourceStride;
                var to = target + i;
                for (var j = j0; j < end; j++)
                    to[j * targetStride] = from[j];
            }
        }
    }
}
