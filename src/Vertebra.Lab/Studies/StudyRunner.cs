using System.Text;
using Vertebra.Lab.Training;

namespace Vertebra.Lab.Studies;

/// <summary>Trains what a <see cref="StudyGrid"/> asks for, in one folder: a run folder for each run, and the study's tables.</summary>
/// <param name="grid">What to train.</param>
/// <param name="folder">Folder of the study.</param>
/// <param name="overrides">Options from elsewhere, over the grid's common ones.</param>
public sealed class StudyRunner(StudyGrid grid, string folder, StudySettings? overrides = null)
{
    // What may be otherwise when a study is gone on with: none of it changes a result.
    private static readonly string[] Free = ["output", "experiment", "threads", "workers", "log-interval", "log-json", "tensorboard", "recovery-interval", "recovery-minutes", "data-dir", "unlabeled", "recipe"];

    /// <summary>Makes the watcher of a run; null for nobody.</summary>
    public Func<TrainingOptions, ITrainingProgress>? Watch { get; init; }

    /// <summary>Told what the user should know.</summary>
    public Action<string> Note { get; init; } = _ => { };

    /// <summary>Told which run comes next: its place from 0, how many there are, the run.</summary>
    public Action<int, int, StudyRun> Next { get; init; } = (_, _, _) => { };

    private const string DivergedMark = " diverged";

    /// <summary>The finished runs, a line each; those that diverged say so.</summary>
    private string ListPath => Path.Combine(folder, "finished.txt");

    /// <summary>
    /// Does the runs that are not finished, and goes on with one that was stopped or killed. The tables are written after each.
    /// </summary>
    /// <returns>False when cancellation was asked for; the same call goes on.</returns>
    /// <exception cref="VertebraException">A run cannot be trained, or the folder holds runs with other options.</exception>
    public bool Run(CancellationToken cancellation)
    {
        var runs = grid.Runs;
        var options = runs.Select(r => grid.OptionsOf(r, folder, overrides)).ToArray();
        var finished = ReadFinished();
        for (var i = 0; i < runs.Count; i++)
            RequireSame(runs[i], options[i]);
        for (var i = 0; i < runs.Count; i++)
        {
            if (finished.Contains(runs[i].Name) || finished.Contains(runs[i].Name + DivergedMark))
                continue;
            Next(i, runs.Count, runs[i]);
            if (!TryTrain(runs[i], options[i], cancellation, out var hasDiverged))
                return false;
            finished.Add(runs[i].Name + (hasDiverged ? DivergedMark : ""));
            AtomicFile.WriteText(ListPath, string.Concat(finished.Select(n => n + "\n")));
            WriteTables(Result());
        }
        WriteTables(Result());
        return true;
    }

    /// <summary>What the finished runs have shown so far.</summary>
    public StudyResult Result()
    {
        var finished = ReadFinished();
        var runs = grid.Runs.Where(r => r.Network is not null).ToArray();
        return new(grid, [.. runs.Where(r => finished.Contains(r.Name)).Select(r => (r, RunRecord.Load(Path.Combine(folder, r.Name))))])
        {
            Diverged = [.. runs.Where(r => finished.Contains(r.Name + DivergedMark))],
        };
    }

    private void WriteTables(StudyResult result)
    {
        AtomicFile.WriteText(Path.Combine(folder, "study.csv"), result.ToCsv());
        AtomicFile.WriteText(Path.Combine(folder, "study.md"), result.ToMarkdown());
        AtomicFile.WriteText(Path.Combine(folder, "study.html"), result.ToHtml());
    }

    private List<string> ReadFinished() => File.Exists(ListPath) ? [.. File.ReadAllLines(ListPath, Encoding.UTF8)] : [];

    // That a way to train diverges is a result; that a teacher does ends the study.
    private bool TryTrain(StudyRun run, TrainingOptions options, CancellationToken cancellation, out bool hasDiverged)
    {
        hasDiverged = false;
        try
        {
            return Train(run, options, cancellation);
        }
        catch (TrainingDivergedException e) when (run.Network is not null)
        {
            Note(e.Message);
            hasDiverged = true;
            return true;
        }
    }

    private bool Train(StudyRun run, TrainingOptions options, CancellationToken cancellation)
    {
        var place = Path.Combine(folder, run.Name);
        var isBegun = File.Exists(Path.Combine(place, "state.safetensors"));
        // What was killed before its first state has nothing to go on from.
        if (!isBegun && Directory.Exists(place))
            Directory.Delete(place, recursive: true);
        var training = isBegun ? TrainingRun.Resume(place, Note, cancellation) : TrainingRun.Start(options, Note, cancellation: cancellation);
        var result = training.Run(Watch?.Invoke(training.Options) ?? NoProgress.Instance, cancellation);
        RunReport.Write(training, result, place);
        return result.IsComplete;
    }

    /// <summary>A run of the same name that was told something else would be counted as what it is not.</summary>
    private void RequireSame(StudyRun run, TrainingOptions options)
    {
        var args = Path.Combine(folder, run.Name, "args.yaml");
        if (!File.Exists(args))
            return;
        var former = new TrainingOptions();
        ArgsFile.ReadFile(args, former);
        var asked = options.WithEffectiveValues();
        foreach (var option in TrainingOption.All.Where(o => !Free.Contains(o.Name)))
        {
            var (was, isNow) = (Text(option.Get(former)), Text(option.Get(asked)));
            if (was != isNow)
                throw new VertebraException($"{Path.Combine(folder, run.Name)} was trained with {option.Key} {was}, and the study now asks for {isNow}: remove that folder, or give the study another one with --output-dir");
        }
    }

    private static string Text(IReadOnlyList<string>? values) => values is null ? "-" : string.Join(' ', values);
}
