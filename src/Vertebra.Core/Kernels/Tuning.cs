using System.Text.Json;

namespace Vertebra.Kernels;

/// <summary>What was measured for one choice.</summary>
/// <param name="Problem">What is to be computed, as the kernel that chooses writes it: <c>conv forward packed 8x56x56x64 64x3x3 pad 1,1,1,1</c>.</param>
/// <param name="Choice">Name of the fastest way.</param>
/// <param name="Threads">Threads that it was measured with.</param>
/// <param name="Milliseconds">Time of each way.</param>
public sealed record TunedChoice(string Problem, string Choice, int Threads, IReadOnlyDictionary<string, double> Milliseconds);

/// <summary>
/// Choices that were measured on this machine (<c>vertebra tune</c>), where kernels would estimate otherwise. They are kept in a file for
/// each processor, instruction level and number of processors, which is read when the first kernel asks. A choice holds for any
/// number of threads, so results do not depend on that; but they may round differently than those of another machine, or than
/// without the file. The variable <c>VERTEBRA_TUNE=off</c> leaves it unread.
/// </summary>
public static class Tuning
{
    /// <summary>Of the file's format; another one is not read.</summary>
    private const int Format = 1;
    private const int MostBytes = 16 << 20;
    private const int MostChoices = 1 << 16;
    private const int LongestText = 400;

    private static readonly Lock Gate = new();
    private static volatile Table? s_table; // null: not read yet

    /// <summary>A set of choices; another object whenever they change.</summary>
    internal sealed class Table(IReadOnlyDictionary<string, TunedChoice> choices)
    {
        public static Table Empty { get; } = new(new Dictionary<string, TunedChoice>());

        public bool IsEmpty => choices.Count == 0;

        public IEnumerable<TunedChoice> Choices => choices.Values;

        public TunedChoice? Find(string problem) => choices.GetValueOrDefault(problem);
    }

    /// <summary>Whether the environment lets choices be read: unless <c>VERTEBRA_TUNE</c> is <c>off</c>, <c>0</c> or <c>no</c>.</summary>
    public static bool IsOn => Environment.GetEnvironmentVariable("VERTEBRA_TUNE")?.Trim().ToUpperInvariant() is not ("OFF" or "0" or "NO");

