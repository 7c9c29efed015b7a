namespace Vertebra.Kernels;

/// <summary>Elements set to zero at random; whether one is follows from seed, stream and position alone, so that the mask need not be kept.</summary>
internal static unsafe class DropMasks
{
    /// <summary>target[i] = source[i] · scale where the uniform number at position i is at least <paramref name="p"/>, else 0.</summary>
    public static void Elements(float* source, float* target, long count, float p, float scale, Philox random) =>
        Workers.Run(Elementwise.Parts(count), part =>
        {
            var end = Math.Min(count, (part + 1L) * Elementwise.PartSize);
            // A part is a multiple of four, and one block of random bits serves four positions.
            for (var i = (long)part * Elementwise.PartSize; i < end; i += 4)
            {
                var (a, b, c, d) = random.Block((ulong)i >> 2);
                target[i] = Kept(source[i], a, p, scale);
                if (i + 1 < end)
                    target[i + 1] = Kept(source[i + 1], b, p, scale);
                if (i + 2 < end)
                    target[i + 2] = Kept(source[i + 2], c, p, scale);
                if (i + 3 < end)
                    target[i + 3] = Kept(source[i + 3], d, p, scale);
            }
        });

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

    private static float Kept(float value, uint bits, float p, float scale) => (bits >> 8) * (1f / (1 << 24)) >= p ? value * scale : 0;

    private readonly struct Product(float scale) : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => x * TVector.Create(scale);
    }
}
