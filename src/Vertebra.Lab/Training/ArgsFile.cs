using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Vertebra.Lab.Training;

/// <summary>
/// <c>args.yaml</c>: training options under timm's keys, one mapping of scalars and lists of scalars. Read and written
/// event by event: no object is built from what a file says.
/// </summary>
public static class ArgsFile
{
    private const int LongestText = 1 << 20;

    private const string Inherit = "inherit";

    /// <summary>The options as YAML.</summary>
    /// <param name="options">What to write.</param>
    /// <param name="baseline">Leaves out what is the same in these; null writes everything.</param>
    public static string Write(TrainingOptions options, TrainingOptions? baseline = null)
    {
        using var text = new StringWriter();
        var emitter = new Emitter(text);
        emitter.Emit(new StreamStart());
        emitter.Emit(new DocumentStart(null, null, isImplicit: true));
        emitter.Emit(new MappingStart());
        foreach (var option in TrainingOption.All.Where(o => baseline is null || !SameValues(o.Get(options), o.Get(baseline))))
        {
            emitter.Emit(new Scalar(option.Key));
            if (option.Get(options) is not { } values)
                emitter.Emit(new Scalar("null"));
            else if (option.Kind is not (OptionKind.Numbers or OptionKind.Texts))
                emitter.Emit(Value(option, values[0]));
            else
                EmitList(emitter, option, values);
        }
        emitter.Emit(new MappingEnd());
        emitter.Emit(new DocumentEnd(isImplicit: true));
        emitter.Emit(new StreamEnd());
        return text.ToString();
    }

    private static bool SameValues(IReadOnlyList<string>? a, IReadOnlyList<string>? b) => a is null ? b is null : b is not null && a.SequenceEqual(b);

    private static void EmitList(Emitter emitter, TrainingOption option, IReadOnlyList<string> values)
    {
        emitter.Emit(new SequenceStart(AnchorName.Empty, TagName.Empty, isImplicit: true, SequenceStyle.Flow));
        foreach (var value in values)
            emitter.Emit(Value(option, value));
        emitter.Emit(new SequenceEnd());
    }

    // Text that a YAML reader might take for something else (null, yes, 1e5) is quoted; names and paths read better plain.
    private static Scalar Value(TrainingOption option, string text)
    {
        var isPlain = option.Kind is not (OptionKind.Text or OptionKind.Texts) || (text.Length > 0 && char.IsAsciiLetter(text[0]) && !IsReserved(text) && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '/'));
        return isPlain ? new(text) : new(AnchorName.Empty, TagName.Empty, text, ScalarStyle.DoubleQuoted, isPlainImplicit: false, isQuotedImplicit: true);
    }

    private static bool IsReserved(string text) => text.ToLowerInvariant() is "null" or "true" or "false" or "yes" or "no" or "on" or "off" or "y" or "n";

    /// <summary>Reads options over the given ones: a key that is absent or null changes nothing.</summary>
    /// <param name="text">YAML; it may come from anywhere.</param>
    /// <param name="source">What to call the file in messages.</param>
    /// <param name="options">Receives the values.</param>
    /// <param name="inherit">Told what a first key <c>inherit</c> names, before the other keys are read; null refuses that key.</param>
    /// <exception cref="FileFormatException">The text is no flat YAML mapping, or a key is unknown.</exception>
    /// <exception cref="VertebraException">A value is not of its option's kind.</exception>
    public static void Read(string text, string source, TrainingOptions options, Action<string>? inherit = null)
    {
        if (text.Length > LongestText)
            throw new FileFormatException($"{source}: {text.Length} characters are too many for a list of options");
        try
        {
            var parser = new Parser(new StringReader(text));
            parser.Consume<StreamStart>();
            if (parser.Accept<StreamEnd>(out _))
                return;
            parser.Consume<DocumentStart>();
            ReadMapping(parser, source, options, inherit);
        }
        catch (YamlException e)
        {
            throw new FileFormatException($"{source}, line {e.Start.Line}: not a flat list of options, `key: value` on each line ({e.Message})", e);
        }
    }

    /// <inheritdoc cref="Read(string, string, TrainingOptions, Action{string})"/>
    /// <param name="path">The file.</param>
    /// <param name="options">Receives the values.</param>
    public static void ReadFile(string path, TrainingOptions options) => Read(TextOf(path), path, options);

    /// <summary>The text of a file of options.</summary>
    /// <exception cref="VertebraException">It cannot be read, or is too large.</exception>
    internal static string TextOf(string path)
    {
        try
        {
            return new FileInfo(path).Length <= LongestText * 4L ? File.ReadAllText(path, Encoding.UTF8)
                : throw new FileFormatException($"{path}: the file is too large for a list of options");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot read {path}: {e.Message}", e);
        }
    }

    private static void ReadMapping(Parser parser, string source, TrainingOptions options, Action<string>? inherit)
    {
        parser.Consume<MappingStart>();
        for (var first = true; !parser.TryConsume<MappingEnd>(out _); first = false)
        {
            var key = parser.Consume<Scalar>();
            if (key.Value == Inherit && inherit is not null)
            {
                if (!first)
                    throw new FileFormatException($"{source}, line {key.Start.Line}: '{Inherit}' must be the first key, since the others override what it brings");
                inherit(parser.Consume<Scalar>().Value);
                continue;
            }
            var (option, values) = ReadSetting(parser, key, source);
            if (values is not null)
                option.Set(options, values);
        }
    }

    /// <summary>What stands behind a key: a value or a list of them; null where a plain null leaves the option as it is.</summary>
    internal static (TrainingOption Option, IReadOnlyList<string>? Values) ReadSetting(Parser parser, Scalar key, string source)
    {
        var option = TrainingOption.Find(key.Value)
            ?? throw new FileFormatException($"{source}, line {key.Start.Line}: there is no option '{key.Value}'");
        var values = new List<string>();
        if (parser.TryConsume<SequenceStart>(out _))
        {
            while (!parser.TryConsume<SequenceEnd>(out _))
                values.Add(parser.Consume<Scalar>().Value);
            return (option, values);
        }
        var value = parser.Consume<Scalar>();
        if (value.Style == ScalarStyle.Plain && value.Value is "" or "~" or "null" or "Null" or "NULL")
            return (option, null);
        values.Add(value.Value);
        return (option, values);
    }
}
