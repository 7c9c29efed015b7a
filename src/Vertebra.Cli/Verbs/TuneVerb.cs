using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Vertebra.Graphs;
using Vertebra.Graphs.Profiling;
using Vertebra.Kernels;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra tune MODEL</c>: measures the choices that kernels would estimate, and keeps what is fastest on this machine.</summary>
internal static class TuneVerb
{
    private static readonly TimeSpan Saving = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var models = new Argument<string[]>("model") { Description = "names of networks", Arity = ArgumentArity.ZeroOrMore };
        var all = new Option<bool>("--all-shapes") { Description = "every network of the registry; takes long, and goes on where it was stopped" };
        var batches = new Option<int[]>("--batch", "-b") { Description = "images of one step; several may be given", DefaultValueFactory = _ => [1, 8], AllowMultipleArgumentsPerToken = true };
        var mode = new Option<string>("--mode") { Description = "infer: choices of compiled graphs; train: those of training steps", DefaultValueFactory = _ => "both" };
        mode.AcceptOnlyFromAmong("infer", "train", "both");
        var size = new Option<int?>("--img-size") { Description = "side of the image (default: the network's)" };
        var threads = new Option<int?>("--threads") { Description = "threads to measure with (default: all processors); what is chosen holds for any number" };
        var again = new Option<bool>("--again") { Description = "measure also what was measured before" };
        var json = new Option<bool>("--json") { Description = "print the choices as one JSON document" };
        var command = new Command("tune",
            "Measure on this machine which kernels are fastest for the convolutions of a network, and keep that: compiled graphs and training use it from then on, instead of estimates. VERTEBRA_TUNE=off leaves it unused.")
        { models, all, batches, mode, size, threads, again, json };
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            var names = parsed.GetValue(models) ?? [];
            if (parsed.GetValue(all) == names.Length > 0)
                throw new VertebraException("name the networks to tune for, or give --all-shapes alone");
            var count = parsed.GetValue(threads) ?? Environment.ProcessorCount;
            if (count is < 1 or > 1024)
                throw new VertebraException($"--threads is {count}; it must be 1 to 1024");
            foreach (var batch in parsed.GetValue(batches)!.Where(b => b is < 1 or > 256))
                throw new VertebraException($"--batch is {batch}; it must be 1 to 256");
            Workers.Count = count;
            var problems = Problems(parsed.GetValue(all) ? [.. Models.List().Select(m => m.Name)] : names, parsed.GetValue(batches)!, parsed.GetValue(size), parsed.GetValue(mode)!, stop);
            return Run(problems, parsed.GetValue(again), parsed.GetValue(json), stop);
        }));
        return command;
    }

    private static List<TuningProblem> Problems(string[] names, int[] batches, int? size, string mode, CancellationToken stop)
    {
        var problems = new Dictionary<string, TuningProblem>();
        using var meta = Construction.Meta();
        foreach (var name in names)
        {
            stop.ThrowIfCancellationRequested();
            var input = Models.Find(name).Config.InputSize;
            var network = Models.Create(name);
            foreach (var batch in batches)
            {
                var graph = Graph.Trace(network, [batch, size ?? input.Height, size ?? input.Width, input.Channels]);
                foreach (var problem in KernelTuner.ProblemsOf(graph, mode != "train", mode != "infer"))
                    problems.TryAdd(problem.Text, problem);
            }
        }
        return [.. problems.Values];
    }

    private static int Run(List<TuningProblem> problems, bool again, bool json, CancellationToken stop)
    {
        if (!Tuning.IsOn)
            Console.Error.WriteLine("vertebra: note: VERTEBRA_TUNE is off: choices are measured and kept, but not used");
        var known = again ? new Dictionary<string, TunedChoice>() : Tuning.ReadOrWarn(Tuning.FilePath);
        var open = problems.Where(p => !known.ContainsKey(p.Text)).ToList();
        var (found, unsaved, clock) = (new List<TunedChoice>(), new List<TunedChoice>(), Stopwatch.StartNew());
        try
        {
            foreach (var problem in open)
            {
                stop.ThrowIfCancellationRequested();
                var choice = problem.Measure();
                found.Add(choice);
                unsaved.Add(choice);
                if (!json)
                    Console.WriteLine(Line(problem, choice, $"{found.Count}/{open.Count}"));
                if (clock.Elapsed < Saving)
                    continue;
                Save(unsaved);
                clock.Restart();
            }
        }
        finally
        {
            Save(unsaved);
        }
        var changed = found.Zip(open).Count(f => f.First.Choice != f.Second.Estimated);
        if (json)
            PrintJson(problems.Count, found, changed);
        else
            Console.WriteLine($"{problems.Count} choices, {found.Count} measured now with {Workers.Count} threads, of which {changed} differ from the estimate; kept in {Tuning.FilePath}");
        return Host.Success;
    }

    private static void Save(List<TunedChoice> choices)
    {
        if (choices.Count > 0)
            Tuning.Keep(choices);
        choices.Clear();
    }

    private static string Line(TuningProblem problem, TunedChoice choice, string progress)
    {
        var times = string.Join(", ", choice.Milliseconds.Select(t => string.Create(CultureInfo.InvariantCulture, $"{t.Key} {t.Value:0.000}")));
        var estimate = choice.Choice == problem.Estimated ? "" : $", not {problem.Estimated} as estimated";
        return $"[{progress}] {problem.Text}: {choice.Choice}{estimate} ({times} ms)";
    }

    private static void PrintJson(int all, List<TunedChoice> found, int changed) => JsonOutput.Print(indented: true, json =>
    {
        json.WriteString("file", Tuning.FilePath);
        json.WriteNumber("problems", all);
        json.WriteNumber("changed", changed);
        json.WriteStartArray("measured");
        foreach (var choice in found)
            Tuning.Write(json, choice);
        json.WriteEndArray();
    });
}
