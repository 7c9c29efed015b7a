using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra validate CHECKPOINT --dataset ...</c>: accuracy and loss on a labelled set.</summary>
internal static class ValidateVerb
{
    // timm's results columns.
    private const string Header = "model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation,loss,count,skipped,images_per_second";

    public static Command Create()
    {
        var network = new NetworkArgument();
        var dataset = new Option<string>("--dataset") { Description = $"one of {string.Join(", ", DatasetFactory.Names)}", DefaultValueFactory = _ => "folder" };
        var directory = new Option<string?>("--data-dir") { Description = "folder of the data set, or a .vpk file" };
        var batch = new Option<int>("--batch-size", "-b") { Description = "images of one step", DefaultValueFactory = _ => 64 };
        var split = new Option<string>("--split") { Description = "validation (held-back images, or all where there is no split) or train", DefaultValueFactory = _ => "validation" };
        split.AcceptOnlyFromAmong("validation", "train");
        var results = new Option<string?>("--results-file") { Description = "write a CSV row here, in timm's columns" };
        var command = new Command("validate", "Judge a network on labelled images: top-1, top-5, cross-entropy; mean average precision and F1 where images have several classes.");
        network.AddTo(command);
        foreach (var option in (Option[])[dataset, directory, batch, split, results])
            command.Options.Add(option);
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            var loaded = network.Load(parsed);
            var name = parsed.GetRequiredValue(dataset);
            var data = Open(name == "folder" && loaded.Network.Description.IsMultiLabel ? "multi-label" : name, parsed.GetValue(directory), parsed.GetRequiredValue(split), loaded);
            return Run(loaded, data, parsed.GetValue(batch), parsed.GetValue(results), stop);
        }));
        return command;
    }

    private static IImageDataset Open(string name, string? directory, string split, LoadedNetwork loaded)
    {
        directory ??= name == "shapes" ? "data" : throw new VertebraException($"--dataset {name} needs --data-dir, the place of its files");
        var labels = loaded.Network.Description.LabelNames;
        var options = new DatasetOptions { ClassNames = (name is "folder" or "multi-label" or "shapes" or "vpk" || DatasetFactory.IsPack(directory)) && labels.Count > 0 ? labels : null };
        return DatasetFactory.Open(name, directory, split == "train" ? DatasetSplit.Train : DatasetSplit.Evaluation, options);
    }

    private static int Run(LoadedNetwork loaded, IImageDataset data, int batch, string? resultsFile, CancellationToken stop)
    {
        var loader = new BatchLoader(data, new(loaded.Preprocessing), LoaderOptions.ForEvaluation(batch) with { Warn = message => Console.Error.WriteLine($"vertebra: {message}") });
        var clock = Stopwatch.StartNew();
        var progress = Console.IsErrorRedirected ? null : new LineProgress(Console.Error, interval: 20, metric: "top1");
        var result = Evaluator.Run(loaded.Network, loader, loaded.Network.NumClasses, progress, cancellation: stop);
        var rate = result.Count / clock.Elapsed.TotalSeconds;
        Console.WriteLine(data.Identity);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $" * Acc@1 {result.Top1:0.000} ({100 - result.Top1:0.000}) Acc@5 {result.Top5:0.000} ({100 - result.Top5:0.000}) Loss {result.Loss:0.00000}  {Math.Round(result.Top1 * result.Count / 100)} of {result.Count} right, {rate:0} images/s"));
        if (result.MultiLabel is { } scores)
            PrintClasses(scores, data.ClassNames);
        if (loader.BrokenCount > 0)
            Console.WriteLine($"   {loader.BrokenCount} images could not be read and are not in these figures");
        if (resultsFile is not null)
            WriteRow(resultsFile, loaded, result, loader.BrokenCount, rate);
        return Host.Success;
    }

    private static void PrintClasses(MultiLabelScores scores, IReadOnlyList<string> names)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $" * mAP {scores.MeanAveragePrecision:0.000}  F1 {scores.MacroF1:0.000} (mean of classes) {scores.MicroF1:0.000} (of all answers) at {scores.Threshold}"));
        foreach (var i in Enumerable.Range(0, names.Count).OrderBy(i => scores.AveragePrecision[i] ?? double.PositiveInfinity).ThenBy(i => i))
            Console.WriteLine($"   AP {Text(scores.AveragePrecision[i])}  F1 {Text(scores.F1[i])}  {scores.Counts[i],6} images  {names[i]}");

        static string Text(double? percent) => percent is { } p ? p.ToString("0.00", CultureInfo.InvariantCulture).PadLeft(6) : "     -";
    }

    private static void WriteRow(string path, LoadedNetwork loaded, EvaluationResult result, int broken, double rate)
    {
        var text = new StringBuilder(File.Exists(path) ? File.ReadAllText(path) : Header + "\n");
        if (text.Length > 0 && text[^1] != '\n')
            text.Append('\n');
        var name = loaded.Network.Description.Architecture;
        text.Append(CultureInfo.InvariantCulture,
            $"{name},{loaded.Preprocessing.Height},{result.Top1:0.000},{100 - result.Top1:0.000},{result.Top5:0.000},{100 - result.Top5:0.000},{loaded.Network.ParameterCount / 1e6:0.00},{loaded.Preprocessing.CropPct},{loaded.Preprocessing.Interpolation.ToString().ToLowerInvariant()},{result.Loss:0.00000},{result.Count},{broken},{rate:0.0}\n");
        AtomicFile.WriteText(path, text.ToString());
    }
}
