using System.Globalization;
using System.Text.Json;

namespace Vertebra.Zoo.Verification;

/// <summary>How a network did against a golden fixture.</summary>
public enum FixtureStatus
{
    /// <summary>Everything the fixture holds was compared and lies within its tolerance.</summary>
    Passed,

    /// <summary>Something differs.</summary>
    Failed,

    /// <summary>The registry has no such network: nothing was compared.</summary>
    Missing,
}

/// <summary>One comparison.</summary>
/// <param name="What">What was compared: "logits", "names", "macs" ...</param>
/// <param name="Error">Largest relative error; 0 or 1 for facts that are equal or not.</param>
/// <param name="Tolerance">Largest allowed error.</param>
/// <param name="Detail">What was expected and found, where that differs.</param>
public sealed record FixtureCheck(string What, double Error, double Tolerance, string Detail = "")
{
    // A NaN error is no pass.
    public bool Passed => Error <= Tolerance;

    internal static FixtureCheck Equal<T>(string what, T expected, T found) =>
        new(what, Equals(expected, found) ? 0 : 1, 0, Equals(expected, found) ? "" : $"expected {expected}, found {found}");
}

/// <summary>All comparisons of one fixture.</summary>
/// <param name="Name">The fixture's file name without extension.</param>
/// <param name="Model">The network it is about.</param>
/// <param name="Kind"><c>eval</c>, <c>c10</c>, <c>train</c> or <c>reparam</c>.</param>
/// <param name="Checks">The comparisons; none when the network is missing.</param>
/// <param name="FirstDivergence">The first module, in order of execution, whose output differs; null when none does.</param>
/// <param name="Seconds">Time it took.</param>
public sealed record FixtureResult(string Name, string Model, string Kind, IReadOnlyList<FixtureCheck> Checks, string? FirstDivergence, double Seconds)
{
    public FixtureStatus Status => Checks.Count == 0 ? FixtureStatus.Missing : Checks.All(c => c.Passed) ? FixtureStatus.Passed : FixtureStatus.Failed;

    /// <summary>The comparison of that name, if it was made.</summary>
    public FixtureCheck? this[string what] => Checks.FirstOrDefault(c => c.What == what);

    /// <summary>One line for people.</summary>
    public override string ToString()
    {
        if (Status == FixtureStatus.Missing)
            return $"missing  {Name}: the registry has no model '{Model}'";
        var errors = string.Join(", ", Checks.Where(c => c.Tolerance > 0).Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.What} {c.Error:0.0e+0}/{c.Tolerance:0.0e+0}")));
        if (Status == FixtureStatus.Passed)
            return $"passed   {Name}: {errors}";
        var wrong = string.Join("; ", Checks.Where(c => !c.Passed).Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.What} {c.Error:0.0e+0}/{c.Tolerance:0.0e+0} {c.Detail}").TrimEnd()));
        return $"FAILED   {Name}: {wrong}{(FirstDivergence is null ? "" : $"; first divergence at {FirstDivergence}")}";
    }

    /// <summary>Writes the result as a JSON object.</summary>
    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("fixture", Name);
        json.WriteString("model", Model);
        json.WriteString("kind", Kind);
        json.WriteString("status", Status.ToString().ToLowerInvariant());
        if (FirstDivergence is not null)
            json.WriteString("first_divergence", FirstDivergence);
        json.WriteNumber("seconds", Math.Round(Seconds, 3));
        json.WriteStartArray("checks");
        foreach (var check in Checks)
        {
            json.WriteStartObject();
            json.WriteString("what", check.What);
            json.WriteBoolean("passed", check.Passed);
            if (double.IsFinite(check.Error))
                json.WriteNumber("error", check.Error);
            json.WriteNumber("tolerance", check.Tolerance);
            if (check.Detail.Length > 0)
                json.WriteString("detail", check.Detail);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
