using System.CommandLine;
using System.Diagnostics;
using Vertebra.Lab.Data;
using Vertebra.Lab.Studies;
using Vertebra.Lab.Training;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra study depth-transfer</c>: whether learning rates carry over from shallow networks to deep ones.</summary>
internal static class DepthTransferStudyVerb
{
    public static Command Create()
    {
        var usual = new DepthTransferSettings();
        var dataset = new Option<string>("--dataset") { Description = $"one of {string.Join(", ", DatasetFactory.Names)}", DefaultValueFactory = _ => "shapes" };
        var directory = new Option<string?>("--data-dir") { Description = "folder of the data set, or a .vpk file" };
        var depths = new Option<int[]>("--depths") { Description = "numbers of blocks", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [.. usual.Depths] };
        var rates = new Option<int[]>("--rates") { Description = "first and last learning rate, as powers of two", Arity = new(2, 2), AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [usual.RateExponents.First, usual.RateExponents.Last] };
        var width = new Option<int>("--width") { Description = "channels of the networks", DefaultValueFactory = _ => usual.Width };
        var updates = new Option<int>("--updates") { Description = "length of each training", DefaultValueFactory = _ => usual.Updates };
        var batch = new Option<int>("--batch-size", "-b") { Description = "images of an update", DefaultValueFactory = _ => usual.BatchSize };
        var size = new Option<int>("--img-size") { Description = "side to which images are brought", DefaultValueFactory = _ => usual.ImgSize };
        var optimizer = new Option<string>("--opt") { Description = "the optimiser", DefaultValueFactory = _ => usual.Optimizer };
        var seed = new Option<long>("--seed") { Description = "seed of weights and order", DefaultValueFactory = _ => usual.Seed };
        var output = new Option<string>("--output") { Description = "folder of the run folders", DefaultValueFactory = _ => "runs" };
        var command = new Command("depth-transfer",
            "Train residual networks of several depths at a row of learning rates, with plain branches and with depth-muP: does the best rate stay?")
        {
            dataset, directory, depths, rates, width, updates, batch, size, optimizer, seed, output,
        };
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            var range = parsed.GetRequiredValue(rates);
            var settings = usual with
            {
                Depths = parsed.GetRequiredValue(depths), RateExponents = (range[0], range[^1]), Width = parsed.GetValue(width), Updates = parsed.GetValue(updates),
                BatchSize = parsed.GetValue(batch), ImgSize = parsed.GetValue(size), Optimizer = parsed.GetRequiredValue(optimizer), Seed = parsed.GetValue(seed),
            };
            settings.Validate();
            var name = parsed.GetRequiredValue(dataset);
            var from = parsed.GetValue(directory) ?? (name == "shapes" ? "data" : throw new VertebraException($"--dataset {name} needs --data-dir, the place of its files"));
            return Run(DatasetFactory.Open(name, from, DatasetSplit.Train, new() { Cancellation = stop }), settings, parsed.GetRequiredValue(output), stop);
        }));
        return command;
    }

    private static int Run(IImageDataset data, DepthTransferSettings settings, string output, CancellationToken stop)
    {
        Console.WriteLine(data.Identity);
        var (progress, clock) = (ProgressLines.Begin(), Stopwatch.StartNew());
        var study = DepthTransfer.Run(data, settings, (done, total) => progress(done, total, "networks, one"), stop);
        var folder = RunFolder.Create(output, $"{DateTime.Now:yyyyMMdd-HHmmss}-depth-transfer").Path;
        var (csv, page) = (Path.Combine(folder, "depth_transfer.csv"), Path.Combine(folder, "depth_transfer.html"));
        AtomicFile.WriteText(csv, study.ToCsv());
        AtomicFile.WriteText(page, study.ToHtml(data.Identity));
        TextTable.Print([.. DepthTransfer.Heading], study.Table, texts: 1);
        Console.WriteLine($"{study.Runs.Count} networks in {LineProgress.Time(clock.Elapsed)}\n{csv}\n{page}");
        return Host.Success;
    }
}
