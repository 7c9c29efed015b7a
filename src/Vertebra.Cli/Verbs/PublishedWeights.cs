using System.CommandLine;
using System.Globalization;
using Vertebra.Lab.Training;
using Vertebra.Zoo;
using Vertebra.Zoo.Weights;

namespace Vertebra.Cli.Verbs;

/// <summary>The options of verbs that take published weights, and the line that shows a download.</summary>
internal sealed class PublishedWeights
{
    private readonly Option<bool> _pretrained = new("--pretrained") { Description = "with a name: the weights published for it, from the hub or the cache (NAME or NAME.TAG)" };
    private readonly Option<bool> _offline = new("--offline") { Description = "use cached weights only, and ask nobody (HF_HUB_OFFLINE=1)" };

    /// <summary>Adds the options to a verb.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_pretrained);
        command.Options.Add(_offline);
    }

    /// <summary>Whether a name means the network with its published weights.</summary>
    public bool AreWanted(ParseResult parsed) => parsed.GetValue(_pretrained);

    /// <summary>Finds weights, downloading them if need be; Ctrl-C stops that, and what has come is kept.</summary>
    public (string Weights, NetworkDescription Description) Find(ParseResult parsed, string name)
    {
        var settings = HubSettings.FromEnvironment();
        var line = new DownloadLine();
        var hub = new WeightHub(settings with { Offline = settings.Offline || parsed.GetValue(_offline) }) { Progress = line.Show, Note = line.Note };
        return Host.Interruptible(stop =>
        {
            try
            {
                return Pretrained.Find(name, hub, stop);
            }
            finally
            {
                line.End();
            }
        });
    }
}

/// <summary>A download on standard error: one line that changes on a terminal, a line now and then in a file.</summary>
internal sealed class DownloadLine
{
    private readonly bool _isTerminal = !Console.IsErrorRedirected;
    private int _width;
    private int _tenth = -1;

    public void Show(DownloadProgress progress)
    {
        var tenth = progress.Total is > 0 and { } total ? (int)(10 * progress.Done / total) : 0;
        var text = "vertebra: note: " + Text(progress);
        if (_isTerminal)
        {
            Console.Error.Write($"\r{text.PadRight(_width)}");
            _width = text.Length;
        }
        else if (tenth > _tenth)
        {
            _tenth = tenth;
            Console.Error.WriteLine(text);
        }
    }

    public void Note(string message)
    {
        End();
        Console.Error.WriteLine($"vertebra: note: {message}");
    }

    /// <summary>What follows begins on a new line.</summary>
    public void End()
    {
        if (_width > 0)
            Console.Error.WriteLine();
        _width = 0;
    }

    /// <summary><c>timm/resnet50.a1_in1k/model.safetensors: 34.1 of 102.5 MB (33 %), 0:00:12 left</c>.</summary>
    public static string Text(DownloadProgress progress)
    {
        var done = string.Create(CultureInfo.InvariantCulture, $"{progress.What}: {progress.Done / 1e6:0.0}");
        if (progress.Total is not { } total)
            return $"{done} MB";
        var left = progress.Left is { } time && progress.Done < total ? $", {LineProgress.Time(time)} left" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{done} of {total / 1e6:0.0} MB ({100.0 * progress.Done / Math.Max(1, total):0} %){left}");
    }
}
