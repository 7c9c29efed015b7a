using Vertebra.Lab.Training;
using Vertebra.Tests.Cli;

namespace Vertebra.Tests.Lab.Training;

public class RecipeTests
{
    public static TheoryData<string> Names() => [.. Recipes.Names];

    [Theory, MemberData(nameof(Names))]
    public void Every_recipe_is_valid_and_says_where_it_comes_from(string name)
    {
        var options = new TrainingOptions();
        Recipes.Apply(name, options);
        options.Validate();
        Assert.StartsWith("# ", Recipes.TextOf(name));
        Assert.Matches(@"\((.* )?(19|20)\d\d|\d\d\d\d\)", Recipes.TextOf(name));
    }

    [Theory, MemberData(nameof(Names))]
    public void What_a_recipe_sets_is_a_recipe_that_sets_the_same(string name)
    {
        using var folder = new TemporaryFolder();
        var options = new TrainingOptions();
        Recipes.Apply(name, options);
        var shown = ArgsFile.Write(options, new TrainingOptions());
        var again = new TrainingOptions();
        Recipes.Apply(Write(folder, "again.yaml", shown), again);
        Assert.Equal(ArgsFile.Write(options), ArgsFile.Write(again));
        Assert.DoesNotContain("data_dir", shown);
    }

    [Fact]
    public void The_procedures_of_ResNet_strikes_back_are_those_of_its_table_2()
    {
        (string Name, int Epochs, double Rate, double Decay, double Smoothing, double DropPath, int Repeats, string Policy, double Mixup)[] table =
        [
            ("rsb-a1", 600, 5e-3, 0.01, 0.1, 0.05, 3, "rand-m7-mstd0.5-inc1", 0.2),
            ("rsb-a2", 300, 5e-3, 0.02, 0, 0.05, 3, "rand-m7-mstd0.5-inc1", 0.1),
            ("rsb-a3", 100, 8e-3, 0.02, 0, 0, 0, "rand-m6-mstd0.5-inc1", 0.1),
        ];
        foreach (var row in table)
        {
            var options = new TrainingOptions();
            Recipes.Apply(row.Name, options);
            var effective = options.WithEffectiveValues();
            Assert.Equal(row, (row.Name, effective.Epochs, effective.Lr!.Value, effective.WeightDecay, effective.Smoothing, effective.DropPath, effective.AugRepeats, effective.Aa!, effective.Mixup));
            Assert.Equal(("lamb", 2048, true, 1.0), (effective.Opt, effective.BatchSize, effective.BceLoss, effective.Cutmix));
        }
    }

    [Fact]
    public void A_recipe_of_ones_own_inherits_by_name_and_from_a_file_beside_it()
    {
        using var folder = new TemporaryFolder();
        Write(folder, "base.yaml", "inherit: cifar\nepochs: 7\nlr: 0.2\n");
        var options = new TrainingOptions();
        Recipes.Apply(Write(folder, "mine.yaml", "inherit: base.yaml\nlr: 0.3\n"), options);
        Assert.Equal((7, 0.3, 5e-4, "pad"), (options.Epochs, options.Lr!.Value, options.WeightDecay, options.TrainCropMode!));
    }

    [Fact]
    public void Bad_recipes_say_what_is_wrong()
    {
        using var folder = new TemporaryFolder();
        string Refused(string text) => Assert.ThrowsAny<VertebraException>(() => Recipes.Apply(Write(folder, "bad.yaml", text), new())).Message;
        Assert.Contains("first key", Refused("lr: 1\ninherit: cifar\n"));
        Assert.Contains("circle", Refused("inherit: bad.yaml\n"));
        Assert.Contains("no option 'learning'", Refused("learning: 1\n"));
        Assert.Contains("neither a file nor one of", Refused("inherit: nothing\n"));
        Assert.Contains("neither a file nor one of cifar", Assert.Throws<VertebraException>(() => Recipes.Apply("nothing", new())).Message);
    }

    private static string Write(TemporaryFolder folder, string name, string text)
    {
        File.WriteAllText(folder[name], text);
        return folder[name];
    }

    [Fact]
    public void A_run_notes_its_recipe_and_overrides_it()
    {
        using var folder = new TemporaryFolder();
        var shown = CommandLine.Run(folder.Path, "train", "--recipe", "rsb-a1", "--batch-size", "64", "--epochs", "5", "--show-recipe");
        Assert.Equal(0, shown.ExitCode);
        Assert.Contains("recipe: rsb-a1", shown.Output);
        Assert.Contains("batch_size: 64", shown.Output);
        Assert.Contains("epochs: 5", shown.Output);
        Assert.Contains("opt: lamb", shown.Output);
    }
}
