using System.CommandLine;
using Vertebra.Lab.Studies;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra study coupling</c>: networks × optimisers.</summary>
internal static class CouplingStudyVerb
{
    // The study names these itself.
    private static readonly string[] Own = ["model", "seed", "output", "experiment", "opt", "lr", "lr-base"];

    public static Command Create()
    {
        var networks = new Option<string[]>("--networks") { Description = "networks", Required = true, Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true };
        var optimizers = new Option<string[]>("--optimizers") { Description = "optimisers", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["sgd", "adamw", "lamb", "lion"] };
        var rates = new Option<double[]>("--rates") { Description = "learning rates, as multiples of each optimiser's usual one", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [0.3, 1, 3] };
        var seeds = new Option<long[]>("--seeds") { Description = "seeds", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [1] };
        var output = new Option<string>("--output-dir", "-o") { Description = "folder of the study", DefaultValueFactory = _ => Path.Combine("runs", "study-coupling") };
        var flags = GridStudyVerb.Flags(Own);
        var command = new Command("coupling",
            """
            Which optimiser fits which network: each is trained with each, at several learning rates of which the best counts.
            Writes a heat map and tables; started again, it goes on. Other flags are those of train, for all runs:
              vertebra study coupling --networks resnet20_cifar convnext_atto --dataset cifar10 --data-dir DIR --epochs 5
            """) { networks, optimizers, rates, seeds, output };
        foreach (var flag in flags.Values)
            command.Options.Add(flag);
        command.SetAction(parsed => Host.Interruptible(stop =>
        {
            var study = new CouplingStudy(parsed.GetRequiredValue(networks), parsed.GetRequiredValue(optimizers), parsed.GetRequiredValue(rates), parsed.GetRequiredValue(seeds));
            var folder = parsed.GetRequiredValue(output);
            return GridStudyVerb.Run(study.Grid(), folder, GridStudyVerb.SettingsOf(parsed, flags), stop, result => Print(study.Sum(result), folder));
        }));
        return command;
    }

    private static void Print(CouplingResult result, string folder)
    {
        Console.WriteLine();
        TextTable.Print([.. result.Headings], result.Table(), texts: 1);
        Directory.CreateDirectory(folder);
        AtomicFile.WriteText(Path.Combine(folder, "coupling.csv"), result.ToCsv());
        AtomicFile.WriteText(Path.Combine(folder, "coupling.html"), result.ToHtml());
        Console.WriteLine($"\n{Path.Combine(folder, "coupling.html")}");
    }
}
