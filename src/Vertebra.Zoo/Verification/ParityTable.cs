using System.Globalization;
using System.Text;

namespace Vertebra.Zoo.Verification;

/// <summary>The results of golden fixtures as a table for people, in Markdown: a row for each network.</summary>
public static class ParityTable
{
    /// <summary>Writes the table.</summary>
    /// <param name="results">Results of fixtures, in any order.</param>
    /// <param name="reference">The reference's table of all models, to say how many of them are registered; null: not said.</param>
    public static string Write(IEnumerable<FixtureResult> results, ModelTable? reference)
    {
        var rows = results.GroupBy(r => r.Model).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => (Model: g.Key, Results: g.ToList())).ToList();
        var registered = reference is null ? ""
            : string.Create(CultureInfo.InvariantCulture, $"{Models.List().Count(m => reference.Knows(m.Name)):N0} of timm's {reference.Count:N0} networks are registered. ");
        int Count(FixtureStatus status) => rows.Sum(r => r.Results.Count(f => f.Status == status));
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture,
            $$"""
            # Parity with timm

            {{registered}}{{rows.Count}} networks have golden files here: {{Count(FixtureStatus.Passed)}} files passed, {{Count(FixtureStatus.Failed)}} failed, {{Count(FixtureStatus.Missing)}} are of networks that are not registered.

            Written by `vertebra verify --fixtures DIR --markdown docs/parity.md`. A golden file has the values that timm computes with weights from a generator that both sides share. Errors are the largest relative ones: of the logits and the last feature map in evaluation (with 10 classes too, and re-parameterised, where there are such files), of the maps of the pyramid, and of loss and gradients of a training step. Names, shapes and order of the state dict, parameters and multiply-accumulates are compared exactly. Seconds are those of all comparisons of a network on the machine that wrote the table.

            | model | logits | features | pyramid | training | params (M) | GMACs | seconds | |
            |---|--:|--:|--:|--:|--:|--:|--:|---|

            """);
        foreach (var (model, files) in rows)
            text.Append(Row(model, files));
        return text.ToString();
    }

    private static string Row(string model, List<FixtureResult> files)
    {
        if (Models.TryFind(model) is not { } info)
            return $"| {model} | | | | | | | | not registered |\n";
        var cost = ModelCost.Of(info);
        var inference = files.Where(f => f.Kind != "train").ToList();
        var failed = files.Where(f => f.Status == FixtureStatus.Failed).ToList();
        var verdict = failed.Count == 0 ? "ok" : $"differs: {string.Join(", ", failed.SelectMany(f => f.Checks).Where(c => !c.Passed).Select(c => c.What).Distinct())}";
        return string.Create(CultureInfo.InvariantCulture,
            $"| {model} | {Worst(inference, "logits")} | {Worst(inference, "features")} | {Worst(inference, "pyramid")} | {Worst(files.Where(f => f.Kind == "train"), "loss", "logits", "gradient", "grad_l2")} | {cost.Parameters / 1e6:0.00} | {cost.Macs / 1e9:0.00} | {files.Sum(f => f.Seconds):0.0} | {verdict} |\n");
    }

    // Exact comparisons have no tolerance and say nothing about rounding.
    private static string Worst(IEnumerable<FixtureResult> files, params string[] kinds)
    {
        var errors = files.SelectMany(f => f.Checks).Where(c => c.Tolerance > 0 && kinds.Any(k => c.What.StartsWith(k, StringComparison.Ordinal))).Select(c => c.Error).ToList();
        return errors.Count == 0 ? "" : errors.Exists(double.IsNaN) ? "NaN" : errors.Max().ToString("0.0e+00", CultureInfo.InvariantCulture);
    }
}
