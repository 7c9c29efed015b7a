namespace Vertebra.Lab.Data;

/// <summary>
/// The random numbers of one sample, drawn one after another. Generator and position alone decide them, so every thread
/// that makes the sample draws the same ones. A mutable value: hand it on by reference.
/// </summary>
public struct SampleRandom
{
    /// <summary>Upper half of the streams used for augmentation; the lower half is the epoch.</summary>
    private const ulong Augmentation = 0x6175676D_00000000; // "augm"

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

    private ulong Next() => _first + (_drawn++ & ((1u << DrawBits) - 1));
}
