using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Vertebra.Kernels;

namespace Vertebra;

/// <summary>
/// Fills memory with the numbers of a stream, four blocks at a time and on all threads: filling a network's weights is a good
/// part of its start. A position's number does not depend on how much is filled, nor on the number of threads.
/// </summary>
internal static unsafe class PhiloxFilling
{
    /// <summary>Numbers of one part of the work: a multiple of those of one step.</summary>
    private const int PartLength = 1 << 15;

    /// <summary>Four blocks of four numbers.</summary>
    private const int Step = 16;

    private const double Unit = 1 / 4294967296.0;

    public static void Run(Span<float> target, Philox random, bool isNormal, float scale)
    {
        fixed (float* pointer = target)
            Workers.Run((target.Length + PartLength - 1) / PartLength, new Job(random, pointer, target.Length, isNormal, scale), static (in job, part) => FillPart(job, part));
    }

    /// <summary>The standard normal at a position: what filling puts there.</summary>
    public static float Normal(Philox random, ulong position)
    {
        var step = stackalloc float[Step];
        FillSteps(random.Seed, random.Stream, position >> 2, Step, isNormal: true, 1, step);
        return step[position & 3];
    }

    private readonly record struct Job(Philox Random, nint Target, int Length, bool IsNormal, float Scale)
    {
        public Job(Philox random, float* target, int length, bool isNormal, float scale) : this(random, (nint)target, length, isNormal, scale) { }
    }

    private static void FillPart(in Job job, int part)
    {
        var start = part * PartLength;
        var count = Math.Min(PartLength, job.Length - start);
        var target = (float*)job.Target + start;
        var whole = count / Step * Step;
        var random = job.Random;
        FillSteps(random.Seed, random.Stream, (ulong)start >> 2, whole, job.IsNormal, job.Scale, target);
        if (whole == count)
            return;
        // The end is cut from one more step, so that a number does not depend on where the target ends.
        var rest = stackalloc float[Step];
        FillSteps(random.Seed, random.Stream, (ulong)(start + whole) >> 2, Step, job.IsNormal, job.Scale, rest);
        new ReadOnlySpan<float>(rest, count - whole).CopyTo(new Span<float>(target + whole, count - whole));
    }

