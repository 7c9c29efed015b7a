using System.Globalization;

namespace Vertebra.Lab.Data.Augment;

/// <summary>What the text of a policy does not say: it follows from the input.</summary>
/// <param name="Side">Shorter side of the input, in pixels.</param>
/// <param name="Style">How warps fill the gaps.</param>
internal readonly record struct PolicySetting(int Side, WarpStyle Style);

/// <summary>
/// Policies as timm's <c>--aa</c> writes them: a name and parts behind hyphens, each a key and its value. Keys and defaults
/// are timm's; unknown ones are refused where timm passes some over.
/// </summary>
internal static class PolicyText
{
    private const string Names = "rand, augmix, v0, v0r, original, originalr, 3a or ta_wide";

    // timm's share of the side for moves in pixels.
    private const double TranslateShare = 0.45;

    /// <summary>True when colour jitter may follow the policy: timm leaves it out behind others than <c>3a</c>.</summary>
    public static bool AllowsColorJitter(string? text) => text is null || text.Contains("3a", StringComparison.Ordinal);

    /// <summary>Checks a text.</summary>
    /// <exception cref="VertebraException">It is no policy; the message says which part is wrong.</exception>
    public static void Check(string text) => Parse(text, new(224, new(WarpFilter.Bilinear, 128, 128, 128)));

    /// <summary>The policy of a text.</summary>
    /// <exception cref="VertebraException">It is no policy; the message says which part is wrong.</exception>
    public static AugmentPolicy Parse(string text, PolicySetting setting)
    {
        var parts = text.Split('-');
        var reader = new Reader(text, parts[1..]);
        var strength = new PolicyStrength { Limits = new((int)(setting.Side * TranslateShare), TranslateShare), Style = setting.Style };
        AugmentPolicy policy = parts[0] switch
        {
            "rand" => Rand(reader, strength),
            "augmix" => Mix(reader, strength),
            "ta" or "ta_wide" => new TrivialAugment(setting.Style),
            var name when AutoAugment.Tables.TryGetValue(name, out var table) =>
                new AutoAugment(table, strength with { Deviation = Deviation(reader, 0) }),
            _ => throw new VertebraException($"augmentation policy '{text}': '{parts[0]}' is unknown; use {Names}"),
        };
        reader.End();
        return policy;
    }

    private static RandAugment Rand(Reader reader, PolicyStrength strength)
    {
        strength = strength with { Deviation = Deviation(reader, 0), MostLevel = reader.Number("mmax", 10, 1, 100) };
        var level = reader.Number("m", 10, 0, 100);
        var count = reader.Integer("n", 2, 1, 16);
        var probability = reader.Number("p", 0.5, 0, 1);
        var names = reader.Flag("inc") ? RandAugment.Increasing : RandAugment.Plain;
        var set = reader.Text("t");
        var weights = reader.Has("w") && reader.Integer("w", 0, 0, 0) == 0 ? RandAugment.FirstWeights : null;
        if (set is not null)
        {
            if (!RandAugment.Sets.TryGetValue(set, out var chosen))
                throw reader.Wrong($"t{set}", $"t takes {string.Join(", ", RandAugment.Sets.Keys)}");
            names = [.. chosen.Select(c => c.Name)];
            weights = chosen.All(c => c.Weight == chosen[0].Weight) ? null : [.. chosen.Select(c => c.Weight)];
        }
        if (weights is not null && weights.Count(w => w > 0) < count)
            throw reader.Wrong($"n{count}", "more operations than have a weight, and none may come twice");
        return new([.. names.Select(name => new PolicyStep(name, probability, level, strength))], count, weights);
    }

    private static AugMix Mix(Reader reader, PolicyStrength strength)
    {
        strength = strength with { Deviation = Deviation(reader, double.PositiveInfinity), Limits = strength.Limits with { TranslateShare = 0.3 } };
        var level = reader.Number("m", 3, 0, 10);
        var steps = AugMix.Operations.Select(name => new PolicyStep(name, 1, level, strength)).ToArray();
        return new(steps, reader.Integer("w", 3, 1, 32), reader.Integer("d", 0, 0, 32), reader.Number("a", 1, 0.01, 1000), reader.Flag("b"));
    }

    // Beyond 100 a level is uniform between 0 and itself, as in timm.
    private static double Deviation(Reader reader, double otherwise) =>
        reader.Number("mstd", otherwise, 0, double.MaxValue) is var deviation && deviation > 100 ? double.PositiveInfinity : deviation;

    /// <summary>The parts behind the name, taken out one after the other.</summary>
    private sealed class Reader(string text, string[] parts)
    {
        private readonly List<string> _left = [.. parts];

        public bool Has(string key) => _left.Exists(part => KeyOf(part) == key);

        public double Number(string key, double otherwise, double least, double most)
        {
            if (Take(part => KeyOf(part) == key) is not { } part)
                return otherwise;
            return double.TryParse(part.AsSpan(key.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most ? value
                : throw Wrong(part, FormattableString.Invariant($"{key} takes a number from {least} to {most}"));
        }

        public int Integer(string key, int otherwise, int least, int most) =>
            Number(key, otherwise, least, most) is var value && value == Math.Floor(value) ? (int)value
            : throw Wrong(FormattableString.Invariant($"{key}{value}"), $"{key} takes a whole number");

        public bool Flag(string key) => Integer(key, 0, 0, 1) == 1;

        /// <summary>What stands behind a key that takes a name.</summary>
        public string? Text(string key) => Take(part => part.StartsWith(key, StringComparison.Ordinal))?[key.Length..];

        public void End()
        {
            if (_left.Count > 0)
                throw Wrong(_left[0], $"{text.Split('-')[0]} has no such part");
        }

        public VertebraException Wrong(string part, string why) => new($"augmentation policy '{text}': '{part}': {why}");

        private string? Take(Predicate<string> isIt)
        {
            var place = _left.FindIndex(isIt);
            if (place < 0)
                return null;
            var part = _left[place];
            _left.RemoveAt(place);
            return part;
        }

        private static string KeyOf(string part) => part[..(part.AsSpan().IndexOfAnyInRange('0', '9') is var digit && digit >= 0 ? digit : part.Length)];
    }
}
