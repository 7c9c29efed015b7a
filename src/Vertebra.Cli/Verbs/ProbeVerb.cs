using System.CommandLine;
using System.Globalization;
using Vertebra.Lab.Data;
using Vertebra.Lab.Probing;
using Vertebra.Lab.Training;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra probe CHECKPOINT --dataset ...</c>: what the features of a frozen network tell apart.</summary>
internal static class ProbeVerb
{
    public static Command Create()
    {
        var network = new NetworkArgument();
        var dataset = new Option<string>("--dataset") { Description = $"one of {string.Join(", ", DatasetFactory.Names)}", DefaultValueFactory = _ => "folder" };
        var directory = new Option<string?>("--data-dir") { Description = "folder of the data set, or a .vpk file" };
        var share = new Option<double?>("--val-split") { Description = "share of a folder's images to judge by, where it has no val/ of its own" };
        var method = new Option<string>("--method") { Description = "linear: logistic regression; knn: weighted nearest neighbours", DefaultValueFactory = _ => "linear" };
        method.AcceptOnlyFromAmong("linear", "knn");
        var k = new Option<int>("--k") { Description = "neighbours that vote", DefaultValueFactory = _ => 20 };
        var temperature = new Option<double>("--temperature") { Description = "of their votes; the smaller, the more the nearest decides", DefaultValueFactory = _ => 0.07 };
        var l2 = new Option<double?>("--l2") { Description = "regularisation of the logistic regression (default: the best of seven on a held-back fifth of the training images)" };
        var batch = new Option<int>("--batch-size", "-b") { Description = "images of one step", DefaultValueFactory = _ => 64 };
        var command = new Command("probe", "Judge the features of a frozen network: train a linear classifier on them, or let neighbours vote.");
        network.AddTo(command);
        foreach (var option in (Option[])[dataset, directory, share, method, k, temperature, l2, batch])
            command.Options.Add(option);
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            if (parsed.GetValue(l2) is { } strength && !(strength >= 0 && double.IsFinite(strength)))
                throw new VertebraException($"--l2 is {strength}; it must be at least 0");
            var name = parsed.GetRequiredValue(dataset);
            var from = parsed.GetValue(directory) ?? (name == "shapes" ? "data" : throw new VertebraException($"--dataset {name} needs --data-dir, the place of its files"));
            var given = new DatasetOptions { ValidationShare = parsed.GetValue(share), Cancellation = stop };
            var (training, held) = (DatasetFactory.Open(name, from, DatasetSplit.Train, given), DatasetFactory.Open(name, from, DatasetSplit.Validation, given));
            var neighbours = new KnnProbe(parsed.GetValue(k), parsed.GetValue(temperature));
            if (parsed.GetRequiredValue(method) == "knn")
                neighbours.RequireFor(training.Count);
            var loaded = network.Load(parsed);
            FeatureSet Features(IImageDataset data) => FeaturesOf(loaded, data, parsed.GetValue(batch), stop);
            var (known, asked, classes) = (Features(training), Features(held), training.ClassNames.Count);
            if (parsed.GetRequiredValue(method) == "knn")
                return Print(string.Create(CultureInfo.InvariantCulture, $"knn, k {parsed.GetValue(k)}, temperature {parsed.GetValue(temperature)}"), known, neighbours.Run(known, asked, classes, stop));
            var probe = parsed.GetValue(l2) is { } fixedL2 ? LinearProbe.Fit(known, classes, fixedL2, stop) : LinearProbe.FitChoosing(known, classes, cancellation: stop);
            return Print(string.Create(CultureInfo.InvariantCulture, $"linear, l2 {probe.L2}, {probe.Run(known).Top1:0.00} % of the training images"), known, probe.Run(asked));
        }));
        return command;
    }

    private static FeatureSet FeaturesOf(LoadedNetwork loaded, IImageDataset data, int batch, CancellationToken stop)
    {
        if (data.IsMultiLabel)
            throw new VertebraException($"{data.Identity}: probes tell classes apart that exclude each other; use images of one class each");
        Console.WriteLine(data.Identity);
        var loader = new BatchLoader(data, new(loaded.Preprocessing), LoaderOptions.ForEvaluation(batch) with { CacheBytes = 0, Warn = message => Console.Error.WriteLine($"vertebra: {message}") });
        var progress = ProgressLines.Begin();
        return FeatureSet.Of(loaded.Network, loader, (done, total) => progress(done, total, "features, batch"), stop);
    }

    private static int Print(string method, FeatureSet known, EvaluationResult result)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{method}: {known.Dimensions} features of {known.Count} images\n * Acc@1 {result.Top1:0.000} ({100 - result.Top1:0.000}) Acc@5 {result.Top5:0.000} ({100 - result.Top5:0.000})  on {result.Count} images"));
        return Host.Success;
    }
}
