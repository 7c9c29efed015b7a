namespace Vertebra.Nn;

/// <summary>Fills a new parameter, given its own stream of random numbers.</summary>
public delegate void Initialiser(Tensor parameter, Philox random);

/// <summary>The initialisers in use. Fans follow PyTorch: axis 0 is the output, axis 1 times all further axes the input.</summary>
public static class Init
{
    public static Initialiser Zeros { get; } = Constant(0);

    public static Initialiser Ones { get; } = Constant(1);

    public static Initialiser Constant(float value) => (parameter, _) => parameter.AsSpan<float>().Fill(value);

    /// <summary>Uniform in [-<paramref name="bound"/>, <paramref name="bound"/>).</summary>
    public static Initialiser Uniform(float bound) => (parameter, random) => random.FillUniform(parameter.AsSpan<float>(), bound);

    /// <summary>Normal with mean 0.</summary>
    public static Initialiser Normal(float deviation) => (parameter, random) => random.FillNormal(parameter.AsSpan<float>(), deviation);

    /// <summary>Normal with mean 0, drawn again until within two deviations (timm's trunc_normal_ for small deviations).</summary>
    public static Initialiser TruncatedNormal(float deviation) => (parameter, random) =>
    {
        var values = parameter.AsSpan<float>();
        random.FillNormal(values);
        var count = (ulong)values.Length;
        for (var i = 0; i < values.Length; i++)
        {
            for (ulong attempt = 1; MathF.Abs(values[i]) > 2; attempt++)
                values[i] = random.Normal((ulong)i + (attempt * count));
            values[i] *= deviation;
        }
    };

    /// <summary>He et al. 2015, "Delving deep into rectifiers": normal with variance 2 / fan.</summary>
    public static Initialiser KaimingNormal(bool fanOut) => (parameter, random) =>
        Normal(MathF.Sqrt(2f / Math.Max(1, Fan(parameter.Shape, fanOut))))(parameter, random);

    /// <summary>PyTorch's default for convolutions and linear layers: uniform with bound 1 / √fan-in.</summary>
    public static Initialiser TorchDefault { get; } = (parameter, random) => Uniform(1 / MathF.Sqrt(Math.Max(1, Fan(parameter.Shape, fanOut: false))))(parameter, random);

    /// <summary>Another initialiser's numbers times a factor.</summary>
    public static Initialiser Scaled(Initialiser initialiser, float factor) => (parameter, random) =>
    {
        initialiser(parameter, random);
        foreach (ref var value in parameter.AsSpan<float>())
            value *= factor;
    };

    /// <summary>Glorot and Bengio 2010: uniform with bound √(6 / (fan-in + fan-out)).</summary>
    public static Initialiser XavierUniform { get; } = (parameter, random) =>
        Uniform(MathF.Sqrt(6f / (Fan(parameter.Shape, false) + Fan(parameter.Shape, true))))(parameter, random);

    private static long Fan(Shape shape, bool fanOut)
    {
        var kernel = shape.CountBetween(2, shape.Rank);
        return kernel * (fanOut ? shape[0] : shape.Rank > 1 ? shape[1] : 1);
    }
}
