using System.CommandLine;
using Vertebra.Lab.Training;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra compare RUN...</c>: training runs side by side.</summary>
internal static class CompareVerb
{
    // Names and texts stand first in the table of figures.
    private const int TextColumns = 2;

    public static Command Create()
    {
        var runs = new Argument<string[]>("runs") { Description = "folders of training runs", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--output", "-o") { Description = "the page to write", DefaultValueFactory = _ => "compare.html" };
        var command = new Command("compare", "Compare training runs: figures, differing options, and a page with their curves.") { runs, output };
        command.SetAction(parsed => Run(RunComparison.Load(parsed.GetRequiredValue(runs)), parsed.GetRequiredValue(output)));
        return command;
    }

    private static int Run(RunComparison comparison, string output)
    {
        TextTable.Print([.. RunComparison.FigureNames], [.. comparison.Figures().Select(cells => cells.Select(c => c.Text).ToArray())], TextColumns);
        var differences = comparison.Differences();
        if (differences.Count > 0)
        {
            Console.WriteLine();
            TextTable.Print(["option", .. comparison.Runs.Select(r => r.Name)], [.. differences.Select(d => (string[])[d.Key, .. d.Values])], texts: 1);
        }
        AtomicFile.WriteText(output, comparison.ToHtml());
        Console.WriteLine($"\nCurves: {output}");
        return Host.Success;
    }
}
