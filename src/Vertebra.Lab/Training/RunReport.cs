using System.Globalization;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Training;

/// <summary>Puts the report of a finished run together.</summary>
public static class RunReport
{
    /// <summary>Writes <c>report.html</c> into the run's folder.</summary>
    /// <param name="run">The run.</param>
    /// <param name="result">How it ended.</param>
    /// <param name="folder">The folder as commands should name it.</param>
    public static void Write(TrainingRun run, TrainingResult result, string folder) => AtomicFile.WriteText(run.Folder.Report, Of(run, result, folder).ToHtml());

    private static TrainingReport Of(TrainingRun run, TrainingResult result, string folder)
    {
        var best = result.BestEvaluation;
        return new()
        {
            Title = $"{run.Options.Model} on {run.Options.Dataset}",
            Outcome = best is null ? "The run ended without an evaluation."
                : Text($"After {run.Options.Epochs} epochs and {LineProgress.Time(result.Elapsed)}, the best weights name {best.Top1:0.00} % of {best.Count} held-back images right."),
            Highlights = Highlights(run, result),
            Rows = result.Rows,
            Evaluation = best,
            EvaluationNote = Text($"Weights of epoch {result.Best?.Epoch}, model_best.safetensors, on the validation images."),
            ClassNames = run.TrainingData.ClassNames,
            LoadImage = index => TryLoad(run, index),
            NameOf = run.ValidationData.NameOf,
            Facts = Facts(run),
            Commands = Commands(run, folder),
        };
    }

    private static List<(string, string)> Highlights(TrainingRun run, TrainingResult result)
    {
        var cards = new List<(string, string)>();
        if (result.BestEvaluation is { } best)
        {
            cards.Add((Text($"{best.Top1:0.00} %"), "top-1"));
            cards.Add((Text($"{best.Loss:0.000}"), "cross-entropy"));
        }
        cards.Add((Text($"{run.Network.ParameterCount / 1e6:0.00} M"), "parameters"));
        cards.Add((Text($"{run.Macs / 1e9:0.000} G"), "multiply-accumulates"));
        if (result.Rows.Count > 0)
            cards.Add((Text($"{result.Rows.Average(r => r.ImagesPerSecond):0}"), "images per second"));
        return cards;
    }

    private static List<(string, IReadOnlyList<(string, string)>)> Facts(TrainingRun run) =>
    [
        ("Data",
        [
            ("training", run.TrainingData.Identity), ("validation", run.ValidationData.Identity),
            ("classes", string.Join(", ", run.TrainingData.ClassNames.Take(40)) + (run.TrainingData.ClassNames.Count > 40 ? ", ..." : "")),
            ("unreadable training images", Text($"{run.BrokenTrainingImages}")), ("unreadable validation images", Text($"{run.BrokenValidationImages}")),
        ]),
        ("Preprocessing", [.. run.Preprocessing.ToJson().Select(f => (f.Key, f.Value?.ToJsonString().Trim('"') ?? ""))]),
        ("Hyper-parameters", [.. TrainingOption.All.Select(o => (o.Key, o.Get(run.Options))).Where(o => o.Item2 is not null).Select(o => (o.Key, string.Join(' ', o.Item2!)))]),
    ];

    private static List<(string, string)> Commands(TrainingRun run, string folder) =>
    [
        ("Repeat this run", $"vertebra train --config {Path.Combine(folder, "args.yaml")}"),
        ("Go on from these weights", $"vertebra train --config {Path.Combine(folder, "args.yaml")} --initial-checkpoint {Path.Combine(folder, "model_best.safetensors")}"),
        ("Judge it again", $"vertebra validate {folder} --dataset {run.Options.Dataset}{(run.Options.DataDir is { } d ? $" --data-dir {d}" : "")}"),
        ("Ask it about an image", $"vertebra predict {folder} IMAGE"),
        ("Ship it", $"vertebra export {folder} -o {run.Options.Model}.onnx"),
    ];

    private static RgbImage? TryLoad(TrainingRun run, int index)
    {
        try
        {
            return run.ValidationData.Load(index);
        }
        catch (VertebraException)
        {
            return null; // it was readable when it was judged; the report is not the place to fail
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
