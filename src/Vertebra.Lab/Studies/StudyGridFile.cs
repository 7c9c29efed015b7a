using System.Globalization;
using Vertebra.Lab.Training;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Vertebra.Lab.Studies;

/// <summary>
/// A <see cref="StudyGrid"/> as YAML: <c>title</c>, <c>options</c> (keys of <c>args.yaml</c>), <c>first</c> and <c>variants</c>
/// (names, and the keys in which each differs), <c>networks</c>, <c>seeds</c>, <c>comparisons</c>. Read event by event, as
/// <see cref="ArgsFile"/> is.
/// </summary>
public static class StudyGridFile
{
    /// <summary>Reads and checks a file.</summary>
    /// <exception cref="VertebraException">It cannot be read, or is no grid; the message says where.</exception>
    public static StudyGrid Read(string path) => Parse(ArgsFile.TextOf(path), path);

    /// <summary>Reads and checks a grid.</summary>
    /// <param name="text">YAML; it may come from anywhere.</param>
    /// <param name="source">What to call it in messages.</param>
    /// <exception cref="VertebraException">It is no grid; the message says where.</exception>
    public static StudyGrid Parse(string text, string source)
    {
        try
        {
            var parser = new Parser(new StringReader(text));
            parser.Consume<StreamStart>();
            parser.Consume<DocumentStart>();
            var grid = ReadGrid(parser, source);
            grid.Validate(source);
            return grid;
        }
        catch (YamlException e)
        {
            throw new FileFormatException($"{source}, line {e.Start.Line}: not the grid of a study ({e.Message})", e);
        }
    }

    private static StudyGrid ReadGrid(Parser parser, string source)
    {
        var grid = new StudyGrid { Title = Path.GetFileNameWithoutExtension(source), Variants = [], Networks = [], Seeds = [] };
        parser.Consume<MappingStart>();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            var key = parser.Consume<Scalar>();
            var where = $"{source}, line {key.Start.Line}";
            grid = key.Value switch
            {
                "title" => grid with { Title = parser.Consume<Scalar>().Value },
                "options" => grid with { Common = ReadSettings(parser, source) },
                "first" => grid with { First = ReadVariants(parser, source) },
                "variants" => grid with { Variants = ReadVariants(parser, source) },
                "networks" => grid with { Networks = ReadList(parser) },
                "seeds" => grid with { Seeds = [.. ReadList(parser).Select(s => Seed(s, where))] },
                "comparisons" => grid with { Comparisons = [.. ReadList(parser).Select(c => Comparison(c, where))] },
                _ => throw new FileFormatException($"{where}: there is no key '{key.Value}'; a study has title, options, first, variants, networks, seeds and comparisons"),
            };
        }
        return grid;
    }

    private static List<StudyVariant> ReadVariants(Parser parser, string source)
    {
        var variants = new List<StudyVariant>();
        parser.Consume<MappingStart>();
        while (!parser.TryConsume<MappingEnd>(out _))
            variants.Add(new(parser.Consume<Scalar>().Value, ReadSettings(parser, source)));
        return variants;
    }

    // A name without keys is a variant that takes the common options as they are.
    private static StudySettings ReadSettings(Parser parser, string source)
    {
        if (parser.TryConsume<Scalar>(out var nothing))
            return nothing.Value is "" or "null" or "~" ? StudySettings.None : throw new FileFormatException($"{source}, line {nothing.Start.Line}: '{nothing.Value}' stands where keys and values are expected");
        var settings = new List<(TrainingOption, IReadOnlyList<string>)>();
        parser.Consume<MappingStart>();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            var (option, values) = ArgsFile.ReadSetting(parser, parser.Consume<Scalar>(), source);
            if (values is not null)
                settings.Add((option, values));
        }
        return new(settings);
    }

    private static List<string> ReadList(Parser parser)
    {
        var values = new List<string>();
        parser.Consume<SequenceStart>();
        while (!parser.TryConsume<SequenceEnd>(out _))
            values.Add(parser.Consume<Scalar>().Value);
        return values;
    }

    private static long Seed(string text, string where) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seed) ? seed
        : throw new FileFormatException($"{where}: the seed '{text}' is not a whole number");

    private static StudyComparison Comparison(string text, string where)
    {
        try
        {
            return StudyComparison.Parse(text);
        }
        catch (FileFormatException e)
        {
            throw new FileFormatException($"{where}: {e.Message}", e);
        }
    }
}