    // Lane i holds block + i; words are the low halves of 64-bit lanes, as the 32-bit products need them.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FillSteps(ulong seed, ulong stream, ulong block, int count, bool isNormal, float scale, float* target)
    {
        var low = Vector256.Create((ulong)uint.MaxValue);
        for (var i = 0; i < count; i += Step, block += 4)
        {
            var positions = Vector256.Create(block) + Vector256.Create(0UL, 1, 2, 3);
            Vector256<ulong> c0 = positions & low, c1 = positions >> 32, c2 = Vector256.Create(stream & uint.MaxValue), c3 = Vector256.Create(stream >> 32);
            var (k0, k1) = ((uint)seed, (uint)(seed >> 32));
            for (var round = 0; round < Philox.Rounds; round++)
            {
                var (p0, p1) = (Product(c0, Philox.Multiplier0), Product(c2, Philox.Multiplier1));
                (c0, c1, c2, c3) = ((p1 >> 32) ^ c1 ^ Vector256.Create((ulong)k0), p1 & low, (p0 >> 32) ^ c3 ^ Vector256.Create((ulong)k1), p0 & low);
                k0 += Philox.Weyl0;
                k1 += Philox.Weyl1;
            }
            Vector128<float> a, b, c, d;
            if (isNormal)
            {
                (a, b) = Normals(c0, c1);
                (c, d) = Normals(c2, c3);
            }
            else
            {
                (a, b, c, d) = (Uniforms(c0), Uniforms(c1), Uniforms(c2), Uniforms(c3));
            }
            Store(a * scale, b * scale, c * scale, d * scale, target + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Product(Vector256<ulong> word, uint factor) =>
        Avx2.IsSupported ? Avx2.Multiply(word.AsUInt32(), Vector256.Create((ulong)factor).AsUInt32()) : word * factor;

    // Box and Muller's transform, by nothing but sums, products, quotients and roots, so that every machine gives the same bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<float> Even, Vector128<float> Odd) Normals(Vector256<ulong> u, Vector256<ulong> v)
    {
        var radius = Vector256.Sqrt(Vector256.Create(-2.0) * Log((ToDouble(u) + Vector256<double>.One) * Unit));
        var (sine, cosine) = SineCosine(v);
        return (ToSingle(radius * cosine), ToSingle(radius * sine));
    }

    // With x = 2^e m and m from 0.7 to 1.4: e log 2 + 2 (s + s³/3 + s⁵/5 + ...), s = (m - 1) / (m + 1), |s| < 0.172; the terms beyond s²¹ are below 1e-17.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Log(Vector256<double> x)
    {
        const ulong HalfRoot = 0x3FE6A09E667F3BCD;
        var bits = x.AsUInt64() - Vector256.Create(HalfRoot);
        // Negative exponents, brought above zero to be read as numbers.
        var exponent = ToDouble((bits + Vector256.Create(64UL << 52)) >> 52) - Vector256.Create(64.0);
        var m = ((bits & Vector256.Create((1UL << 52) - 1)) + Vector256.Create(HalfRoot)).AsDouble();
        var s = (m - Vector256<double>.One) / (m + Vector256<double>.One);
        var square = s * s;
        var sum = Vector256.Create(1.0 / 21);
        sum = (sum * square) + Vector256.Create(1.0 / 19);
        sum = (sum * square) + Vector256.Create(1.0 / 17);
        sum = (sum * square) + Vector256.Create(1.0 / 15);
        sum = (sum * square) + Vector256.Create(1.0 / 13);
        sum = (sum * square) + Vector256.Create(1.0 / 11);
        sum = (sum * square) + Vector256.Create(1.0 / 9);
        sum = (sum * square) + Vector256.Create(1.0 / 7);
        sum = (sum * square) + Vector256.Create(1.0 / 5);
        sum = (sum * square) + Vector256.Create(1.0 / 3);
        return (exponent * 0.6931471805599453) + (2 * (s + (s * square * sum)));
    }

    // Of 2π v / 2^32: the nearest quarter turn is taken off as an integer, which is exact, and Taylor's polynomials have the rest, at most π/4.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<double> Sine, Vector256<double> Cosine) SineCosine(Vector256<ulong> v)
    {
        var turned = v + Vector256.Create(1UL << 29);
        var quarter = turned >> 30;
        var x = (ToDouble(turned & Vector256.Create((1UL << 30) - 1)) - Vector256.Create((double)(1 << 29))) * (2 * Math.PI * Unit);
        var square = x * x;
        var sine = Vector256.Create(1.0 / 355687428096000);
        sine = (sine * square) - Vector256.Create(1.0 / 1307674368000);
        sine = (sine * square) + Vector256.Create(1.0 / 6227020800);
        sine = (sine * square) - Vector256.Create(1.0 / 39916800);
        sine = (sine * square) + Vector256.Create(1.0 / 362880);
        sine = (sine * square) - Vector256.Create(1.0 / 5040);
        sine = (sine * square) + Vector256.Create(1.0 / 120);
        sine = (sine * square) - Vector256.Create(1.0 / 6);
        sine = x + (x * square * sine);
        var cosine = Vector256.Create(1.0 / 20922789888000);
        cosine = (cosine * square) - Vector256.Create(1.0 / 87178291200);
        cosine = (cosine * square) + Vector256.Create(1.0 / 479001600);
        cosine = (cosine * square) - Vector256.Create(1.0 / 3628800);
        cosine = (cosine * square) + Vector256.Create(1.0 / 40320);
        cosine = (cosine * square) - Vector256.Create(1.0 / 720);
        cosine = (cosine * square) + Vector256.Create(1.0 / 24);
        cosine = (cosine * square) - Vector256.Create(0.5);
        cosine = Vector256<double>.One + (square * cosine);
        // Odd quarters swap the two; the sine turns its sign with the second bit, the cosine where both bits differ.
        var odd = Vector256.Equals(quarter & Vector256<ulong>.One, Vector256<ulong>.One).AsDouble();
        var sineSign = (quarter << 62) & Vector256.Create(1UL << 63);
        var cosineSign = ((quarter << 62) ^ (quarter << 63)) & Vector256.Create(1UL << 63);
        return ((Vector256.ConditionalSelect(odd, cosine, sine).AsUInt64() ^ sineSign).AsDouble(), (Vector256.ConditionalSelect(odd, sine, cosine).AsUInt64() ^ cosineSign).AsDouble());
    }

    // In [-1, 1): the upper 24 bits, which float32 holds exactly.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Uniforms(Vector256<ulong> word)
    {
        var uniform = ToSingle(ToDouble(word >> 8) * (1.0 / (1 << 24)));
        return (uniform * 2) - Vector128<float>.One;
    }

    // Exact for 32-bit words: they become the end of a double's fraction.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> ToDouble(Vector256<ulong> word) =>
        (word | Vector256.Create(0x4330000000000000UL)).AsDouble() - Vector256.Create(4503599627370496.0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ToSingle(Vector256<double> value) =>
        Avx.IsSupported ? Avx.ConvertToVector128Single(value) : Vector128.Narrow(value.GetLower(), value.GetUpper());

    // A block's four numbers stand together: a transposition.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d, float* target)
    {
        if (!Sse.IsSupported)
        {
            for (var block = 0; block < 4; block++)
                Vector128.Create(a[block], b[block], c[block], d[block]).Store(target + (4 * block));
            return;
        }
        var (ab, cd) = (Sse.UnpackLow(a, b), Sse.UnpackLow(c, d));
        Sse.MoveLowToHigh(ab, cd).Store(target);
        Sse.MoveHighToLow(cd, ab).Store(target + 4);
        (ab, cd) = (Sse.UnpackHigh(a, b), Sse.UnpackHigh(c, d));
        Sse.MoveLowToHigh(ab, cd).Store(target + 8);
        Sse.MoveHighToLow(cd, ab).Store(target + 12);
    }
}
