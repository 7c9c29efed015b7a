using System.Globalization;
using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>
/// How far a run has come. Together with weights, weight average and optimiser state it is all that resuming needs: rates,
/// order, crops and dropout follow from seed and step. Saved in one file, so that it is one moment's state or another's.
/// </summary>
internal sealed class TrainingState
{
    private const string Format = "vertebra-training-state/1";

    /// <summary>Epoch in progress; the number of epochs when all are done.</summary>
    public int Epoch { get; set; }

    /// <summary>Batch of that epoch to take next; all of them when only its evaluation is left.</summary>
    public int NextBatch { get; set; }

    /// <summary>Updates of the weights so far.</summary>
    public long Updates { get; set; }

    /// <summary>Batches of an epoch: a run cannot go on with another number.</summary>
    public int BatchesPerEpoch { get; set; }

    /// <summary>Sum of the losses of the epoch's images so far.</summary>
    public double LossSum { get; set; }

    /// <summary>Images of the epoch so far whose class was predicted.</summary>
    public long Correct { get; set; }

    /// <summary>Images of the epoch so far.</summary>
    public long Images { get; set; }

    /// <summary>Time spent training the epoch so far.</summary>
    public double EpochSeconds { get; set; }

    /// <summary>How much of that was waiting for images.</summary>
    public double DataSeconds { get; set; }

    /// <summary>Time spent on the run so far, by all processes that worked on it.</summary>
    public double TotalSeconds { get; set; }

    public BestEpoch? Best { get; set; }

    /// <summary>The finished epochs.</summary>
    public List<EpochRow> Rows { get; private set; } = [];

    /// <summary>Writes everything, atomically.</summary>
    public void Save(string path, Module network, Module? companion, ModelEma? ema, StochasticWeightAverage? swa, Optimizer optimizer)
    {
        var tensors = network.State().Select(e => ($"model/{e.Name}", e.Tensor))
            .Concat(optimizer.State().Select(e => ($"optimizer/{e.Name}", e.Tensor)))
            .Concat(companion?.State().Select(e => ($"companion/{e.Name}", e.Tensor)) ?? [])
            .Concat(ema?.State().Select(e => ($"ema/{e.Name}", e.Tensor)) ?? [])
            .Concat(swa?.State().Select(e => ($"swa/{e.Name}", e.Tensor)) ?? []);
        Safetensors.Write(path, tensors, new Dictionary<string, string>
        {
            ["format"] = Format,
            ["epoch"] = Text(Epoch),
            ["next_batch"] = Text(NextBatch),
            ["updates"] = Text(Updates),
            ["batches_per_epoch"] = Text(BatchesPerEpoch),
            ["swa_count"] = Text(swa?.Count ?? 0),
            ["loss_sum"] = Text(LossSum),
            ["correct"] = Text(Correct),
            ["images"] = Text(Images),
            ["epoch_seconds"] = Text(EpochSeconds),
            ["data_seconds"] = Text(DataSeconds),
            ["total_seconds"] = Text(TotalSeconds),
            ["best_epoch"] = Best is { } b ? Text(b.Epoch) : "",
            ["best_metric"] = Best is { } m ? Text(m.Metric) : "",
            ["summary"] = RunSummary.Write(Rows),
        });
    }

    /// <summary>Reads a state into a network, what is learned beside it, its averages and its optimiser.</summary>
    /// <exception cref="FileFormatException">The file is no training state.</exception>
    /// <exception cref="VertebraException">It belongs to another network, optimiser or weight average.</exception>
    public static TrainingState Load(string path, Module network, Module? companion, ModelEma? ema, StochasticWeightAverage? swa, Optimizer optimizer)
    {
        var file = Safetensors.Read(path);
        if (file.Metadata.GetValueOrDefault("format") != Format)
            throw new FileFormatException($"{path}: not a training state of this version ({Format} is expected)");
        string Field(string key) => file.Metadata.GetValueOrDefault(key) ?? throw new FileFormatException($"{path}: the training state lacks '{key}'");
        long Whole(string key) => long.TryParse(Field(key), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : throw Bad(key);
        int Small(string key) => Whole(key) is <= int.MaxValue and var value ? (int)value : throw Bad(key);
        double Number(string key) => double.TryParse(Field(key), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : throw Bad(key);
        FileFormatException Bad(string key) => new($"{path}: '{Field(key)}' is no value of '{key}'");
        var state = new TrainingState
        {
            Epoch = Small("epoch"),
            NextBatch = Small("next_batch"),
            Updates = Whole("updates"),
            BatchesPerEpoch = Small("batches_per_epoch"),
            LossSum = Number("loss_sum"),
            Correct = Whole("correct"),
            Images = Whole("images"),
            EpochSeconds = Number("epoch_seconds"),
            DataSeconds = Number("data_seconds"),
            TotalSeconds = Number("total_seconds"),
            Best = Field("best_epoch").Length == 0 ? null : new(Small("best_epoch"), Number("best_metric")),
            Rows = RunSummary.Read(Field("summary"), path),
        };
        CheckAverage(file, path, "ema/", ema, "--model-ema");
        CheckAverage(file, path, "swa/", swa, "--swa");
        optimizer.Load(Part(file, "optimizer/"), state.Updates);
        ema?.Load(Part(file, "ema/"));
        swa?.Load(Part(file, "swa/"));
        if (swa is not null)
            swa.Count = Whole("swa_count");
        companion?.Load(Part(file, "companion/"), path);
        network.Load(Part(file, "model/"), path);
        return state;
    }

    private static void CheckAverage(TensorFile file, string path, string prefix, WeightAverage? average, string flag)
    {
        if (average is not null != file.Tensors.Keys.Any(k => k.StartsWith(prefix, StringComparison.Ordinal)))
            throw new VertebraException($"{path} was saved {(average is null ? "with" : "without")} a weight average; give {flag} as the run had it");
    }

    private static Dictionary<string, Tensor> Part(TensorFile file, string prefix) =>
        file.Tensors.Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(t => t.Key[prefix.Length..], t => t.Value, StringComparer.Ordinal);

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
