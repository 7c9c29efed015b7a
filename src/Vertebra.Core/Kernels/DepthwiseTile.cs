using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// The register tile of depthwise convolutions whose taps in a row are neighbours: up to six output pixels of one vector of channels.
/// A row of the kernel stays in registers while it walks over the pixels below it, each of which is read once and added to all outputs
/// that see it. Every sum is one chain in order of rows and columns of the kernel, as in <see cref="TileKernel"/>: the bits are the same.
/// </summary>
internal static unsafe class DepthwiseTile
{
    /// <summary>Most pixels of a tile: six sums, seven weights and a pixel fit into 16 registers.</summary>
    public const int MostPixels = 6;

    /// <summary>Whether there is a tile for so many taps in a row, side by side, and this stride.</summary>
    public static bool Fits(int columns, int stride) => columns is >= 1 and <= 7 && stride is 1 or 2;

    /// <summary>
    /// Computes the sums of <paramref name="pixels"/> pixels for <paramref name="vectors"/> vectors of channels. Of the job, the taps are
    /// rows of the kernel, the depths its columns. The pointers are those of the first vector, and of the first pixel where its taps'
    /// offsets are zero; <paramref name="sourceStep"/> is the distance in bytes from one vector's source to the next.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TVector>(int pixels, int stride, TileJob* job, byte* x, byte* weights, byte* source, nint sourceStep, byte* target, int vectors)
        where TVector : unmanaged, IVector<TVector>
    {
        switch (job->Depth)
        {
            case 1: Run<TVector, N1>(pixels, stride, job, x, weights, source, sourceStep, target, vectors); break;
            case 2: Run<TVector, N2>(pixels, stride, job, x, weights, source, sourceStep, target, vectors); break;
            case 3: Run<TVector, N3>(pixels, stride, job, x, weights, source, sourceStep, target, vectors); break;
            case 4: Run<TVector, N4>(pixels, stride, job, x, weights, source, sourceStep, target, vectors); break;
            case 5: Run<TVector, N5>(pixels, stride, job, x, weights, source, sourceStep, target, vectors); break;
            case 6: Run<TVector, N6>(pixels, stride, job, x, weights, source, sourceStep, target, vectors); break;
            case 7: Run<TVector, N7>(pixels, stride, job, x, weights, source, sourceStep, target, vectors); break;
            default: throw new ArgumentException($"{job->Depth} taps in a row");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TVector, TColumns>(int pixels, int stride, TileJob* job, byte* x, byte* weights, byte* source, nint sourceStep, byte* target, int vectors)
        where TVector : unmanaged, IVector<TVector>
        where TColumns : IConstant
    {
        if (stride == 1)
        {
            switch (pixels)
            {
                case 1: Tile<TVector, N1, TColumns, N1>(job, x, weights, source, sourceStep, target, vectors); break;
                case 2: Tile<TVector, N2, TColumns, N1>(job, x, weights, source, sourceStep, target, vectors); break;
                case 3: Tile<TVector, N3, TColumns, N1>(job, x, weights, source, sourceStep, target, vectors); break;
                case 4: Tile<TVector, N4, TColumns, N1>(job, x, weights, source, sourceStep, target, vectors); break;
                case 5: Tile<TVector, N5, TColumns, N1>(job, x, weights, source, sourceStep, target, vectors); break;
                case 6: Tile<TVector, N6, TColumns, N1>(job, x, weights, source, sourceStep, target, vectors); break;
                default: throw new ArgumentOutOfRangeException(nameof(pixels));
            }
        }
        else
        {
            switch (pixels)
            {
                case 1: Tile<TVector, N1, TColumns, N2>(job, x, weights, source, sourceStep, target, vectors); break;
                case 2: Tile<TVector, N2, TColumns, N2>(job, x, weights, source, sourceStep, target, vectors); break;
                case 3: Tile<TVector, N3, TColumns, N2>(job, x, weights, source, sourceStep, target, vectors); break;
                case 4: Tile<TVector, N4, TColumns, N2>(job, x, weights, source, sourceStep, target, vectors); break;
                case 5: Tile<TVector, N5, TColumns, N2>(job, x, weights, source, sourceStep, target, vectors); break;
                case 6: Tile<TVector, N6, TColumns, N2>(job, x, weights, source, sourceStep, target, vectors); break;
                default: throw new ArgumentOutOfRangeException(nameof(pixels));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile<TVector, TPixels, TColumns, TStride>(TileJob* job, byte* x, byte* weights, byte* source, nint sourceStep, byte* target, int vectors)
        where TVector : unmanaged, IVector<TVector>
        where TPixels : IConstant
        where TColumns : IConstant
        where TStride : IConstant
    {
        var size = TVector.Count * sizeof(float);
        var (sourceStride, targetStride) = (job->SourceStride, job->TargetStride);
        var (step, next) = (job->DepthStride, job->BStride);
        var addedRow = job->AddedRow;
        for (; vectors > 0; vectors--)
        {
            var c0 = TVector.Load((float*)source);
            var c1 = TPixels.Value > 1 ? TVector.Load((float*)(source + sourceStride)) : default;
            var c2 = TPixels.Value > 2 ? TVector.Load((float*)(source + 2 * sourceStride)) : default;
            var c3 = TPixels.Value > 3 ? TVector.Load((float*)(source + 3 * sourceStride)) : default;
            var c4 = TPixels.Value > 4 ? TVector.Load((float*)(source + 4 * sourceStride)) : default;
            var c5 = TPixels.Value > 5 ? TVector.Load((float*)(source + 5 * sourceStride)) : default;
            if (addedRow != null)
            {
                var added = TVector.Load((float*)addedRow);
                c0 += added;
                c1 += added;
                c2 += added;
                c3 += added;
                c4 += added;
                c5 += added;
                addedRow += size;
            }
            for (var tap = 0; tap < job->Taps; tap++)
            {
                var w = weights + job->TapOffsetsB[tap];
                var w0 = TVector.Load((float*)w);
                var w1 = TColumns.Value > 1 ? TVector.Load((float*)(w += next)) : default;
                var w2 = TColumns.Value > 2 ? TVector.Load((float*)(w += next)) : default;
                var w3 = TColumns.Value > 3 ? TVector.Load((float*)(w += next)) : default;
                var w4 = TColumns.Value > 4 ? TVector.Load((float*)(w += next)) : default;
                var w5 = TColumns.Value > 5 ? TVector.Load((float*)(w += next)) : default;
                var w6 = TColumns.Value > 6 ? TVector.Load((float*)(w += next)) : default;
                var p = x + job->TapOffsets[tap];
                if (TStride.Value == 1)
                    Walk<TVector, TPixels, TColumns>(p, step, w0, w1, w2, w3, w4, w5, w6, ref c0, ref c1, ref c2, ref c3, ref c4, ref c5);
                else
                    WalkByTwo<TVector, TPixels, TColumns>(p, step, w0, w1, w2, w3, w4, w5, w6, ref c0, ref c1, ref c2, ref c3, ref c4, ref c5);
            }
            if (job->Clamps)
            {
                var low = TVector.Create(job->Low);
                var high = TVector.Create(job->High);
                c0 = TVector.AtMost(high, TVector.AtLeast(low, c0));
                c1 = TVector.AtMost(high, TVector.AtLeast(low, c1));
                c2 = TVector.AtMost(high, TVector.AtLeast(low, c2));
                c3 = TVector.AtMost(high, TVector.AtLeast(low, c3));
                c4 = TVector.AtMost(high, TVector.AtLeast(low, c4));
                c5 = TVector.AtMost(high, TVector.AtLeast(low, c5));
            }
            if (job->Streams)
            {
                c0.StoreStreaming((float*)target);
                if (TPixels.Value > 1)
                    c1.StoreStreaming((float*)(target + targetStride));
                if (TPixels.Value > 2)
                    c2.StoreStreaming((float*)(target + 2 * targetStride));
                if (TPixels.Value > 3)
                    c3.StoreStreaming((float*)(target + 3 * targetStride));
                if (TPixels.Value > 4)
                    c4.StoreStreaming((float*)(target + 4 * targetStride));
                if (TPixels.Value > 5)
                    c5.StoreStreaming((float*)(target + 5 * targetStride));
            }
            else
            {
                c0.Store((float*)target);
                if (TPixels.Value > 1)
                    c1.Store((float*)(target + targetStride));
                if (TPixels.Value > 2)
                    c2.Store((float*)(target + 2 * targetStride));
                if (TPixels.Value > 3)
                    c3.Store((float*)(target + 3 * targetStride));
                if (TPixels.Value > 4)
                    c4.Store((float*)(target + 4 * targetStride));
                if (TPixels.Value > 5)
                    c5.Store((float*)(target + 5 * targetStride));
            }
            x += size;
            weights += size;
            source += sourceStep;
            target += size;
        }
    }

    // Pixel j of the row is under tap j - i of output i.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Walk<TVector, TPixels, TColumns>(
        byte* p, nint step, TVector w0, TVector w1, TVector w2, TVector w3, TVector w4, TVector w5, TVector w6,
        ref TVector c0, ref TVector c1, ref TVector c2, ref TVector c3, ref TVector c4, ref TVector c5)
        where TVector : unmanaged, IVector<TVector>
        where TPixels : IConstant
        where TColumns : IConstant
    {
        var r = TVector.Load((float*)p);
        c0 = TVector.Fma(r, w0, c0);
        if (TPixels.Value + TColumns.Value > 2)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 1)
            c0 = TVector.Fma(r, w1, c0);
        if (TPixels.Value > 1)
            c1 = TVector.Fma(r, w0, c1);
        if (TPixels.Value + TColumns.Value > 3)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 2)
            c0 = TVector.Fma(r, w2, c0);
        if (TColumns.Value > 1 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w1, c1);
        if (TPixels.Value > 2)
            c2 = TVector.Fma(r, w0, c2);
        if (TPixels.Value + TColumns.Value > 4)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 3)
            c0 = TVector.Fma(r, w3, c0);
        if (TColumns.Value > 2 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w2, c1);
        if (TColumns.Value > 1 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w1, c2);
        if (TPixels.Value > 3)
            c3 = TVector.Fma(r, w0, c3);
        if (TPixels.Value + TColumns.Value > 5)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 4)
            c0 = TVector.Fma(r, w4, c0);
        if (TColumns.Value > 3 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w3, c1);
        if (TColumns.Value > 2 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w2, c2);
        if (TColumns.Value > 1 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w1, c3);
        if (TPixels.Value > 4)
            c4 = TVector.Fma(r, w0, c4);
        if (TPixels.Value + TColumns.Value > 6)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 5)
            c0 = TVector.Fma(r, w5, c0);
        if (TColumns.Value > 4 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w4, c1);
        if (TColumns.Value > 3 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w3, c2);
        if (TColumns.Value > 2 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w2, c3);
        if (TColumns.Value > 1 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w1, c4);
        if (TPixels.Value > 5)
            c5 = TVector.Fma(r, w0, c5);
        if (TPixels.Value + TColumns.Value > 7)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6)
            c0 = TVector.Fma(r, w6, c0);
        if (TColumns.Value > 5 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w5, c1);
        if (TColumns.Value > 4 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w4, c2);
        if (TColumns.Value > 3 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w3, c3);
        if (TColumns.Value > 2 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w2, c4);
        if (TColumns.Value > 1 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w1, c5);
        if (TPixels.Value + TColumns.Value > 8)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w6, c1);
        if (TColumns.Value > 5 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w5, c2);
        if (TColumns.Value > 4 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w4, c3);
        if (TColumns.Value > 3 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w3, c4);
        if (TColumns.Value > 2 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w2, c5);
        if (TPixels.Value + TColumns.Value > 9)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w6, c2);
        if (TColumns.Value > 5 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w5, c3);
        if (TColumns.Value > 4 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w4, c4);
        if (TColumns.Value > 3 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w3, c5);
        if (TPixels.Value + TColumns.Value > 10)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w6, c3);
        if (TColumns.Value > 5 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w5, c4);
        if (TColumns.Value > 4 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w4, c5);
        if (TPixels.Value + TColumns.Value > 11)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w6, c4);
        if (TColumns.Value > 5 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w5, c5);
        if (TPixels.Value + TColumns.Value > 12)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w6, c5);
    }

    // Pixel j of the row is under tap j - 2i of output i.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WalkByTwo<TVector, TPixels, TColumns>(
        byte* p, nint step, TVector w0, TVector w1, TVector w2, TVector w3, TVector w4, TVector w5, TVector w6,
        ref TVector c0, ref TVector c1, ref TVector c2, ref TVector c3, ref TVector c4, ref TVector c5)
        where TVector : unmanaged, IVector<TVector>
        where TPixels : IConstant
        where TColumns : IConstant
    {
        var r = TVector.Load((float*)p);
        c0 = TVector.Fma(r, w0, c0);
        if (2 * TPixels.Value + TColumns.Value > 3)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 1)
            c0 = TVector.Fma(r, w1, c0);
        if (2 * TPixels.Value + TColumns.Value > 4)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 2)
            c0 = TVector.Fma(r, w2, c0);
        if (TPixels.Value > 1)
            c1 = TVector.Fma(r, w0, c1);
        if (2 * TPixels.Value + TColumns.Value > 5)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 3)
            c0 = TVector.Fma(r, w3, c0);
        if (TColumns.Value > 1 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w1, c1);
        if (2 * TPixels.Value + TColumns.Value > 6)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 4)
            c0 = TVector.Fma(r, w4, c0);
        if (TColumns.Value > 2 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w2, c1);
        if (TPixels.Value > 2)
            c2 = TVector.Fma(r, w0, c2);
        if (2 * TPixels.Value + TColumns.Value > 7)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 5)
            c0 = TVector.Fma(r, w5, c0);
        if (TColumns.Value > 3 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w3, c1);
        if (TColumns.Value > 1 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w1, c2);
        if (2 * TPixels.Value + TColumns.Value > 8)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6)
            c0 = TVector.Fma(r, w6, c0);
        if (TColumns.Value > 4 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w4, c1);
        if (TColumns.Value > 2 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w2, c2);
        if (TPixels.Value > 3)
            c3 = TVector.Fma(r, w0, c3);
        if (2 * TPixels.Value + TColumns.Value > 9)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 5 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w5, c1);
        if (TColumns.Value > 3 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w3, c2);
        if (TColumns.Value > 1 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w1, c3);
        if (2 * TPixels.Value + TColumns.Value > 10)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6 && TPixels.Value > 1)
            c1 = TVector.Fma(r, w6, c1);
        if (TColumns.Value > 4 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w4, c2);
        if (TColumns.Value > 2 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w2, c3);
        if (TPixels.Value > 4)
            c4 = TVector.Fma(r, w0, c4);
        if (2 * TPixels.Value + TColumns.Value > 11)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 5 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w5, c2);
        if (TColumns.Value > 3 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w3, c3);
        if (TColumns.Value > 1 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w1, c4);
        if (2 * TPixels.Value + TColumns.Value > 12)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6 && TPixels.Value > 2)
            c2 = TVector.Fma(r, w6, c2);
        if (TColumns.Value > 4 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w4, c3);
        if (TColumns.Value > 2 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w2, c4);
        if (TPixels.Value > 5)
            c5 = TVector.Fma(r, w0, c5);
        if (2 * TPixels.Value + TColumns.Value > 13)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 5 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w5, c3);
        if (TColumns.Value > 3 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w3, c4);
        if (TColumns.Value > 1 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w1, c5);
        if (2 * TPixels.Value + TColumns.Value > 14)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6 && TPixels.Value > 3)
            c3 = TVector.Fma(r, w6, c3);
        if (TColumns.Value > 4 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w4, c4);
        if (TColumns.Value > 2 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w2, c5);
        if (2 * TPixels.Value + TColumns.Value > 15)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 5 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w5, c4);
        if (TColumns.Value > 3 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w3, c5);
        if (2 * TPixels.Value + TColumns.Value > 16)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6 && TPixels.Value > 4)
            c4 = TVector.Fma(r, w6, c4);
        if (TColumns.Value > 4 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w4, c5);
        if (2 * TPixels.Value + TColumns.Value > 17)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 5 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w5, c5);
        if (2 * TPixels.Value + TColumns.Value > 18)
            r = TVector.Load((float*)(p += step));
        if (TColumns.Value > 6 && TPixels.Value > 5)
            c5 = TVector.Fma(r, w6, c5);
    }
}
