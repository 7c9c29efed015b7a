using System.CommandLine;
using Vertebra.Kernels;
using Vertebra.Lab.Training;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra lr-find</c>: which learning rates a network learns at.</summary>
internal static class LearningRateVerb
{
    public static Command Create()
    {
        var flags = TrainingOption.All.ToDictionary(o => o, TrainVerb.FlagOf);
        var from = new Option<double>("--start-lr") { Description = "first learning rate", DefaultValueFactory = _ => 1e-7 };
        var to = new Option<double>("--end-lr") { Description = "last learning rate", DefaultValueFactory = _ => 10 };
        var updates = new Option<int>("--num-it") { Description = "updates from the first rate to the last", DefaultValueFactory = _ => 100 };
        var config = new Option<string?>("--config", "-c") { Description = "read options from this YAML file (a run's args.yaml); flags override it" };
        var command = new Command("lr-find",
            """
            Find the learning rate: train while it grows from 1e-7 to 10, and see where the loss falls. Flags are those of train:
              vertebra lr-find --model resnet20_cifar --dataset cifar10 --data-dir DIR --opt sgd
            """) { from, to, updates, config };
        foreach (var flag in flags.Values)
            command.Options.Add(flag);
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            return Run(TrainVerb.OptionsOf(parsed, flags, parsed.GetValue(config)), new(parsed.GetValue(from), parsed.GetValue(to), parsed.GetValue(updates)), stop);
        }));
        return command;
    }

    private static int Run(TrainingOptions options, RangeTestSettings settings, CancellationToken stop)
    {
        settings.Validate();
        if (options.Threads is { } threads)
            Workers.Count = threads;
        options.Experiment ??= $"{DateTime.Now:yyyyMMdd-HHmmss}-{options.Model}-lr-find";
        var run = TrainingRun.Start(options, message => Console.Error.WriteLine($"vertebra: {message}"), cancellation: stop);
        Console.WriteLine(run.TrainingData.Identity);
        var test = run.TestRates(settings, new LineProgress(Console.Out, options.LogInterval, run.Options.EvalMetric), stop);
        var (csv, page) = (Path.Combine(run.Folder.Path, "lr_find.csv"), Path.Combine(run.Folder.Path, "lr_find.html"));
        AtomicFile.WriteText(csv, test.ToCsv());
        AtomicFile.WriteText(page, test.ToHtml($"Learning rates of {run.Options.Model} with {run.Options.Opt}"));
        Console.WriteLine(
            $"""
            {test.Outcome}
            Suggestions for --lr at a batch of {run.Options.BatchSize * run.Options.GradAccumSteps}:
              steepest descent    {RangeTest.Text(test.Steepest)}
              least loss over 10  {RangeTest.Text(test.MinimumOverTen)}
            {csv}
            {page}
            """);
        return stop.IsCancellationRequested ? Host.Interrupted : Host.Success;
    }
}
