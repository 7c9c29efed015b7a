namespace Vertebra;

/// <summary>
/// Counter-based random numbers: seed, stream and position give the value, in any order and on any thread. Philox-4x32
/// with ten rounds (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
/// </summary>
public readonly struct Philox(ulong seed, ulong stream)
{
    internal const uint Multiplier0 = 0xD2511F53;
    internal const uint Multiplier1 = 0xCD9E8D57;
    internal const uint Weyl0 = 0x9E3779B9;
    internal const uint Weyl1 = 0xBB67AE85;
    internal const int Rounds = 10;

    internal ulong Seed => seed;

    internal ulong Stream => stream;

    /// <summary>The four 32-bit words at a position.</summary>
    public (uint A, uint B, uint C, uint D) Block(ulong position)
    {
        var (c0, c1) = ((uint)position, (uint)(position >> 32));
        var (c2, c3) = ((uint)stream, (uint)(stream >> 32));
        var (k0, k1) = ((uint)seed, (uint)(seed >> 32));
        for (var round = 0; round < Rounds; round++)
        {
            var p0 = (ulong)Multiplier0 * c0;
            var p1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += Weyl0;
            k1 += Weyl1;
        }
        return (c0, c1, c2, c3);
    }

    /// <summary>32 random bits at a position.</summary>
    public uint Bits(ulong position)
    {
        var (a, b, c, d) = Block(position >> 2);
        return (position & 3) switch { 0 => a, 1 => b, 2 => c, _ => d };
    }

    /// <summary>Uniform in [0, 1), a multiple of 2^-24.</summary>
    public float Uniform(ulong position) => (Bits(position) >> 8) * (1f / (1 << 24));

    /// <summary>Standard normal, by Box and Muller's transform in float64; a block gives four. The same bits on every machine.</summary>
    public float Normal(ulong position) => PhiloxFilling.Normal(this, position);

    /// <summary>The standard normals at positions 0, 1, 2, ... of this stream.</summary>
    public void FillNormal(Span<float> target) => FillNormal(target, 1);

    /// <summary>The same times <paramref name="deviation"/>.</summary>
    internal void FillNormal(Span<float> target, float deviation) => PhiloxFilling.Run(target, new(seed, stream), isNormal: true, deviation);

    /// <summary>At positions 0, 1, 2, ... of this stream, uniform in [-<paramref name="bound"/>, <paramref name="bound"/>).</summary>
    internal void FillUniform(Span<float> target, float bound) => PhiloxFilling.Run(target, new(seed, stream), isNormal: false, bound);

    /// <summary>Uniform integer in [0, <paramref name="bound"/>); the bias is below bound / 2^32.</summary>
    public int Below(int bound, ulong position) => (int)(((ulong)Bits(position) * (uint)bound) >> 32);
}
