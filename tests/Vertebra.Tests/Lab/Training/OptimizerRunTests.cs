using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

/// <summary>Optimisers, schedules and what is done to gradients, in whole runs.</summary>
public class OptimizerRunTests
{
    private static readonly Dictionary<string, Action<TrainingOptions>> Recipes = new()
    {
        ["sam, Muon"] = o => (o.Sam, o.Opt, o.Lr) = ("sam", "muon", 0.01),
        ["asam, lookahead"] = o => (o.Sam, o.Opt, o.Lr) = ("asam", "lookahead_nadam", 0.01),
        ["one cycle with momentum"] = o => (o.Sched, o.Opt, o.WarmupEpochs) = ("one-cycle", "cadamw", 0),
        ["plateau"] = o => (o.Sched, o.PatienceEpochs, o.EvalMetric, o.Lr) = ("plateau", 0, "loss", 0.3),
        ["restarts and cool-down, noise, adaptive clipping"] = o =>
            (o.LrCycleLimit, o.Epochs, o.CooldownEpochs, o.GradNoise, o.ClipMode, o.ClipGrad) = (2, 1, 1, 0.01, "agc", 0.02),
        // Settles at once, so that the switch lies before the interruption.
        ["SWATS"] = o => (o.Opt, o.OptEps, o.Lr) = ("swats", 0.5, 0.01),
    };

    public static TheoryData<string> Names => [.. Recipes.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void An_interrupted_run_goes_on_to_the_same_bits(string recipe)
    {
        using var place = new TemporaryFolder();
        var (whole, parts) = (RunFolder.Create(place.Path, "whole"), RunFolder.Create(place.Path, "parts"));
        var notes = new List<string>();
        Assert.True(new Trainer(SmallRun.Setup(whole, Options(recipe), new Notes(notes))).Run().IsComplete);
        Assert.Equal(recipe == "SWATS" ? 1 : 0, notes.Count(n => n.StartsWith("SWATS goes from Adam to SGD after update ", StringComparison.Ordinal)));
        using (var source = new CancellationTokenSource())
            Assert.False(new Trainer(SmallRun.Setup(parts, Options(recipe), new TrainerTests.At("train 1 2", source.Cancel))).Run(source.Token).IsComplete);
        Assert.True(new Trainer(SmallRun.Setup(RunFolder.Open(parts.Path), Options(recipe))).Run().IsComplete);
        Assert.Equal(SmallRun.Fingerprint(whole), SmallRun.Fingerprint(parts));
    }

    private static TrainingOptions Options(string recipe)
    {
        var options = SmallRun.Options;
        Recipes[recipe](options);
        return options;
    }

    [Fact]
    public void A_plateau_lowers_the_rate_of_the_epochs_after_it()
    {
        using var place = new TemporaryFolder();
        var options = SmallRun.Options;
        (options.Sched, options.PatienceEpochs, options.Epochs, options.Lr, options.WarmupEpochs, options.DecayRate) = ("plateau", 0, 6, 0.1, 0, 0.5);
        var rows = new Trainer(SmallRun.Setup(RunFolder.Create(place.Path, "run"), options)).Run().Rows;
        // Accuracies reach 100 % and get no better: every epoch after such a one has half the rate.
        var (rate, best) = (0.1, double.NegativeInfinity);
        foreach (var row in rows)
        {
            Assert.Equal(rate, row.LearningRate, 1e-12);
            if (row.Ema!.Value.Top1 > best * (1 + 1e-4))
                best = row.Ema.Value.Top1;
            else
                rate *= 0.5;
        }
        Assert.True(rate < 0.1);
    }

    [Fact]
    public void A_run_of_two_cycles_and_a_cool_down_has_their_epochs()
    {
        using var place = new TemporaryFolder();
        var rows = new Trainer(SmallRun.Setup(RunFolder.Create(place.Path, "run"), Options("restarts and cool-down, noise, adaptive clipping"))).Run().Rows;
        Assert.Equal(3, rows.Count);
        Assert.Equal(0, rows[^1].LearningRate);
    }

    private sealed class Notes(List<string> notes) : ITrainingProgress
    {
        public void Trained(in TrainStep step) { }

        public void Evaluated(in EvaluationStep step) { }

        public void EvaluationFinished(EvaluationResult result, bool isEma) { }

        public void EpochFinished(EpochRow row, BestEpoch? best) { }

        public void Note(string message) => notes.Add(message);
    }
}
