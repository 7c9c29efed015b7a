using System.CommandLine;
using System.Globalization;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Packing;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra pack DIR -o data.vpk</c>: a data set as one file that loads fast.</summary>
internal static class PackVerb
{
    public static Command Create()
    {
        var source = new Argument<string?>("dir") { Description = "folder of the data set; with --verify the pack", Arity = ArgumentArity.ZeroOrOne };
        var dataset = new Option<string>("--dataset") { Description = $"what lies there: one of {string.Join(", ", DatasetFactory.Names)}", DefaultValueFactory = _ => "folder" };
        var directory = new Option<string?>("--data-dir") { Description = "folder of the data set, instead of the argument" };
        var output = new Option<string?>("--output", "-o") { Description = "the pack to write, a name that ends with .vpk" };
        var share = new Option<double?>("--val-split") { Description = "share of a folder's images to hold back for validation, where it has no val/ of its own" };
        var seed = new Option<ulong>("--seed") { Description = "seed of that share", DefaultValueFactory = _ => 42 };
        var side = new Option<int?>("--max-side") { Description = "shrink images whose longer side is longer to this many pixels, and store them raw (default: none)" };
        var raw = new Option<long>("--raw-below") { Description = "store an image raw when its pixels take at most so many bytes, and as the file it is otherwise", DefaultValueFactory = _ => new PackOptions().RawBelow };
        var verify = new Option<bool>("--verify") { Description = "compare the checksums of a pack; write nothing" };
        var command = new Command("pack",
            """
            Pack a data set into one memory-mapped file for train, validate and bench-loader:
              vertebra pack photos -o photos.vpk
              vertebra train --model resnet50 --data-dir photos.vpk
            """) { source, dataset, directory, output, share, seed, side, raw, verify };
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            var name = parsed.GetRequiredValue(dataset);
            var from = parsed.GetValue(source) ?? parsed.GetValue(directory) ?? (name == "shapes" ? "data" : throw new VertebraException("which data set? give its folder, as in 'vertebra pack photos -o photos.vpk'"));
            if (parsed.GetValue(verify))
                return Verify(from, stop);
            if (DatasetFactory.IsPack(from))
                throw new VertebraException($"{from}: is a pack already; give the folder that it was made of");
            var to = parsed.GetValue(output) ?? throw new VertebraException("-o is missing: the pack to write, for instance -o data.vpk");
            if (!DatasetFactory.IsPack(to))
                throw new VertebraException($"-o {to}: a pack's name ends with .vpk");
            var options = new PackOptions { MaxSide = parsed.GetValue(side), RawBelow = parsed.GetValue(raw) };
            options.Validate();
            var given = new DatasetOptions { ValidationShare = parsed.GetValue(share), Seed = parsed.GetValue(seed), Cancellation = stop, Progress = ProgressLines.Begin() };
            return Pack(name, from, to, given, options, stop);
        }));
        return command;
    }

    private static int Pack(string name, string from, string to, DatasetOptions given, PackOptions options, CancellationToken stop)
    {
        var training = DatasetFactory.Open(name, from, DatasetSplit.Train, given);
        var validation = HasValidation(name, from, given) ? DatasetFactory.Open(name, from, DatasetSplit.Validation, given) : null;
        var progress = ProgressLines.Begin();
        var result = Packer.Pack(to, training, validation, options, (done, total) => progress(done, total, "packed"), message => Console.Error.WriteLine($"vertebra: left out: {message}"), stop);
        var count = result.Training + result.Validation;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{to}: {result.Training} training and {result.Validation} validation images, {training.ClassNames.Count} classes; {result.Raw} as pixels, {count - result.Raw} as files; {result.Bytes / 1e6:0.0} MB, {result.Bytes / 1024.0 / count:0.0} KiB an image"));
        if (result.Broken > 0)
            Console.WriteLine($"{result.Broken} images could not be read and are not in it");
        return Host.Success;
    }

    // A folder of classes without a split is packed whole; every other set has its own.
    private static bool HasValidation(string name, string directory, DatasetOptions given) =>
        name != "folder" || given.ValidationShare is not null || FolderDataset.HasValidation(directory);

    private static int Verify(string path, CancellationToken stop)
    {
        var progress = ProgressLines.Begin();
        var check = PackCheck.Run(path, (done, total) => progress(done, total, "checked"), stop);
        Console.WriteLine(check.Identity);
        foreach (var name in check.Damaged)
            Console.WriteLine($"damaged: {name}");
        Console.WriteLine(check.Damaged.Count == 0 ? $"all {check.Records} records are whole" : $"{check.Damaged.Count} of {check.Records} records are damaged; pack the images again");
        return check.Damaged.Count == 0 ? Host.Success : Host.Failure;
    }
}
