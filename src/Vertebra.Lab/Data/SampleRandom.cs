namespace Vertebra.Lab.Data;

/// <summary>
/// The random numbers of one sample, drawn one after another. Generator and position alone decide them, so every thread
/// that makes the sample draws the same ones. A mutable value: hand it on by reference.
/// </summary>
public struct SampleRandom
{
    /// <summary>Upper half of the streams used for augmentation; the lower half is the epoch.</summary>
    private const ulong Augmentation = 0x6175676D_00000000; // "augm"

    /// <summary>Stream of <see cref="FillNormal"/>, whose seeds are drawn.</summary>
    private const ulong Noise = 0x6E6F6973_00000000; // "nois"

    private const int DrawBits = 24;

    private readonly Philox _philox;
    private readonly ulong _first;
    private uint _drawn;

    /// <summary>The numbers at a position of a generator; each position has 2^24 of them.</summary>
    public SampleRandom(Philox philox, int position) => (_philox, _first) = (philox, (ulong)(uint)position << DrawBits);

    /// <summary>The numbers that augment the sample at a position of an epoch.</summary>
    public SampleRandom(ulong seed, int epoch, int position) : this(new Philox(seed, Augmentation | (uint)epoch), position)
    {
    }

    /// <summary>Thirty-two random bits.</summary>
    public uint Bits() => _philox.Bits(Next());

    /// <summary>Uniform in [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public double Uniform(double low, double high) => low + ((high - low) * _philox.Uniform(Next()));

    /// <summary>Uniform integer in [0, <paramref name="bound"/>).</summary>
    public int Below(int bound) => _philox.Below(bound, Next());

    /// <summary>Standard normal, of two numbers (Box and Muller).</summary>
    public double Normal()
    {
        // Never the logarithm of 0.
        var radius = Math.Sqrt(-2 * Math.Log(1 - Uniform(0, 1)));
        return radius * Math.Cos(2 * Math.PI * Uniform(0, 1));
    }

    /// <summary>Gamma distribution of scale 1 (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000), of as many numbers as it takes.</summary>
    /// <param name="shape">Its shape, above 0.</param>
    public double Gamma(double shape)
    {
        if (shape == 1)
            return -Math.Log(1 - Uniform(0, 1));
        // Below 1 by way of the next shape: a power of a uniform number makes up for it.
        var boost = shape < 1 ? Math.Pow(1 - Uniform(0, 1), 1 / shape) : 1;
        var d = (shape < 1 ? shape + 1 : shape) - (1.0 / 3);
        var c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            var x = Normal();
            var v = 1 + (c * x);
            v *= v * v;
            if (v > 0 && Math.Log(1 - Uniform(0, 1)) < (x * x / 2) + (d * (1 - v + Math.Log(v))))
                return boost * d * v;
        }
    }

    /// <summary>Standard normals, of two numbers however many they are: those name a stream of their own.</summary>
    /// <param name="target">At most 2^15 of them, which stay on this thread.</param>
    public void FillNormal(Span<float> target)
    {
        var seed = ((ulong)Bits() << 32) | Bits();
        new Philox(seed, Noise).FillNormal(target);
    }

    private ulong Next() => _first + (_drawn++ & ((1u << DrawBits) - 1));
}