    /// <summary>The file of this machine: in <c>XDG_CACHE_HOME/vertebra</c>, by default <c>~/.cache/vertebra</c>.</summary>
    public static string FilePath
    {
        get
        {
            var name = string.Concat($"{Processor.Name} {Simd.Level} {Environment.ProcessorCount}".Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '-'));
            return Path.Combine(Folder, $"tuned-{Format}-{(name.Length > 120 ? name[..120] : name)}.json");
        }
    }

    private static string Folder
    {
        get
        {
            var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } given ? given : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
            return Path.Combine(cache, "vertebra");
        }
    }

    /// <summary>Is told in one line when the file cannot be used; writes to standard error unless set.</summary>
    public static Action<string> Warn { get; set; } = line => Console.Error.WriteLine($"vertebra: note: {line}");

    /// <summary>The choices in force.</summary>
    internal static Table Current
    {
        get
        {
            if (s_table is { } table)
                return table;
            lock (Gate)
                return s_table ??= IsOn && Directory.Exists(Folder) ? new(ReadOrWarn(FilePath)) : Table.Empty; // most starts end at the folder
        }
    }

    /// <summary>Takes other choices; null: those of the file, when they are next asked for. For tests.</summary>
    internal static void Use(Table? table) => s_table = table;

    /// <summary>The choices in a file; none where there is no file.</summary>
    /// <exception cref="VertebraException">It is not such a file, or not of this machine.</exception>
    public static IReadOnlyDictionary<string, TunedChoice> Read(string path)
    {
        var choices = new Dictionary<string, TunedChoice>();
        try
        {
            if (!File.Exists(path))
                return choices;
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            if (stream.Length > MostBytes)
                throw Bad(path, $"has {stream.Length} bytes; at most {MostBytes} are read");
            using var json = JsonDocument.Parse(stream, new JsonDocumentOptions { MaxDepth = 8 });
            ReadAll(json.RootElement, path, choices);
            return choices;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException) // InvalidOperation: half of a surrogate pair
        {
            throw Bad(path, e.Message);
        }
    }

    /// <summary>Adds choices to this machine's file, in the place of older ones for the same problems, and takes them.</summary>
    /// <exception cref="VertebraException">The file cannot be written.</exception>
    public static void Keep(IEnumerable<TunedChoice> choices)
    {
        lock (Gate)
        {
            var all = new Dictionary<string, TunedChoice>(ReadOrWarn(FilePath));
            foreach (var choice in choices)
                all[choice.Problem] = choice;
            CreateFolder(Folder);
            AtomicFile.Write(FilePath, stream => WriteAll(stream, all.Values));
            s_table = IsOn ? new(all) : Table.Empty;
        }
    }

    /// <summary>The choices in a file; none, and a warning, where it cannot be used.</summary>
    internal static IReadOnlyDictionary<string, TunedChoice> ReadOrWarn(string path)
    {
        try
        {
            return Read(path);
        }
        catch (VertebraException e)
        {
            Warn(e.Message);
            return new Dictionary<string, TunedChoice>();
        }
    }

    private static void CreateFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot make the folder {folder} for tuned choices: {e.Message}; set XDG_CACHE_HOME to another", e);
        }
    }

    private static VertebraException Bad(string path, string why) =>
        new($"tuned choices in {path} are ignored: {why.ReplaceLineEndings(" ")}; delete the file, or run 'vertebra tune' again");

    private static void ReadAll(JsonElement root, string path, Dictionary<string, TunedChoice> choices)
    {
        if (root.ValueKind != JsonValueKind.Object || TextOf(root, "processor") is not { } processor || TextOf(root, "instruction_level") is not { } level
            || !root.TryGetProperty("format", out var format) || format.ValueKind != JsonValueKind.Number
            || !root.TryGetProperty("choices", out var rows) || rows.ValueKind != JsonValueKind.Array)
            throw Bad(path, "it is no file of tuned choices");
        if (!format.TryGetInt32(out var number) || number != Format)
            throw Bad(path, $"its format is {format.GetRawText()}, not {Format}");
        if (processor != Processor.Name || level != Simd.Level.ToString())
            throw Bad(path, $"it was measured on {processor} ({level}), this is {Processor.Name} ({Simd.Level})");
        if (rows.GetArrayLength() > MostChoices)
            throw Bad(path, $"it has more than {MostChoices} choices");
        foreach (var row in rows.EnumerateArray())
        {
            if (row.ValueKind != JsonValueKind.Object || TextOf(row, "problem") is not { } problem || TextOf(row, "choice") is not { } choice
                || !row.TryGetProperty("threads", out var threads) || threads.ValueKind != JsonValueKind.Number || !threads.TryGetInt32(out var count)
                || !row.TryGetProperty("ms", out var times) || times.ValueKind != JsonValueKind.Object)
                throw Bad(path, $"choice {choices.Count} has not the members problem, choice, threads and ms");
            var milliseconds = new Dictionary<string, double>();
            foreach (var time in times.EnumerateObject())
                milliseconds[time.Name] = time.Value.ValueKind == JsonValueKind.Number ? time.Value.GetDouble() : throw Bad(path, $"a time of '{problem}' is no number");
            choices[problem] = new(problem, choice, count, milliseconds);
        }
    }

    private static string? TextOf(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: <= LongestText } text ? text : null;

    private static void WriteAll(Stream stream, IEnumerable<TunedChoice> choices)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteNumber("format", Format);
        json.WriteString("processor", Processor.Name);
        json.WriteString("instruction_level", Simd.Level.ToString());
        json.WriteNumber("processors", Environment.ProcessorCount);
        json.WriteStartArray("choices");
        foreach (var choice in choices.OrderBy(c => c.Problem, StringComparer.Ordinal))
            Write(json, choice);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>One choice as an object.</summary>
    internal static void Write(Utf8JsonWriter json, TunedChoice choice)
    {
        json.WriteStartObject();
        json.WriteString("problem", choice.Problem);
        json.WriteString("choice", choice.Choice);
        json.WriteNumber("threads", choice.Threads);
        json.WriteStartObject("ms");
        foreach (var (way, time) in choice.Milliseconds)
            json.WriteNumber(way, Math.Round(time, 6));
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
