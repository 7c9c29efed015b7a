using System.CommandLine;
using System.Globalization;
using Vertebra.Lab.Data;
using Vertebra.Lab.Studies;
using Vertebra.Lab.Training;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra study opposing RUN</c>: groups of images that pull the weights in opposite directions.</summary>
internal static class OpposingStudyVerb
{
    public static Command Create()
    {
        var network = new NetworkArgument();
        var dataset = new Option<string?>("--dataset") { Description = $"one of {string.Join(", ", DatasetFactory.Names)} (default: the run's)" };
        var directory = new Option<string?>("--data-dir") { Description = "folder of the data set, or a .vpk file (default: the run's)" };
        var share = new Option<double?>("--val-split") { Description = "share of a folder's images that was held back (default: the run's)" };
        var limit = new Option<int>("--images") { Description = "how many training images, as many of each class", DefaultValueFactory = _ => 2000 };
        var rate = new Option<double?>("--lr") { Description = "learning rate of the steps (default: the run's, halved until the loss no longer doubles)" };
        var defaults = new OpposingSettings(1);
        var steps = new Option<int>("--steps") { Description = "steps of gradient descent", DefaultValueFactory = _ => defaults.Steps };
        var outliers = new Option<double>("--share") { Description = "share of the images whose loss rises or falls most, among which groups are looked for", DefaultValueFactory = _ => defaults.Share };
        var pairs = new Option<int>("--pairs") { Description = "most pairs of groups", DefaultValueFactory = _ => defaults.MostPairs };
        var batch = new Option<int>("--batch-size", "-b") { Description = "images of one pass", DefaultValueFactory = _ => defaults.BatchSize };
        var output = new Option<string>("--output", "-o") { Description = "the page to write; a .csv of the groups goes beside it", DefaultValueFactory = _ => "opposing.html" };
        var command = new Command("opposing",
            """
            Find groups of training images with opposing signals: a strong feature in common and different classes, so that a step
            that helps the one harms the other. Takes steps of gradient descent from the weights of a run, and looks at each image:
              vertebra study opposing runs/X -o opposing.html
            """);
        network.AddTo(command);
        foreach (var option in (Option[])[dataset, directory, share, limit, rate, steps, outliers, pairs, batch, output])
            command.Options.Add(option);
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            var loaded = network.Load(parsed);
            var run = OptionsOf(loaded.Source);
            var name = parsed.GetValue(dataset) ?? run?.Dataset ?? throw new VertebraException($"{loaded.Source} is not the folder of a run, so --dataset must say which images");
            var from = parsed.GetValue(directory) ?? run?.DataDir ?? (name == "shapes" ? "data" : throw new VertebraException($"--dataset {name} needs --data-dir, the place of its files"));
            var settings = new OpposingSettings(parsed.GetValue(rate) ?? run?.Lr ?? throw new VertebraException($"{loaded.Source} is not the folder of a run, so --lr must say how long the steps are"))
            {
                Steps = parsed.GetValue(steps), Share = parsed.GetValue(outliers), MostPairs = parsed.GetValue(pairs), BatchSize = parsed.GetValue(batch), Shortens = parsed.GetValue(rate) is null,
            };
            settings.Validate();
            var whole = DatasetFactory.Open(name, from, DatasetSplit.Train, new() { ValidationShare = parsed.GetValue(share) ?? run?.ValSplit, Seed = (ulong)(run?.Seed ?? 42), Cancellation = stop });
            return Run(loaded, SubsetDataset.Balanced(whole, Math.Min(parsed.GetValue(limit), whole.Count), "--images"), settings, parsed.GetRequiredValue(output), stop);
        }));
        return command;
    }

    private static TrainingOptions? OptionsOf(string path)
    {
        var args = Path.Combine(path, "args.yaml");
        if (!File.Exists(args))
            return null;
        var options = new TrainingOptions();
        ArgsFile.ReadFile(args, options);
        return options;
    }

    private static int Run(LoadedNetwork loaded, IImageDataset images, OpposingSettings settings, string output, CancellationToken stop)
    {
        Console.WriteLine(images.Identity);
        if (loaded.Network.NumClasses < images.ClassNames.Count)
            throw new VertebraException($"{loaded.Source} knows {loaded.Network.NumClasses} classes, but there are {images.ClassNames.Count} of {images.Identity}");
        var progress = ProgressLines.Begin();
        var result = new OpposingSignals(loaded.Network, images, new(loaded.Preprocessing), settings) { Progress = (done, total) => progress(done, total, "steps") }.Find(stop);
        var page = new OpposingPage(result, images, $"Opposing signals in {loaded.Network.Description.Architecture}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"learning rate {result.LearningRate:g3}, loss {string.Join(", ", result.Losses.Select(l => l.ToString("0.000", CultureInfo.InvariantCulture)))}; in step {result.Step} an image's changed by {result.MeanChange:0.000} on the average"));
        TextTable.Print([.. OpposingPage.Headings], page.Table(), texts: 4);
        AtomicFile.WriteText(output, page.ToHtml());
        AtomicFile.WriteText(Path.ChangeExtension(output, ".csv"), page.ToCsv());
        Console.WriteLine(output);
        return Host.Success;
    }
}
