using System.Text;
using System.Text.Json;

namespace Vertebra.Lab.Training.Logging;

/// <summary>
/// <c>metrics.jsonl</c>: an object a line, of kind <c>train</c> for a batch and <c>epoch</c> for an epoch, whose names are those of
/// <c>summary.csv</c>. <c>step</c> counts the batches trained so far. A resumed run takes out what will be trained again.
/// </summary>
internal sealed class JsonLinesLog(string path, int batchesPerEpoch) : IMetricLog
{
    public void Begin(LogStart start)
    {
        if (!start.IsResumed)
            return;
        var kept = new List<string>();
        var epochs = new HashSet<int>();
        foreach (var line in File.Exists(path) ? File.ReadLines(path) : [])
        {
            if (Place(line) is not var (epoch, batch) || !IsBefore(start, epoch, batch))
                continue;
            kept.Add(line);
            if (batch is null)
                epochs.Add(epoch);
        }
        // A process killed between saving an epoch and noting it here left it out.
        kept.AddRange(start.Rows.Where(r => !epochs.Contains(r.Epoch)).Select(Line));
        AtomicFile.WriteText(path, string.Concat(kept.Select(line => line + "\n")));
    }

    public void Trained(in TrainStep step)
    {
        var copy = step;
        Append(Write(json =>
        {
            json.WriteString("kind", "train");
            json.WriteNumber("epoch", copy.Epoch);
            json.WriteNumber("batch", copy.Batch);
            json.WriteNumber("step", ((long)copy.Epoch * batchesPerEpoch) + copy.Batch + 1);
            Number(json, "loss", copy.Loss);
            Number(json, "mean_loss", copy.MeanLoss);
            Number(json, "top1", copy.Top1);
            Number(json, "lr", copy.LearningRate);
            Number(json, "images_per_second", copy.Images / copy.MeanSeconds);
            Number(json, "seconds", copy.Seconds);
            Number(json, "data_seconds", copy.DataSeconds);
        }));
    }

    public void EpochFinished(EpochRow row) => Append(Line(row));

    private string Line(EpochRow row) => Write(json =>
    {
        json.WriteString("kind", "epoch");
        json.WriteNumber("epoch", row.Epoch);
        json.WriteNumber("step", (row.Epoch + 1L) * batchesPerEpoch);
        foreach (var (name, value) in RunSummary.Values(row).Skip(1))
        {
            if (value is { } number)
                Number(json, name, number);
        }
    });

    private void Append(string line) => LogFile.Append(path, Encoding.UTF8.GetBytes(line + "\n"));

    private static string Write(Action<Utf8JsonWriter> members)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    // JSON has no NaN.
    private static void Number(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value))
            json.WriteNumber(name, value);
        else
            json.WriteNull(name);
    }

    private static bool IsBefore(LogStart start, int epoch, int? batch) =>
        epoch < start.Epoch || (epoch == start.Epoch && batch is { } b && (start.Batch is null || b < start.Batch));

    /// <summary>Epoch and, of a training line, batch; null for a line that is none, as a killed process may leave at the end.</summary>
    private static (int Epoch, int? Batch)? Place(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            return (json.RootElement.GetProperty("epoch").GetInt32(), json.RootElement.TryGetProperty("batch", out var batch) ? batch.GetInt32() : null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return null;
        }
    }
}
