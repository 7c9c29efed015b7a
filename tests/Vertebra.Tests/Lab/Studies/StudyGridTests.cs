using Vertebra.Lab.Studies;

namespace Vertebra.Tests.Lab.Studies;

public class StudyGridTests
{
    private const string Text = """
        title: Two ways
        options:
          dataset: cifar10
          recipe: cifar
          epochs: 6
          ratio: [0.5, 2]
        first:
          teacher: { model: resnet32_cifar, seed: 7 }
        variants:
          plain:
          fast: { recipe: super-convergence, epochs: 2 }
          taught: { teacher: "{study}/teacher", unlabeled: "{data}/more" }
        networks: [resnet20_cifar, resnet56_cifar]
        seeds: [1, 2]
        comparisons:
          - fast >= plain
          - fast < plain by seconds
        """;

    private static StudyGrid Grid => StudyGridFile.Parse(Text, "two.yaml");

    [Fact]
    public void A_grid_is_every_variant_with_every_network_and_seed_after_what_comes_first()
    {
        var runs = Grid.Runs;
        Assert.Equal(1 + (3 * 2 * 2), runs.Count);
        Assert.Equal(["teacher", "plain-resnet20_cifar-1", "fast-resnet20_cifar-1", "taught-resnet20_cifar-1", "plain-resnet56_cifar-1"], runs.Take(5).Select(r => r.Name));
        Assert.Equal("taught-resnet56_cifar-2", runs[^1].Name);
    }

    [Fact]
    public void Options_come_from_the_recipe_then_all_runs_then_the_command_line_then_the_variant()
    {
        var command = StudyGridFile.Parse(Text.Replace("epochs: 6", "epochs: 4\n  data_dir: there\n  seed: 99"), "x").Common;
        Vertebra.Lab.Training.TrainingOptions Of(string name, StudySettings? overrides = null) => Grid.OptionsOf(Grid.Runs.Single(r => r.Name == name), "/at", overrides);
        var plain = Of("plain-resnet20_cifar-2");
        Assert.Equal(("cifar", 6, "resnet20_cifar", 2L, 0.1), (plain.Recipe, plain.Epochs, plain.Model, plain.Seed, plain.Lr!.Value));
        Assert.Equal([0.5, 2.0], plain.Ratio);
        Assert.Equal(("/at", "plain-resnet20_cifar-2"), (plain.Output, plain.Experiment));
        var fast = Of("fast-resnet56_cifar-1", command);
        Assert.Equal(("super-convergence", 2, "one-cycle", "there", 1L), (fast.Recipe, fast.Epochs, fast.Sched, fast.DataDir, fast.Seed));
        Assert.Equal(4, Of("plain-resnet20_cifar-1", command).Epochs);
        Assert.Equal("/at/teacher", Of("taught-resnet20_cifar-1").Teacher);
        Assert.Equal("there/more", Of("taught-resnet20_cifar-1", command).Unlabeled);
        var teacher = Of("teacher");
        Assert.Equal(("resnet32_cifar", 7L), (teacher.Model, teacher.Seed));
    }

