using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Elements set to zero at random; whether one is follows from seed, stream and position alone, so that the mask need not be kept.</summary>
internal static unsafe class DropMasks
{
    /// <summary>target[i] = source[i] · scale where the uniform number at position i is at least <paramref name="p"/>, else 0.</summary>
    public static void Elements(float* source, float* target, long count, float p, float scale, Philox random) =>
        Workers.Run(Elementwise.Parts(count), part =>
        {
            // A part is a multiple of four, and one block of random bits serves four positions.
            var start = (long)part * Elementwise.PartSize;
            Line(source + start, target + start, (int)Math.Min(Elementwise.PartSize, count - start), p, scale, random, (ulong)start >> 2);
        });

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Line(float* source, float* target, int count, float p, float scale, Philox random, ulong block)
    {
        // Uniform numbers are 24 bits times 2^-24, so that u < p means bits < ceiling(p · 2^24).
        var threshold = (int)Math.Ceiling(p * (double)(1 << 24));
        var i = 0;
        for (; i <= count - 4; i += 4)
        {
            var (a, b, c, d) = random.Block(block++);
            target[i] = Kept(source[i], a, threshold, scale);
            target[i + 1] = Kept(source[i + 1], b, threshold, scale);
            target[i + 2] = Kept(source[i + 2], c, threshold, scale);
            target[i + 3] = Kept(source[i + 3], d, threshold, scale);
        }
        for (; i < count; i++)
            target[i] = Kept(source[i], random.Bits((block << 2) + (ulong)(i & 3)), threshold, scale);
    }

    /// <summary>The same for whole samples: one random number each.</summary>
    public static void Samples(float* source, float* target, long samples, long size, float p, float scale, Philox random) =>
        Workers.Run(checked((int)samples), sample =>
        {
            var start = sample * size;
            if (random.Uniform((ulong)sample) < p)
                new Span<float>(target + start, checked((int)size)).Clear();
            else
                Elementwise.Line(new Product(scale), source + start, target + start, size);
        });

    // Without a branch, which could not be predicted: the difference is negative, and its sign a mask of ones, where the element goes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Kept(float value, uint bits, int threshold, float scale) =>
        BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value * scale) & ~(((int)(bits >> 8) - threshold) >> 31));

    private readonly struct Product(float scale) : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => x * TVector.Create(scale);
    }
}
