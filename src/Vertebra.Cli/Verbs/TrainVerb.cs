using System.CommandLine;
using System.Globalization;
using Vertebra.Communication;
using Vertebra.Kernels;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Distributed;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra train</c>: a folder of labelled images in, a trained and checked network out.</summary>
internal static class TrainVerb
{
    public static Command Create() => Create("train",
        """
        Train a network. Without --dataset it learns generated shapes, so that a first run needs no data:
          vertebra train --model resnet20_cifar --epochs 5
        On your own images, one sub-folder per class, below train/ and val/ or with --val-split:
          vertebra train --model resnet50 --dataset folder --data-dir DIR --val-split 0.1
        By a published recipe, with less to do:
          vertebra train --model resnet50 --recipe rsb-a3 --batch-size 64 --dataset folder --data-dir DIR
        Ctrl-C stops at the next update and saves; --resume RUN goes on with the same bits.
        In several processes, on one machine or many, with a batch of --batch-size each:
          mpirun -np 2 vertebra train ...
        """, FlagOf, _ => { });

    /// <summary>A verb that trains.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">Its help.</param>
    /// <param name="flagOf">The flag of an option.</param>
    /// <param name="check">Refuses options that the verb does not take.</param>
    internal static Command Create(string name, string description, Func<TrainingOption, Option> flagOf, Action<TrainingOptions> check)
    {
        var flags = TrainingOption.All.ToDictionary(o => o, flagOf);
        var resume = new Option<string?>("--resume") { Description = "go on with the run in this folder; its own options hold" };
        var config = new Option<string?>("--config", "-c") { Description = "read options from this YAML file (a run's args.yaml); flags override it" };
        var show = new Option<bool>("--show-recipe") { Description = "print what differs from the defaults, recipe, file and flags together, and stop; it can be a recipe itself" };
        var command = new Command(name, description) { resume, config, show };
        foreach (var flag in flags.Values)
            command.Options.Add(flag);
        command.SetAction(parsed => Host.Interruptible(stop => Run(parsed, flags, parsed.GetValue(resume), parsed.GetValue(config), parsed.GetValue(show), check, stop)));
        return command;
    }

    /// <summary>Options from a recipe, a file and flags, each over the one before.</summary>
    internal static TrainingOptions OptionsOf(ParseResult parsed, IReadOnlyDictionary<TrainingOption, Option> flags, string? config)
    {
        var options = new TrainingOptions();
        var given = flags.Where(f => parsed.GetResult(f.Value) is { Implicit: false }).ToDictionary(f => f.Key, f => parsed.GetResult(f.Value)!.Tokens.Select(t => t.Value).ToArray());
        if (given.FirstOrDefault(g => g.Key.Name == "recipe").Value is [var recipe])
            Recipes.Apply(recipe, options);
        if (config is not null)
            ArgsFile.ReadFile(config, options);
        foreach (var (option, values) in given)
            option.Set(options, values);
        return options;
    }

    // Values stay text here: the option's own parser knows the kinds and names the flag in its errors.
    internal static Option FlagOf(TrainingOption option)
    {
        var flag = option.Kind switch
        {
            OptionKind.Flag => new Option<string>($"--{option.Name}") { Arity = ArgumentArity.ZeroOrOne, HelpName = "true|false" },
            OptionKind.Numbers => new Option<string[]>($"--{option.Name}") { Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true, HelpName = "N..." },
            OptionKind.Texts => new Option<string[]>($"--{option.Name}") { Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true, HelpName = "TEXT..." },
            // Its value may be left out.
            _ when option.Name == "freeze-body" => new Option<string>($"--{option.Name}") { Arity = ArgumentArity.ZeroOrOne, HelpName = "N" },
            _ => (Option)new Option<string>($"--{option.Name}") { HelpName = option.Kind == OptionKind.Text ? "TEXT" : "N" },
        };
        flag.Description = Description(option);
        if (option.Name is "batch-size" or "workers")
            flag.Aliases.Add(option.Name == "workers" ? "-j" : "-b");
        return flag;
    }

