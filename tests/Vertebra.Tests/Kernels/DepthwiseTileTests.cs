using System.Runtime.InteropServices;
using Vertebra.Kernels;

namespace Vertebra.Tests.Kernels;

/// <summary>The tile for taps side by side computes the same bits as the tile for any taps.</summary>
public unsafe class DepthwiseTileTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Sums_have_the_bits_of_the_general_tile(int stride)
    {
        for (var columns = 1; columns <= 7; columns++)
        {
            for (var pixels = 1; pixels <= DepthwiseTile.MostPixels; pixels++)
            {
                Check<V1>(stride, columns, pixels);
                if (Simd.Level >= SimdLevel.Vector128)
                    Check<V128>(stride, columns, pixels);
                if (Simd.Level >= SimdLevel.Vector256)
                    Check<V256>(stride, columns, pixels);
                if (Simd.Level >= SimdLevel.Vector512)
                    Check<V512>(stride, columns, pixels);
            }
        }
    }

    private static void Check<TVector>(int stride, int columns, int pixels) where TVector : unmanaged, IVector<TVector>
    {
        const int Rows = 3, Vectors = 2, Size = 8192;
        var channels = Vectors * TVector.Count;
        var width = (pixels - 1) * stride + columns;
        var memory = (float*)NativeMemory.AlignedAlloc(4 * Size * sizeof(float), 64);
        var offsets = stackalloc nint[2 * Rows];
        try
        {
            var random = new Random(columns + 100 * pixels);
            for (var i = 0; i < 4 * Size; i++)
                memory[i] = random.NextSingle() - 0.5f;
            var bytes = channels * sizeof(float);
            for (var row = 0; row < Rows; row++)
                (offsets[row], offsets[Rows + row]) = ((nint)row * width * bytes, (nint)row * columns * bytes);
            float* x = memory, weights = memory + Size, residual = memory + 2 * Size, y = memory + 3 * Size, expected = y + Size / 2;
            var job = new TileJob
            {
                Taps = Rows, Depth = columns, TapOffsets = offsets, TapOffsetsB = offsets + Rows, RowStride = stride * bytes, DepthStride = bytes, BStride = bytes,
                TargetStride = bytes, SourceStride = bytes, AddedRow = (byte*)(residual + Size / 2), Clamps = true, Low = -0.4f, High = 0.3f,
            };
            DepthwiseTile.Run<TVector>(pixels, stride, &job, (byte*)x, (byte*)weights, (byte*)residual, TVector.Count * sizeof(float), (byte*)y, Vectors);
            for (var vector = 0; vector < Vectors; vector++)
            {
                var c = vector * TVector.Count;
                var part = job;
                part.AddedRow = (byte*)((float*)job.AddedRow + c);
                TileKernel.Run<TVector, N1, ByLane>(pixels, &part, (byte*)(x + c), (byte*)(weights + c), (byte*)(residual + c), (byte*)(expected + c));
            }
            var count = pixels * channels;
            Assert.Equal(new Span<int>(expected, count).ToArray(), new Span<int>(y, count).ToArray());
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }
}
