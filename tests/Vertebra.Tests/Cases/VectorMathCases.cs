using Vertebra.Kernels;

namespace Vertebra.Tests.Cases;

/// <summary>
/// The elementary functions against float64, over a million float32 numbers spread evenly over all bit patterns (every
/// exponent of both signs, zeros, denormals, infinities, NaN). Errors are in units of the last place of the result, or of
/// the smallest denormal below that. VERTEBRA_STRIDE=1 tries all 2^32 numbers, which takes an hour.
/// </summary>
public static class VectorMathCases
{
    private const int BatchSize = 4096;

    private static readonly uint Stride = uint.TryParse(Environment.GetEnvironmentVariable("VERTEBRA_STRIDE"), out var stride) && stride > 0 ? stride : 4093;

    // The largest errors are those that VectorMath states.
    public static IEnumerable<(string Name, Action Check)> All() =>
    [
        Case("exp", 1.1, new Exp(), Math.Exp),
        Case("exp flushed", 1.1, new ExpFlushed(), x => x < -87 ? 0 : Math.Exp(x), x => !(x > 87)),
        Case("expm1", 1.0, new ExpMinusOne(), ExpMinusOneReference, x => !(x > 0)),
        Case("log", 0.9, new Log(), Math.Log),
        Case("log1p", 1.5, new LogOnePlus(), LogOnePlusReference, x => x is >= 0 and <= 1),
        Case("tanh", 1.5, new Tanh(), Math.Tanh),
        Case("sigmoid", 2.4, new Sigmoid(), x => x > 0 ? 1 / (1 + Math.Exp(-x)) : Math.Exp(x) / (1 + Math.Exp(x))),
        Case("silu", 2.5, new Silu(), x => x / (1 + Math.Exp(-x))),
        Case("softplus", 1.8, new Softplus(), x => Math.Max(x, 0) + LogOnePlusReference(Math.Exp(-Math.Abs(x)))),
        Case("erf", 1.2, new Erf(), ErfReference),
        Case("normal", 5.5, new Normal(), x => 0.5 * ErfcReference(-x / Math.Sqrt(2)), extra: x => x < 0 ? x * x / 2 : 0),
    ];

    private static (string Name, Action Check) Case<TOperator>(string name, double most, TOperator op, Func<double, double> reference, Func<float, bool>? isInDomain = null, Func<float, double>? extra = null)
        where TOperator : struct, IUnaryOperator =>
        ($"vector math {name}", () =>
        {
            var (error, at) = Worst(op, reference, isInDomain ?? (_ => true), extra ?? (_ => 0));
            Assert.True(error <= most, $"at {at:g9} it is off by {error:f3} units in the last place, {most} are stated");
        });

    private static unsafe (double Error, float At) Worst<TOperator>(TOperator op, Func<double, double> reference, Func<float, bool> isInDomain, Func<float, double> extra) where TOperator : struct, IUnaryOperator
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
                var error = isInDomain(x[i]) ? Error(y[i], reference(x[i])) - extra(x[i]) : 0;
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
        for (var n = 0; Math.Abs(term) > 1e-18 * Math.Abs(sum); n++)
        {
            sum += term / ((2 * n) + 1);
            term *= -x * x / (n + 1);
        }
        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private static double ErfcFraction(double x)
    {
        var fraction = x;
        for (var k = 60; k > 0; k--)
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

    private readonly struct Silu : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Silu(x);
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
