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
            Outcome = Outcome(run, result),
            Highlights = Highlights(run, result),
            Rows = result.Rows,
            Evaluation = best,
            EvaluationNote = Text($"Weights of epoch {result.Best?.Epoch}, model_best.safetensors, on the validation images."),
            ClassNames = run.TrainingData.ClassNames,
            LoadImage = index => TryLoad(run, index),
            NameOf = run.ValidationData.NameOf,
            Facts = Facts(run, result),
            Commands = Commands(run, result, folder),
        };
    }

    private static string Outcome(TrainingRun run, TrainingResult result)
    {
        var epochs = result.IsComplete ? $"Finished: {result.Epochs} epochs" : $"Stopped after {result.Rows.Count} of {result.Epochs} epochs";
        return Text($"{epochs} in {LineProgress.Time(result.Elapsed)}. ") + (result.BestEvaluation is { } best
            ? Text($"The best weights, of epoch {result.Best?.Epoch}, name {best.Top1:0.00} % of {best.Count} held-back images right.")
            : result.IsComplete ? "There was no evaluation." : "");
    }

    private static List<(string, string)> Highlights(TrainingRun run, TrainingResult result)
    {
        var cards = new List<(string, string)>();
        if (result.BestEvaluation is { } best)
        {
            if (best.MultiLabel is { } scores)
            {
                cards.Add((Text($"{scores.MeanAveragePrecision:0.00} %"), "mean average precision"));
                cards.Add((Text($"{scores.MacroF1:0.00} %"), "F1, mean of classes"));
            }
            cards.Add((Text($"{best.Top1:0.00} %"), best.MultiLabel is null ? "top-1" : "top-1 is one of the image's"));
            if (best.ClassCount > 5)
                cards.Add((Text($"{best.Top5:0.00} %"), "top-5"));
            cards.Add((Text($"{best.Loss:0.000}"), "cross-entropy"));
        }
        cards.Add((Text($"{run.Network.ParameterCount / 1e6:0.00} M"), "parameters"));
        cards.Add((Text($"{run.Macs / 1e9:0.000} G"), "multiply-accumulates"));
        if (result.Rows.Count > 0)
            cards.Add((Text($"{result.Rows.Average(r => r.ImagesPerSecond):0}"), "images per second"));
        return cards;
    }

    private static List<(string, IReadOnlyList<(string, string)>)> Facts(TrainingRun run, TrainingResult result) =>
    [
        ("Network",
        [
            ("name", run.Options.Model), ("parameters", Text($"{run.Network.ParameterCount:#,0}")), ("multiply-accumulates for one image", Text($"{run.Macs:#,0}")),
            ("input", $"{run.Preprocessing.Height} x {run.Preprocessing.Width} x {run.Preprocessing.Channels}"), ("classes", $"{run.Network.NumClasses}"),
            ("started from", run.Options.InitialCheckpoint ?? "fresh weights"),
        ]),
        ("Time", Times(run, result)),
        ("Data",
        [
            ("training", run.TrainingData.Identity), ("validation", run.ValidationData.Identity),
            ("classes", string.Join(", ", run.TrainingData.ClassNames.Take(40)) + (run.TrainingData.ClassNames.Count > 40 ? ", ..." : "")),
            ("unreadable training images", Text($"{run.BrokenTrainingImages}")), ("unreadable validation images", Text($"{run.BrokenValidationImages}")),
        ]),
        ("Preprocessing", [.. run.Preprocessing.ToJson().Select(f => (f.Key, f.Value?.ToJsonString().Trim('"') ?? ""))]),
        ("Hyper-parameters", [.. TrainingOption.All.Select(o => (o.Key, o.Get(run.Options))).Where(o => o.Item2 is not null).Select(o => (o.Key, string.Join(' ', o.Item2!)))]),
    ];

    private static List<(string, string)> Times(TrainingRun run, TrainingResult result)
    {
        var facts = new List<(string, string)> { ("whole run, evaluations included", LineProgress.Time(result.Elapsed)) };
        if (result.Rows.Count == 0)
            return facts;
        var seconds = result.Rows.Select(r => r.Seconds).Order().ToArray();
        facts.Add(("training of an epoch, median", Text($"{seconds[seconds.Length / 2]:0.0} s (fastest {seconds[0]:0.0} s, slowest {seconds[^1]:0.0} s)")));
        facts.Add(("images per second, median", Text($"{result.Rows.Select(r => r.ImagesPerSecond).Order().ElementAt(result.Rows.Count / 2):0}")));
        facts.Add(("waiting for images", Text($"{100 * result.Rows.Sum(r => r.DataSeconds) / Math.Max(1e-9, result.Rows.Sum(r => r.Seconds)):0.0} % of the training time")));
        facts.Add(("threads", Text($"{Kernels.Workers.Count} ({Kernels.Simd.Level})")));
        return facts;
    }

    private static List<(string, string)> Commands(TrainingRun run, TrainingResult result, string folder)
    {
        var (args, best) = (Quoted(Path.Combine(folder, "args.yaml")), Quoted(Path.Combine(folder, "model_best.safetensors")));
        var (place, data) = (Quoted(folder), run.Options.DataDir is { } directory ? $" --data-dir {Quoted(directory)}" : "");
        var commands = new List<(string, string)> { ("Repeat this run", $"vertebra train --config {args}") };
        if (!result.IsComplete)
            commands.Add(("Go on with this run", $"vertebra train --resume {place}"));
        if (result.Best is null)
            return commands;
        commands.Add(("Train on from the best weights", $"vertebra train --config {args} --initial-checkpoint {best}"));
        commands.Add(("Judge it again", $"vertebra validate {place} --dataset {run.Options.Dataset}{data}"));
        commands.Add(("Ask it about an image", $"vertebra predict {place} IMAGE"));
        commands.Add(("Ship it", $"vertebra export {place} -o {run.Options.Model}.onnx"));
        return commands;
    }

    /// <summary>As a shell takes it for one word.</summary>
    private static string Quoted(string path) =>
        path.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '\\' or '.' or '_' or '-' or ':' or '+') ? path : $"\"{path.Replace("\"", "\\\"")}\"";

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
