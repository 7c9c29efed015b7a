using System.CommandLine;
using System.Globalization;
using Vertebra.Kernels;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Distillation;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra reinforce</c>: teachers answer once, students learn from the file as often as they like.</summary>
internal static class ReinforceVerb
{
    private static readonly string[] Shared = ["dataset", "data-dir", "val-split", "batch-size", "workers", "offline", "teacher", "seed", "threads"];

    public static Command Create()
    {
        var flags = TrainingOption.All.Where(o => o.Group == "Images" || Shared.Contains(o.Name)).ToDictionary(o => o, TrainVerb.FlagOf);
        var views = new Option<int>("--views") { Description = "views of each image", DefaultValueFactory = _ => new ReinforceSettings().Views };
        var kept = new Option<int>("--topk") { Description = "probabilities kept of each answer, the largest ones", DefaultValueFactory = _ => new ReinforceSettings().Kept };
        var output = new Option<string?>("--output", "-o") { Description = "the file to write (default: the data's name and .reinforced)" };
        var command = new Command("reinforce",
            """
            Store what teachers say about several views of every training image, once, for any student:
              vertebra reinforce --teacher runs/a,runs/b --data-dir data.vpk --views 8 -o data.vpk.reinforced
              vertebra train --model resnet18 --data-dir data.vpk --reinforced data.vpk.reinforced
            Image flags say how the views are made; training from the file makes the same ones.
            """) { views, kept, output };
        foreach (var flag in flags.Values)
            command.Options.Add(flag);
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            var settings = new ReinforceSettings { Views = parsed.GetValue(views), Kept = parsed.GetValue(kept) };
            return Run(TrainVerb.OptionsOf(parsed, flags, config: null), settings, parsed.GetValue(output), stop);
        }));
        return command;
    }

    private static int Run(TrainingOptions options, ReinforceSettings settings, string? output, CancellationToken stop)
    {
        if (options.Threads is { } threads)
            Workers.Count = threads;
        var directory = options.DataDir ?? throw new VertebraException("--data-dir is missing: the data set whose images are shown to the teachers");
        var path = output ?? Path.TrimEndingDirectorySeparator(directory) + ".reinforced";
        var file = Reinforcer.Run(path, options, settings, message => Console.Error.WriteLine($"vertebra: {message}"), ProgressLines.Begin(), stop);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{file.Identity}; {new FileInfo(path).Length / 1e6:0.0} MB"));
        return Host.Success;
    }
}
