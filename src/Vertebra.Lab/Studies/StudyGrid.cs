using Vertebra.Lab.Training;
using Vertebra.Zoo;

namespace Vertebra.Lab.Studies;

/// <summary>Values of training options by name; later ones override.</summary>
/// <param name="Values">Options and their values as text; <see cref="StudyGrid.Here"/> stands for the folder of the study, <see cref="StudyGrid.Data"/> for the data's.</param>
public sealed record StudySettings(IReadOnlyList<(TrainingOption Option, IReadOnlyList<string> Values)> Values)
{
    /// <summary>No settings.</summary>
    public static StudySettings None { get; } = new([]);

    /// <summary>The recipe to begin with; null for the defaults.</summary>
    public string? Recipe => Values.LastOrDefault(v => v.Option.Name == "recipe").Values?[0];

    /// <summary>Sets everything but the recipe.</summary>
    public void Apply(TrainingOptions options, string folder)
    {
        foreach (var (option, values) in Values.Where(v => v.Option.Name != "recipe"))
            option.Set(options, option.Kind is OptionKind.Text or OptionKind.Texts ? [.. values.Select(Filled)] : values);

        string Filled(string value) => value.Replace(StudyGrid.Here, folder, StringComparison.Ordinal).Replace(StudyGrid.Data, options.DataDir ?? "data", StringComparison.Ordinal);
    }
}

/// <summary>A way to train that is compared with others.</summary>
/// <param name="Name">Letters, digits, <c>-</c>, <c>_</c> and <c>.</c></param>
/// <param name="Settings">What it does otherwise than the study's common options.</param>
public sealed record StudyVariant(string Name, StudySettings Settings);

/// <summary>One run of a study.</summary>
/// <param name="Variant">The way to train; a preparation's name where <paramref name="Network"/> is null.</param>
/// <param name="Network">The network; null for a preparation, which names its own.</param>
/// <param name="Seed">The seed; 0 for a preparation, which may name its own.</param>
public sealed record StudyRun(StudyVariant Variant, string? Network, long Seed)
{
    /// <summary>Name of its folder.</summary>
    public string Name => Network is null ? Variant.Name : $"{Variant.Name}-{Network}-{Seed}";
}

/// <summary>
/// A small study: every way to train with every network and every seed, one run after the other, and what is asked of the
/// results. <see cref="StudyGridFile"/> reads it from YAML.
/// </summary>
public sealed record StudyGrid
{
    /// <summary>Stands in values for the folder of the study: <c>teacher: "{study}/teacher"</c> is the run of a preparation.</summary>
    public const string Here = "{study}";

    /// <summary>Stands in values for <c>data_dir</c>, which the command line may have given.</summary>
    public const string Data = "{data}";

    private const int MostRuns = 10_000;

    /// <summary>What the study is called.</summary>
    public required string Title { get; init; }

    /// <summary>Options of every run.</summary>
    public StudySettings Common { get; init; } = StudySettings.None;

    /// <summary>Runs that are done first, once each: teachers. Their folders have their names.</summary>
    public IReadOnlyList<StudyVariant> First { get; init; } = [];

    /// <summary>What is compared.</summary>
    public required IReadOnlyList<StudyVariant> Variants { get; init; }

    /// <summary>Networks, by the names of <see cref="Models"/>.</summary>
    public required IReadOnlyList<string> Networks { get; init; }

    /// <summary>Seeds of weights, order and augmentation.</summary>
    public required IReadOnlyList<long> Seeds { get; init; }

    /// <summary>What is asked of the results.</summary>
    public IReadOnlyList<StudyComparison> Comparisons { get; init; } = [];

    /// <summary>The preparations, then the grid: by seed first, so that a study that is stopped has whole rows of results.</summary>
    public IReadOnlyList<StudyRun> Runs =>
    [
        .. First.Select(f => new StudyRun(f, null, 0)),
        .. from seed in Seeds from network in Networks from variant in Variants select new StudyRun(variant, network, seed),
    ];

    /// <summary>The options of a run: the recipe's, then those of every run, then the variant's, then network and seed.</summary>
    /// <param name="run">One of <see cref="Runs"/>.</param>
    /// <param name="folder">The folder of the study.</param>
    /// <param name="overrides">Said on the command line, for every run; the variant's own settings stand above them.</param>
    /// <exception cref="VertebraException">A recipe or a value is wrong.</exception>
    public TrainingOptions OptionsOf(StudyRun run, string folder, StudySettings? overrides = null)
    {
        var options = new TrainingOptions();
        if ((run.Variant.Settings.Recipe ?? overrides?.Recipe ?? Common.Recipe) is { } recipe)
        {
            Recipes.Apply(recipe, options);
            options.Recipe = recipe;
        }
        Common.Apply(options, folder);
        overrides?.Apply(options, folder);
        run.Variant.Settings.Apply(options, folder);
        if (run.Network is { } network)
            (options.Model, options.Seed) = (network, run.Seed);
        (options.Output, options.Experiment) = (folder, run.Name);
        options.Validate();
        return options;
    }

    /// <summary>Checks that the grid can be run and that its questions can be answered by it.</summary>
    /// <param name="source">What to call it in messages.</param>
    /// <exception cref="VertebraException">Something is missing, doubled or unknown.</exception>
    public void Validate(string source)
    {
        Require(Variants.Count > 0, "there are no variants: name at least one way to train");
        Require(Networks.Count > 0, "there are no networks");
        Require(Seeds.Count > 0, "there are no seeds");
        Require((long)Variants.Count * Networks.Count * Seeds.Count <= MostRuns, $"more than {MostRuns} runs");
        foreach (var variant in First.Concat(Variants))
            Require(variant.Name.Length is > 0 and <= 64 && variant.Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') && variant.Name[0] != '.', $"the name '{variant.Name}' must be of letters, digits, '-', '_' and '.', 64 at most");
        foreach (var twice in Runs.GroupBy(r => r.Name, StringComparer.OrdinalIgnoreCase).Where(g => g.Count() > 1))
            throw new VertebraException($"{source}: there are two runs '{twice.Key}'; name variants, networks and seeds once each");
        foreach (var network in Networks)
            _ = Models.Find(network);
        foreach (var side in Comparisons.SelectMany(c => (string[])[c.Left, c.Right]))
            Require(Variants.Any(v => v.Name == side), $"a comparison asks for '{side}', which is no variant");

        void Require(bool condition, string message)
        {
            if (!condition)
                throw new VertebraException($"{source}: {message}");
        }
    }
}
