using System.Globalization;

namespace Vertebra.Lab.Training;

/// <summary>The one folder that a training run writes.</summary>
public sealed class RunFolder
{
    private RunFolder(string path) => Path = path;

    /// <summary>Absolute path of the folder.</summary>
    public string Path { get; }

    /// <summary>Options of the run, effective values.</summary>
    public string Args => In("args.yaml");

    /// <summary>One row per epoch.</summary>
    public string Summary => In("summary.csv");

    /// <summary>Numbers of batches and epochs as lines of JSON (<c>--log-json</c>).</summary>
    public string Metrics => In("metrics.jsonl");

    /// <summary>Description of the network and its preprocessing; belongs to every checkpoint in the folder.</summary>
    public string Config => In("config.json");

    /// <summary>Everything that resuming needs.</summary>
    public string State => In("state.safetensors");

    /// <summary>Weights after the last update.</summary>
    public string Last => In("last.safetensors");

    /// <summary>Average of the weights after the last update.</summary>
    public string LastEma => In("last_ema.safetensors");

    /// <summary>Mean of the weights of the last epochs (<c>--swa</c>), with running statistics of its own.</summary>
    public string LastSwa => In("last_swa.safetensors");

    /// <summary>Weights (or their average) of the best evaluation.</summary>
    public string Best => In("model_best.safetensors");

    /// <summary>The report.</summary>
    public string Report => In("report.html");

    /// <summary>Name of the folder itself.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>timm's folder name: <c>yyyyMMdd-HHmmss-model-size</c>.</summary>
    public static string NameFor(DateTime time, string model, int imageSize) =>
        string.Create(CultureInfo.InvariantCulture, $"{time:yyyyMMdd-HHmmss}-{string.Join('_', model.Split('/', '\\', ':', '@'))}-{imageSize}");

    /// <summary>Makes a new run folder.</summary>
    /// <param name="parent">Folder of the runs; made when missing.</param>
    /// <param name="name">Name of the folder; a number is added to a name that is taken.</param>
    /// <exception cref="VertebraException">The folder cannot be made.</exception>
    public static RunFolder Create(string parent, string name)
    {
        try
        {
            var path = System.IO.Path.GetFullPath(System.IO.Path.Combine(parent, name));
            var candidate = path;
            for (var i = 2; Directory.Exists(candidate) && Directory.EnumerateFileSystemEntries(candidate).Any(); i++)
                candidate = $"{path}-{i}";
            Directory.CreateDirectory(candidate);
            return new(candidate);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new VertebraException($"cannot make the run folder {name} in {parent}: {e.Message}", e);
        }
    }

    /// <summary>The folder that another process has made or opened.</summary>
    public static RunFolder Of(string path) => new(path);

    /// <summary>Opens the folder of a run to go on with it, and clears away what a killed process may have left half-written.</summary>
    /// <exception cref="VertebraException">There is no such folder, or no saved state in it.</exception>
    public static RunFolder Open(string path)
    {
        var folder = new RunFolder(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path)));
        if (!Directory.Exists(folder.Path))
            throw new VertebraException($"there is no run folder {path}");
        if (!File.Exists(folder.State))
            throw new VertebraException($"{path} has no state.safetensors: it is not the folder of a training run, or the run ended before it began");
        foreach (var file in Directory.EnumerateFiles(folder.Path, "*.tmp"))
            File.Delete(file);
        return folder;
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
