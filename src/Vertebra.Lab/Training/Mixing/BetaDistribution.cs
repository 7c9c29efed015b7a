using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Mixing;

/// <summary>Draws from Beta(α, α), from which mixing coefficients come.</summary>
internal static class BetaDistribution
{
    /// <summary>
    /// A number in [0, 1], exact in distribution: x / (x + y) of two gamma variables of shape α, each one of shape α + 1 times
    /// U^(1/α), which serves every α. In logarithms, since for small α both may be too small for a float64.
    /// </summary>
    /// <param name="random">Where the numbers come from.</param>
    /// <param name="alpha">α, above 0.</param>
    public static double Draw(ref SampleRandom random, double alpha)
    {
        var x = LogGamma(ref random, alpha);
        var y = LogGamma(ref random, alpha);
        return 1 / (1 + Math.Exp(y - x));
    }

    private static double LogGamma(ref SampleRandom random, double alpha) =>
        Math.Log(random.Gamma(alpha + 1)) + (Math.Log(1 - random.Uniform(0, 1)) / alpha);
}
