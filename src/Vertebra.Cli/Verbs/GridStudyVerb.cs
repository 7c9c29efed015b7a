using System.CommandLine;
using System.Diagnostics;
using Vertebra.Kernels;
using Vertebra.Lab.Studies;
using Vertebra.Lab.Training;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra study grid GRID.yaml</c>: ways to train × networks × seeds.</summary>
internal static class GridStudyVerb
{
    // The grid names these itself.
    private static readonly string[] Own = ["model", "seed", "output", "experiment"];

    public static Command Create()
    {
        var file = new Argument<string>("grid") { Description = "a YAML file: options, variants, networks, seeds, comparisons" };
        var output = new Option<string?>("--output-dir", "-o") { Description = "folder of the study (default: runs/study-NAME)" };
        var flags = Flags(Own);
        var command = new Command("grid",
            """
            Train every variant with every network and every seed, one run after the other, and compare them. Started again, it goes
            on where it was stopped or killed. Other flags are those of train, for all runs; a variant's own values stand above them:
              vertebra study grid bench/studies/recipes.yaml --data-dir DIR
            """) { file, output };
        foreach (var flag in flags.Values)
            command.Options.Add(flag);
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            var path = parsed.GetRequiredValue(file);
            return Run(StudyGridFile.Read(path), parsed.GetValue(output) ?? Path.Combine("runs", $"study-{Path.GetFileNameWithoutExtension(path)}"), SettingsOf(parsed, flags), stop, Print);
        }));
        return command;
    }

    /// <summary>The flags of train, without some.</summary>
    public static IReadOnlyDictionary<TrainingOption, Option> Flags(IReadOnlyCollection<string> without) =>
        TrainingOption.All.Where(o => !without.Contains(o.Name)).ToDictionary(o => o, TrainVerb.FlagOf);

    /// <summary>What the command line says of the runs.</summary>
    public static StudySettings SettingsOf(ParseResult parsed, IReadOnlyDictionary<TrainingOption, Option> flags) =>
        new([.. flags.Where(f => parsed.GetResult(f.Value) is { Implicit: false }).Select(f => (f.Key, (IReadOnlyList<string>)[.. parsed.GetResult(f.Value)!.Tokens.Select(t => t.Value)]))]);

    /// <summary>Trains what is left of a study, and prints what it has shown.</summary>
    public static int Run(StudyGrid grid, string folder, StudySettings overrides, CancellationToken stop, Action<StudyResult> print)
    {
        var given = new TrainingOptions();
        overrides.Apply(given, folder);
        given.Validate();
        if (given.Threads is { } threads)
            Workers.Count = threads;
        var clock = Stopwatch.StartNew();
        var (done, told) = (0, new HashSet<string>());
        var runner = new StudyRunner(grid, Path.GetFullPath(folder), overrides)
        {
            Note = message => Console.Error.Write(told.Add(message) ? $"vertebra: {message}\n" : ""),
            Watch = options => new LineProgress(Console.Out, options.LogInterval, options.EvalMetric),
            Next = (place, count, run) =>
            {
                var left = done == 0 ? "" : $", about {LineProgress.Time(clock.Elapsed * (count - place) / done)} left";
                Console.WriteLine($"\n[{place + 1}/{count}{left}] {run.Name}");
                done++;
            },
        };
        var isComplete = runner.Run(stop);
        print(runner.Result());
        Console.WriteLine($"\n{Path.Combine(folder, "study.html")}");
        if (!isComplete)
            Console.WriteLine("Stopped; everything is saved. The same command goes on.");
        return isComplete ? Host.Success : Host.Interrupted;
    }

    private static void Print(StudyResult result)
    {
        Console.WriteLine();
        TextTable.Print([.. StudyResult.Headings], result.Rows(), texts: 2);
        if (result.Answers() is not { Count: > 0 } answers)
            return;
        Console.WriteLine();
        TextTable.Print([.. StudyResult.AnswerHeadings], answers, texts: 2);
    }
}
