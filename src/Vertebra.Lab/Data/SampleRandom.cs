namespace Vertebra.Lab.Data;

/// <summary>
/// The random numbers of one sample: seed, epoch and position alone decide them, so every thread that makes the sample
/// draws the same ones.
/// </summary>
public struct SampleRandom(ulong seed, int epoch, int position)
{
    /// <summary>Upper half of the streams used for augmentation; the lower half is the epoch.</summary>
    private const ulong Purpose = 0x6175676D_00000000; // "augm"

    private const int DrawBits = 16;

    private readonly Philox _philox = new(seed, Purpose | (uint)epoch);
    private readonly ulong _first = (ulong)(uint)position << DrawBits;
    private uint _drawn;

    /// <summary>Uniform in [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public double Uniform(double low, double high) => low + ((high - low) * _philox.Uniform(Next()));

    /// <summary>Uniform integer in [0, <paramref name="bound"/>).</summary>
    public int Below(int bound) => _philox.Below(bound, Next());

    private ulong Next() => _first + (_drawn++ & ((1u << DrawBits) - 1));
}
