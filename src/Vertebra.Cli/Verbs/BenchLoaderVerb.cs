using System.CommandLine;
using System.Globalization;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra bench-loader DIR</c>: how fast images become batches.</summary>
internal static class BenchLoaderVerb
{
    public static Command Create()
    {
        var directory = new Argument<string>("dir") { Description = "folder of images, one folder a class, or a .vpk file" };
        var mode = new Option<string>("--mode") { Description = "train: shuffled, random-resized-crop and flip; eval: in order, resize and centre crop", DefaultValueFactory = _ => "train" };
        mode.AcceptOnlyFromAmong("train", "eval");
        var batch = new Option<int>("--batch-size", "-b") { Description = "images of one batch", DefaultValueFactory = _ => 64 };
        var threads = new Option<int?>("--threads") { Description = "threads that make batches (default: all processors)" };
        var size = new Option<int>("--img-size") { Description = "side of the network's input", DefaultValueFactory = _ => 224 };
        var cropPct = new Option<double>("--crop-pct") { Description = "share of the resized image's side that the centre crop keeps", DefaultValueFactory = _ => 0.875 };
        var interpolation = new Option<ResampleFilter>("--interpolation") { Description = "filter that resizes", DefaultValueFactory = _ => ResampleFilter.Bilinear };
        var epochs = new Option<int>("--epochs") { Description = "timed epochs, after one that warms up", DefaultValueFactory = _ => 3 };
        var cache = new Option<int>("--cache-mb") { Description = "memory for decoded images that are kept between epochs; 0 decodes each file each time", DefaultValueFactory = _ => 0 };
        var policy = new Option<string?>("--aa") { Description = "augmentation policy in train mode, as in train" };
        var json = new Option<bool>("--json") { Description = "print one JSON line" };
        var command = new Command("bench-loader",
            "Time the data loader on a folder or pack of images: reading, decoding, cropping, resizing, normalising, batching. Median of the epochs.")
        { directory, mode, batch, threads, size, cropPct, interpolation, epochs, cache, policy, json };
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            var form = new Preprocessing { CropPct = parsed.GetValue(cropPct), Interpolation = parsed.GetValue(interpolation) }.WithSize(parsed.GetValue(size));
            var isTraining = parsed.GetRequiredValue(mode) == "train";
            var used = RequireRange("--threads", parsed.GetValue(threads) ?? Environment.ProcessorCount, 1, 1024);
            var data = DatasetFactory.Open("folder", parsed.GetRequiredValue(directory), DatasetSplit.Train);
            var options = (isTraining ? LoaderOptions.ForTraining(parsed.GetValue(batch), seed: 42) : LoaderOptions.ForEvaluation(parsed.GetValue(batch))) with
            {
                // The thread that takes the batches makes them too.
                Workers = used - 1,
                CacheBytes = (long)RequireRange("--cache-mb", parsed.GetValue(cache), 0, 1 << 20) << 20,
            };
            var transform = new InputTransform(form.Validate("options"), isTraining ? Augmentation.Photos with { Policy = parsed.GetValue(policy) } : null);
            var speed = LoaderBenchmark.Run(data, transform, options, RequireRange("--epochs", parsed.GetValue(epochs), 1, 1000), stop);
            Print(speed, parsed.GetRequiredValue(mode), used, parsed.GetValue(batch), parsed.GetValue(json));
            return Host.Success;
        }));
        return command;
    }

    private static int RequireRange(string option, int value, int least, int most) => value >= least && value <= most ? value
        : throw new VertebraException($"{option} is {value}; it must be {least} to {most}");

    private static void Print(LoaderSpeed speed, string mode, int threads, int batch, bool json)
    {
        var stages = speed.MillisecondsByStage;
        if (json)
        {
            var parts = string.Join(", ", stages.Select(s => string.Create(CultureInfo.InvariantCulture, $"\"{s.Key.ToString().ToLowerInvariant()}_ms\": {s.Value:0.####}")));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $$"""{"loader": "vertebra", "mode": "{{mode}}", "threads": {{threads}}, "batch": {{batch}}, "images": {{speed.Images}}, "images_per_second": {{speed.ImagesPerSecond:0.0}}, "best_images_per_second": {{speed.Rates.Max():0.0}}, "mb_per_second": {{speed.MegabytesPerSecond:0.0}}, {{parts}}, "allocated_bytes_per_image": {{speed.AllocatedPerImage:0}}}"""));
            return;
        }
        var total = stages.Values.Sum();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{mode}, {threads} threads, batches of {batch}: median {speed.ImagesPerSecond:0} images/s, best {speed.Rates.Max():0}, {speed.MegabytesPerSecond:0.0} MB/s of files ({speed.BytesPerImage / 1024:0.0} KiB an image)"));
        Console.WriteLine("one image on one thread: " + string.Join(", ", stages.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Key.ToString().ToLowerInvariant()} {s.Value:0.000} ms ({100 * s.Value / total:0} %)")))
            + string.Create(CultureInfo.InvariantCulture, $"; {speed.AllocatedPerImage / 1024:0.0} KiB of managed memory taken"));
    }
}