    private static string Description(TrainingOption option)
    {
        var value = option.Get(new TrainingOptions());
        return value is null || option.Description.Contains("(default", StringComparison.Ordinal) ? option.Description : $"{option.Description} (default: {string.Join(' ', value)})";
    }

    private static int Run(ParseResult parsed, Dictionary<TrainingOption, Option> flags, string? resume, string? config, bool shows, Action<TrainingOptions> check, CancellationToken stop)
    {
        var isGiven = flags.Any(f => f.Key.Name is not ("threads" or "log-interval") && parsed.GetResult(f.Value) is { Implicit: false });
        if (resume is not null && (isGiven || config is not null || shows))
            throw new VertebraException("--resume takes the run's own options; only --threads and --log-interval may be given with it");
        var options = OptionsOf(parsed, flags, config);
        if (resume is null)
            check(options);
        if (shows)
        {
            options.Validate();
            Console.Write(ArgsFile.Write(options, new TrainingOptions()));
            return Host.Success;
        }
        // What fails from here on ends without taking leave, and the launcher then ends the other processes.
        var processes = MpiProcessGroup.FromLauncher();
        Workers.Count = options.Threads ?? (processes is null ? Workers.Count : ProcessOrder.Threads(processes));
        var note = (string message) => Console.Error.WriteLine($"vertebra: {message}");
        var run = resume is null ? TrainingRun.Start(options, note, Preparation, stop, processes) : TrainingRun.Resume(resume, note, stop, processes);
        var isFirst = processes is null or { Rank: 0 };
        if (isFirst)
            PrintHeader(run, processes);
        var result = run.Run(new LineProgress(Console.Out, options.LogInterval, run.Options.EvalMetric), stop);
        var code = isFirst ? Finish(run, result) : Host.Success;
        processes?.Finish();
        return code;
    }

    private static void PrintHeader(TrainingRun run, IProcessGroup? processes)
    {
        if (processes is not null)
            Console.WriteLine($"{processes.Count} processes, {run.Options.BatchSize * (long)processes.Count} images a batch");
        Console.WriteLine(run.TrainingData.Identity);
        Console.WriteLine(run.ValidationData.Identity);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{run.Options.Model}: {run.Network.ParameterCount / 1e6:0.00} M parameters, {run.Macs / 1e9:0.000} GMACs at {run.Preprocessing.Height}x{run.Preprocessing.Width}, {run.Network.NumClasses} classes, {Workers.Count} threads ({Simd.Level})"));
        Console.WriteLine($"Writing to {Relative(run.Folder.Path)}");
    }

    private static int Finish(TrainingRun run, TrainingResult result)
    {
        var folder = Relative(run.Folder.Path);
        RunReport.Write(run, result, folder);
        if (!result.IsComplete)
        {
            Console.WriteLine($"Stopped; everything is saved. Go on with:\n  vertebra train --resume {folder}");
            return Host.Interrupted;
        }
        if (run.BrokenTrainingImages + run.BrokenValidationImages > 0)
            Console.WriteLine($"Skipped as unreadable: {run.BrokenTrainingImages} training and {run.BrokenValidationImages} validation images.");
        var best = result.Best is { } b ? string.Create(CultureInfo.InvariantCulture, $" {run.Options.EvalMetric} {(run.Options.EvalMetric == "loss" ? -b.Metric : b.Metric):0.00} in epoch {b.Epoch}") : " unknown";
        Console.WriteLine(
            $"""
            Done in {LineProgress.Time(result.Elapsed)}. Best{best}.
              report   {Path.Combine(folder, "report.html")}
              weights  {Path.Combine(folder, "model_best.safetensors")}
            Next:
              vertebra predict {folder} IMAGE
              vertebra export {folder} -o {run.Options.Model}.onnx
            """);
        return Host.Success;
    }

    private static void Preparation(long done, long total, string what)
    {
        if (done == total || done % Math.Max(1, total / 10) == 0)
            Console.Error.WriteLine($"{what}: {done} of {total}");
    }

    private static string Relative(string path)
    {
        var relative = Path.GetRelativePath(Environment.CurrentDirectory, path);
        return relative.StartsWith("..", StringComparison.Ordinal) ? path : relative;
    }
}