    [Theory]
    [InlineData("epochs: 6", "epoks: 6", "line 5: there is no option 'epoks'")]
    [InlineData("title: Two ways", "titel: Two ways", "there is no key 'titel'")]
    [InlineData("  plain:", "  plain: quickly", "'quickly' stands where keys and values are expected")]
    [InlineData("seeds: [1, 2]", "seeds: [1, 1]", "there are two runs 'plain-resnet20_cifar-1'")]
    [InlineData("seeds: [1, 2]", "seeds: [one]", "the seed 'one' is not a whole number")]
    [InlineData("seeds: [1, 2]", "seeds: []", "there are no seeds")]
    [InlineData("resnet20_cifar", "resnet20_zifar", "no model is named 'resnet20_zifar'")]
    [InlineData("fast >= plain", "fast >= slow", "a comparison asks for 'slow', which is no variant")]
    [InlineData("fast >= plain", "fast beats plain", "'fast beats plain' is no comparison")]
    [InlineData("by seconds", "by luck", "compares by 'luck'")]
    [InlineData("  plain:", "  ../plain:", "the name '../plain' must be of letters")]
    [InlineData("seeds: [1, 2]", "seeds: {1: 2}", "not the grid of a study")]
    [InlineData("variants:", "variants: {}\nfirst_:", "there is no key 'first_'")]
    public void What_is_wrong_with_a_grid_is_named(string old, string replaced, string message)
    {
        var error = Assert.ThrowsAny<VertebraException>(() => StudyGridFile.Parse(Text.Replace(old, replaced), "two.yaml"));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Every_grid_in_the_repository_can_be_read_and_its_options_are_valid()
    {
        var files = Directory.GetFiles(Path.Combine(SharedData.RepositoryRoot, "bench", "studies"), "*.yaml");
        Assert.NotEmpty(files);
        foreach (var grid in files.Select(StudyGridFile.Read))
            Assert.All(grid.Runs, run => grid.OptionsOf(run, "/at").WithEffectiveValues());
    }

    [Fact]
    public void The_spread_is_the_sample_deviation_and_differences_have_the_error_of_both_means()
    {
        var (a, b) = (Spread.Of([70, 72, 74]), Spread.Of([60, 61]));
        Assert.Equal((3, 72.0), (a.Count, a.Mean));
        Assert.Equal(2, a.Deviation, 1e-12); // ((-2)² + 0 + 2²) / 2 = 4
        Assert.Equal("72.0 ± 2.0", a.Text("0.0"));
        Assert.Equal("5", Spread.Of([5]).Text("0"));
        Assert.Equal("-", Spread.Of([]).Text("0"));
        var (difference, error) = StudyComparison.Between(a, b);
        Assert.Equal(11.5, difference, 1e-12);
        Assert.Equal(Math.Sqrt((4.0 / 3) + (0.5 / 2)), error, 1e-12);
    }

    [Theory]
    [InlineData("a > b", 10, StudyVerdict.Holds)]
    [InlineData("a > b", 1, StudyVerdict.Open)]
    [InlineData("a > b", -1, StudyVerdict.Open)]
    [InlineData("a > b", -10, StudyVerdict.Fails)]
    [InlineData("a >= b", 10, StudyVerdict.Holds)]
    [InlineData("a >= b", -1, StudyVerdict.Holds)]
    [InlineData("a >= b", -10, StudyVerdict.Fails)]
    [InlineData("a < b", -10, StudyVerdict.Holds)]
    [InlineData("a < b", 10, StudyVerdict.Fails)]
    [InlineData("a <= b", 1, StudyVerdict.Holds)]
    public void A_comparison_holds_by_two_standard_errors(string text, double difference, StudyVerdict verdict)
    {
        // Both have a deviation of 1 and two runs: the error of the difference is 1.
        var (left, right) = (Spread.Of([difference - 0.7071067811865476, difference + 0.7071067811865476]), Spread.Of([-0.7071067811865476, 0.7071067811865476]));
        Assert.Equal(verdict, StudyComparison.Parse(text).Judge(left, right));
        Assert.Equal(StudyVerdict.Open, StudyComparison.Parse(text).Judge(Spread.Of([difference]), right));
    }

    [Fact]
    public void Without_any_spread_equal_results_leave_a_strict_question_open()
    {
        var same = Spread.Of([50, 50]);
        Assert.Equal(StudyVerdict.Open, StudyComparison.Parse("a > b").Judge(same, same));
        Assert.Equal(StudyVerdict.Holds, StudyComparison.Parse("a >= b").Judge(same, same));
        Assert.Equal("a >= b by seconds", StudyComparison.Parse("a  >=  b by seconds").ToString());
    }
}
