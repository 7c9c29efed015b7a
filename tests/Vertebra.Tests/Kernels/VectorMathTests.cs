using Vertebra.Kernels;
using Xunit.Abstractions;

namespace Vertebra.Tests.Kernels;

/// <summary>
/// The elementary functions against float64, over a million float32 numbers spread evenly over all bit patterns (every
/// exponent of both signs, zeros, denormals, infinities, NaN). Errors are in units of the last place of the result, or of
/// the smallest denormal below that. VERTEBRA_EXHAUSTIVE=1 tries all 2^32 numbers, which takes an hour.
/// </summary>
public class VectorMathTests(ITestOutputHelper output)
{
    private const int BatchSize = 4096;

    private static readonly uint Stride = Environment.GetEnvironmentVariable("VERTEBRA_EXHAUSTIVE") == "1" ? 1u : 4093u;

    public static TheoryData<string, double> Functions => new()
    {
        { "exp", 1.0 }, { "exp flushed", 1.0 }, { "expm1", 0.9 }, { "log", 0.8 }, { "log1p", 1.4 }, { "tanh", 1.3 }, { "sigmoid", 2.1 }, { "softplus", 1.6 }, { "erf", 1.1 }, { "normal", 5 },
    };

    [Theory]
    [MemberData(nameof(Functions))]
    public void Errors_stay_within_the_stated_units_in_the_last_place(string name, double most)
    {
        var (error, at) = name switch
        {
            "exp" => Worst(new Exp(), Math.Exp, _ => true),
            "exp flushed" => Worst(new ExpFlushed(), x => x < -87 ? 0 : Math.Exp(x), x => !(x > 87)),
            "expm1" => Worst(new ExpMinusOne(), ExpMinusOneReference, x => !(x > 0)),
            "log" => Worst(new Log(), x => Math.Log(x), _ => true),
            "log1p" => Worst(new LogOnePlus(), LogOnePlusReference, x => x is >= 0 and <= 1),
            "tanh" => Worst(new Tanh(), Math.Tanh, _ => true),
            "sigmoid" => Worst(new Sigmoid(), x => x > 0 ? 1 / (1 + Math.Exp(-x)) : Math.Exp(x) / (1 + Math.Exp(x)), _ => true),
            "softplus" => Worst(new Softplus(), x => Math.Max(x, 0) + LogOnePlusReference(Math.Exp(-Math.Abs(x))), _ => true),
            "erf" => Worst(new Erf(), ErfReference, _ => true),
            _ => Worst(new Normal(), x => 0.5 * ErfcReference(-x / Math.Sqrt(2)), _ => true),
        };
        output.WriteLine($"{name}: at most {error:f3} units in the last place, at {at:g9} ({Simd.Level})");
        Assert.True(error <= most, $"{name}({at:g9}) is off by {error:f3} units in the last place, {most} are stated");
    }

    private static unsafe (double Error, float At) Worst<TOperator>(TOperator op, Func<double, double> reference, Func<float, bool> isInDomain) where TOperator : struct, IUnaryOperator
    {
        var (worst, at) = (0.0, 0f);
        var (x, y) = (new float[BatchSize], new float[BatchSize]);
        for (ulong bits = 0; bits <= uint.MaxValue;)
        {
            var count = 0;
            for (; bits <= uint.MaxValue && count < BatchSize; bits += Stride)
                x[count++] = BitConverter.UInt32BitsToSingle((uint)bits);
            fixed (float* source = x, target = y)
                Elementwise.Run(op, source, target, count);
            for (var i = 0; i < count; i++)
            {
                var error = isInDomain(x[i]) ? Error(y[i], reference(x[i])) : 0;
                if (error > worst)
                    (worst, at) = (error, x[i]);
            }
        }
        return (worst, at);
    }

    private static double Error(float actual, double expected)
    {
        if (float.IsNaN(actual) || double.IsNaN(expected))
            return float.IsNaN(actual) == double.IsNaN(expected) ? 0 : double.PositiveInfinity;
        if (actual.Equals((float)expected))
            return 0;
        // Infinity stands where 2^128 would: overflow is right when the exact result rounds to it.
        var value = float.IsInfinity(actual) ? Math.CopySign(Math.ScaleB(1, 128), actual) : actual;
        var exponent = expected == 0 ? -126 : Math.Clamp(Math.ILogB(expected), -126, 127);
        return Math.Abs(value - expected) / Math.ScaleB(1, exponent - 23);
    }

    // ---------------------------------------------------------------- references

    private static double ExpMinusOneReference(double x) =>
        Math.Abs(x) < 1e-3 ? x * (1 + (x / 2 * (1 + (x / 3 * (1 + (x / 4)))))) : Math.Exp(x) - 1;

    private static double LogOnePlusReference(double x) =>
        x < 1e-3 ? x * (1 - (x * (0.5 - (x * (1.0 / 3 - (x * (0.25 - (x / 5)))))))) : Math.Log(1 + x);

    private static double ErfReference(double x) => Math.Abs(x) < 2 ? ErfSeries(x) : x < 0 ? ErfcReference(-x) - 1 : 1 - ErfcReference(x);

    private static double ErfcReference(double x) => x < -2 ? 2 - ErfcReference(-x) : x < 2 ? 1 - ErfSeries(x) : ErfcFraction(x);

    private static double ErfSeries(double x)
    {
        double sum = 0, term = x;
        for (var n = 0; n < 60; n++)
        {
            sum += term / ((2 * n) + 1);
            term *= -x * x / (n + 1);
        }
        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private static double ErfcFraction(double x)
    {
        var fraction = x;
        for (var k = 120; k > 0; k--)
            fraction = x + (k / 2.0 / fraction);
        return double.IsPositiveInfinity(x) ? 0 : Math.Exp(-x * x) / (fraction * Math.Sqrt(Math.PI));
    }

    // ---------------------------------------------------------------- operators

    private readonly struct Exp : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Exp(x);
    }

    private readonly struct ExpFlushed : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.ExpFlushed(x);
    }

    private readonly struct ExpMinusOne : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.ExpMinusOne(x);
    }

    private readonly struct Log : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Log(x);
    }

    private readonly struct LogOnePlus : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.LogOnePlus(x);
    }

    private readonly struct Tanh : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Tanh(x);
    }

    private readonly struct Sigmoid : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Sigmoid(x);
    }

    private readonly struct Softplus : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Softplus(x);
    }

    private readonly struct Erf : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Erf(x);
    }

    private readonly struct Normal : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Normal(x).Below;
    }
}
