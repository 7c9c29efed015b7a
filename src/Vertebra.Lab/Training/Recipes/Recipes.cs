using System.Reflection;
using System.Text;

namespace Vertebra.Lab.Training;

/// <summary>
/// Published ways to train, by name: YAML files of the keys of <c>args.yaml</c>. A recipe may begin with <c>inherit: NAME</c>, a
/// recipe's name or a file beside it, whose values it then overrides.
/// </summary>
public static class Recipes
{
    private const int DeepestInheritance = 8;
    private const string Folder = "Vertebra.Lab.Training.Recipes.";
    private const string Extension = ".yaml";

    private static readonly Assembly Home = typeof(Recipes).Assembly;

    /// <summary>The recipes that come with the program, in alphabetical order.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        .. Home.GetManifestResourceNames()
            .Where(n => n.StartsWith(Folder, StringComparison.Ordinal) && n.EndsWith(Extension, StringComparison.Ordinal))
            .Select(n => n[Folder.Length..^Extension.Length])
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>Sets what a recipe sets, and what those set that it inherits from; everything else stays.</summary>
    /// <param name="recipe">A name of <see cref="Names"/>, or a YAML file.</param>
    /// <param name="options">Receives the values.</param>
    /// <exception cref="VertebraException">There is no such recipe, it inherits from itself, or its text is bad.</exception>
    public static void Apply(string recipe, TrainingOptions options) => Apply(recipe, options, depth: 0);

    /// <summary>The text of a recipe, comments included.</summary>
    /// <inheritdoc cref="Apply(string, TrainingOptions)"/>
    public static string TextOf(string recipe)
    {
        if (Names.Contains(recipe))
        {
            using var reader = new StreamReader(Home.GetManifestResourceStream(Folder + recipe + Extension)!, Encoding.UTF8);
            return reader.ReadToEnd();
        }
        return File.Exists(recipe) ? ArgsFile.TextOf(recipe)
            : throw new VertebraException($"--recipe {recipe} is neither a file nor one of {string.Join(", ", Names)}");
    }

    private static void Apply(string recipe, TrainingOptions options, int depth)
    {
        if (depth > DeepestInheritance)
            throw new VertebraException($"recipe {recipe}: recipes inherit from each other more than {DeepestInheritance} deep, perhaps in a circle");
        ArgsFile.Read(TextOf(recipe), recipe, options, parent => Apply(Beside(recipe, parent), options, depth + 1));
    }

    // A file's parent may be a file beside it.
    private static string Beside(string recipe, string parent)
    {
        if (Names.Contains(parent) || Names.Contains(recipe))
            return parent;
        return Path.Combine(Path.GetDirectoryName(Path.GetFullPath(recipe))!, parent);
    }
}
