using System.CommandLine;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;
using Vertebra.Lab.Training;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra augment IMAGE --aa rand-m9 -o grid.html</c>: what a recipe does to images.</summary>
internal static class AugmentVerb
{
    public static Command Create()
    {
        var files = new Argument<string[]>("image") { Description = "images; without any, some of --dataset", Arity = ArgumentArity.ZeroOrMore };
        var output = new Option<string>("--output", "-o") { Description = "the file to write: .png for a picture, .html for a page that names the operations", Required = true };
        var images = new Option<int>("--images") { Description = "images of a data set", DefaultValueFactory = _ => 4 };
        var samples = new Option<int>("--samples") { Description = "samples of each image", DefaultValueFactory = _ => 8 };
        var flags = TrainingOption.All.Where(o => o.Group == "Images" || o.Name is "dataset" or "data-dir" or "in-chans" or "seed").ToDictionary(o => o, TrainVerb.FlagOf);
        var command = new Command("augment",
            """
            Draw what training makes of images: crops, flips and everything that --aa and its neighbours ask for.
              vertebra augment photo.jpg --aa rand-m9-mstd0.5-inc1 --reprob 0.25 -o grid.html
              vertebra augment --dataset cifar10 --data-dir DIR --aa ta_wide -o grid.png
            """) { files, output, images, samples };
        foreach (var flag in flags.Values)
            command.Options.Add(flag);
        command.SetAction(parsed =>
        {
            var options = new TrainingOptions();
            foreach (var (option, flag) in flags.Where(f => parsed.GetResult(f.Value) is { Implicit: false }))
                option.Set(options, [.. parsed.GetResult(flag)!.Tokens.Select(t => t.Value)]);
            return Run(options, parsed.GetValue(files) ?? [], Require("--images", parsed.GetValue(images)), Require("--samples", parsed.GetValue(samples)), parsed.GetRequiredValue(output));
        });
        return command;
    }

    private static int Run(TrainingOptions options, string[] files, int images, int samples, string output)
    {
        var extension = Path.GetExtension(output).ToLowerInvariant();
        if (extension is not (".png" or ".html" or ".htm"))
            throw new VertebraException($"-o {output} ends in neither .png nor .html");
        // Before data are made or read.
        options.Validate();
        AugmentationGrid grid;
        if (files.Length > 0)
            grid = new([.. files.Select(f => (Path.GetFileName(f), ImageDecoder.Decode(f)))], "folder", Preprocessing.ImageNet, options, samples);
        else
        {
            var data = DatasetFactory.Open(options.Dataset, options.DataDir ?? "data", DatasetSplit.Train);
            var places = Enumerable.Range(0, Math.Min(images, data.Count)).Select(i => (int)((long)i * data.Count / images));
            grid = new([.. places.Select(i => ($"{string.Join(", ", data.LabelsOf(i).Select(l => data.ClassNames[l]))}: {data.NameOf(i)}", data.Load(i)))], data.Kind, data.Preprocessing, options, samples);
        }
        if (extension == ".png")
            PngWriter.Save(output, grid.ToImage());
        else
            AtomicFile.WriteText(output, grid.ToHtml());
        Console.WriteLine($"{output}: {grid.Rows.Count} images, {samples} samples of each behind what evaluation sees");
        return Host.Success;
    }

    private static int Require(string option, int value) => value is >= 1 and <= 100 ? value
        : throw new VertebraException($"{option} is {value}; it must be 1 to 100");
}
