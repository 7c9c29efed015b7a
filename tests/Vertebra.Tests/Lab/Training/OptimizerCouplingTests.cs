using Vertebra.Lab.Training;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Training;

public class OptimizerCouplingTests
{
    [Fact]
    public void Every_family_stands_in_exactly_one_place()
    {
        var placed = OptimizerCoupling.Kinds.SelectMany(k => k.Families).Concat(OptimizerCoupling.Balanced).Concat(OptimizerCoupling.Unknown).Order(StringComparer.Ordinal);
        Assert.Equal(Models.Families.Select(f => f.Name).Order(StringComparer.Ordinal), placed);
    }

    [Fact]
    public void Optimisers_that_are_named_exist()
    {
        Assert.All(OptimizerCoupling.Kinds.SelectMany(k => k.Unfit), name => Assert.NotNull(Optimizers.Find(name)));
        foreach (var kind in OptimizerCoupling.Kinds)
        {
            var better = kind.Better.Split([", ", " or "], StringSplitOptions.None);
            Assert.All(better, name => Assert.NotNull(Optimizers.Find(name)));
            Assert.Empty(better.Intersect(kind.Unfit));
        }
    }

    [Theory]
    [InlineData("resnet50", "adamw", "sgd")]
    [InlineData("resnet50.a1_in1k", "adam", "sgd")]
    [InlineData("vgg13", "lookahead_radam", "sgd")]
    [InlineData("resnet20_cifar", "adamw", "sgd")]
    [InlineData("convnext_tiny", "sgd", "adamw")]
    [InlineData("deit_small_patch16_224", "momentum", "adamw")]
    [InlineData("swin_tiny_patch4_window7_224", "sgd", "lamb")]
    [InlineData("mixer_b16_224", "sgd", "lamb")]
    [InlineData("caformer_s18", "nesterov", "adan")]
    public void A_bad_fit_is_named_with_what_does_better(string model, string optimizer, string better)
    {
        var note = OptimizerCoupling.NoteFor(model, optimizer);
        Assert.NotNull(note);
        Assert.Contains($"--opt {optimizer} fits", note, StringComparison.Ordinal);
        Assert.Contains(better, note[note.IndexOf(';')..note.IndexOf('(')], StringComparison.Ordinal);
        Assert.Contains("Li et al. 2024", note, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', note);
    }

    [Theory]
    [InlineData("resnet50", "sgd")]
    [InlineData("resnet50", "lamb")]
    [InlineData("convnext_tiny", "adamw")]
    [InlineData("deit_small_patch16_224", "lamb")]
    [InlineData("densenet121", "adamw")]
    [InlineData("efficientnet_b0", "sgd")]
    [InlineData("mobilenetv3_large_100", "sgd")]
    [InlineData("hf-hub:someone/something", "sgd")]
    public void What_fits_or_is_not_known_has_no_note(string model, string optimizer) => Assert.Null(OptimizerCoupling.NoteFor(model, optimizer));

    /// <summary>A recipe that was published for a network is not warned of with that network.</summary>
    [Theory]
    [InlineData("rsb-a1", "resnet50")]
    [InlineData("rsb-a2", "resnet50")]
    [InlineData("resnet-rs", "resnetrs50")]
    [InlineData("deit", "deit_base_patch16_224")]
    [InlineData("convnext", "convnext_tiny")]
    [InlineData("cifar", "resnet20_cifar")]
    [InlineData("super-convergence", "resnet56_cifar")]
    public void Recipes_fit_their_networks(string recipe, string model)
    {
        var options = new TrainingOptions();
        Recipes.Apply(recipe, options);
        Assert.Null(OptimizerCoupling.NoteFor(model, options.Opt));
    }
}
