namespace Vertebra.Zoo.Verification;

/// <summary>
/// What rounding alone does to a network: its weights, each moved by one unit in the last place, up or down at random. A fixture is one
/// outcome of rounding and this program another; where they part because something stands on a tie (a kink, a softmax between two equal
/// scores), these draws part as far. A wrong result is the same in every draw, so they do not excuse it.
/// </summary>
internal static class RoundingDraws
{
    /// <summary>Draws to take.</summary>
    public const int Count = 6;

    /// <summary>Fills a network by its names and moves every parameter.</summary>
    public static void Fill(Backbone network, IReadOnlyDictionary<string, int> exponents, int draw)
    {
        const float Ulp = 1f / (1 << 23);
        GoldenValues.Fill(network, exponents);
        foreach (var (name, parameter) in network.NamedParameters())
        {
            var seed = GoldenValues.Seed($"rounding {draw}: {name}");
            var values = parameter.AsSpan<float>();
            for (var i = 0; i < values.Length; i++)
                values[i] *= (GoldenValues.Bits(seed, i) & 1) == 0 ? 1 + Ulp : 1 - Ulp;
            parameter.MarkWritten();
            GC.KeepAlive(parameter);
        }
    }
}
