namespace Vertebra.Lab.Training;

/// <summary>What a run's folder tells of it, for looking at it; the run may be going on.</summary>
/// <param name="Name">What reports call it.</param>
/// <param name="Options">The options it was told.</param>
/// <param name="Rows">The finished epochs, at least one.</param>
public sealed record RunRecord(string Name, TrainingOptions Options, IReadOnlyList<EpochRow> Rows)
{
    /// <summary>The evaluated epochs with the scores that decide what is best: those of the weight average where there is one.</summary>
    public IEnumerable<(EpochRow Row, Scores Scores)> Evaluated => Rows.Where(r => (r.Ema ?? r.Eval) is not null).Select(r => (r, (r.Ema ?? r.Eval)!.Value));

    /// <summary>The first of the best epochs by the run's own <c>--eval-metric</c>; null when none was evaluated.</summary>
    public (EpochRow Row, Scores Scores)? Best => Evaluated.Select(e => ((EpochRow, Scores)?)e).MaxBy(e => e!.Value.Item2.Metric(Options.EvalMetric));

    /// <summary>The last evaluated epoch; null when there is none.</summary>
    public (EpochRow Row, Scores Scores)? Last => Evaluated.Select(e => ((EpochRow, Scores)?)e).LastOrDefault();

    /// <summary>Time spent training, evaluations not included.</summary>
    public double Seconds => Rows.Sum(r => r.Seconds);

    /// <summary>Share of it that waited for images, in percent.</summary>
    public double WaitingPercent => 100 * Rows.Sum(r => r.DataSeconds) / Math.Max(1e-9, Seconds);

    /// <summary>Median of the epochs' throughputs.</summary>
    public double ImagesPerSecond => Rows.Select(r => r.ImagesPerSecond).Order().ElementAt(Rows.Count / 2);

    /// <summary>Reads <c>args.yaml</c> and <c>summary.csv</c> of a run.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="FileFormatException">A file is not what a run writes.</exception>
    /// <exception cref="VertebraException">The folder is none of a run, or no epoch is finished.</exception>
    public static RunRecord Load(string path)
    {
        var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        var (args, summary) = (Path.Combine(folder, "args.yaml"), Path.Combine(folder, "summary.csv"));
        if (!File.Exists(args))
            throw new VertebraException($"{path}: not the folder of a run, which has an args.yaml");
        var options = new TrainingOptions();
        ArgsFile.ReadFile(args, options);
        if (!File.Exists(summary))
            throw new VertebraException($"{path}: no epoch of the run is finished yet, so there is nothing to compare");
        var rows = RunSummary.Read(File.ReadAllText(summary), summary);
        return rows.Count > 0 ? new(Path.GetFileName(folder), options, rows)
            : throw new VertebraException($"{path}: no epoch of the run is finished yet, so there is nothing to compare");
    }
}
