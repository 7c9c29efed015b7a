using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Training;

/// <summary>Runs whose network learns piece by piece, computes blocks again, or has other residual branches.</summary>
public class LocalLearningTests
{
    [Theory]
    [InlineData("block")]
    [InlineData("layer")]
    public void Pieces_that_learn_by_themselves_learn_together_and_runs_go_on_to_the_same_bits(string granularity)
    {
        var (whole, best) = Train(new() { LocalLearning = granularity }, checkpointed: false);
        Assert.True(best > 75, $"{best} % right");
        Assert.Equal(whole, Train(new() { LocalLearning = granularity }, checkpointed: false, stop: 7).Fingerprint);
    }

    [Fact]
    public void A_run_that_computes_blocks_again_has_the_same_bits()
    {
        var options = new ModelOptions { DropPathRate = 0.2f, DropRate = 0.1f };
        Assert.Equal(Train(options, checkpointed: false).Fingerprint, Train(options, checkpointed: true, stop: 7).Fingerprint);
    }

    [Theory]
    [InlineData("rezero")]
    [InlineData("fixup")]
    [InlineData("depth-mup")]
    public void Other_branches_learn_and_go_on_to_the_same_bits(string parameterisation)
    {
        var (whole, best) = Train(new() { Parameterisation = parameterisation }, checkpointed: false);
        Assert.True(best > 50, $"{best} % right");
        Assert.Equal(whole, Train(new() { Parameterisation = parameterisation }, checkpointed: false, stop: 7).Fingerprint);
    }

    [Fact]
    public void The_flags_are_checked()
    {
        Assert.Contains("--local-learning is neuron", Assert.Throws<VertebraException>(new TrainingOptions { LocalLearning = "neuron" }.Validate).Message, StringComparison.Ordinal);
        Assert.Contains("--parameterisation is plain", Assert.Throws<VertebraException>(new TrainingOptions { Parameterisation = "plain" }.Validate).Message, StringComparison.Ordinal);
        using var meta = Construction.Meta();
        Assert.Contains("head is cosine", Assert.Throws<VertebraException>(() => Models.Create("resnet18", new() { LocalLearning = "block", Head = "cosine" })).Message, StringComparison.Ordinal);
    }

    private static (string Fingerprint, double Best) Train(ModelOptions model, bool checkpointed, int? stop = null)
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "run");
        if (stop is { } batches)
        {
            using var source = new CancellationTokenSource();
            Assert.False(new Trainer(Setup(folder, model, checkpointed, new StopAfter(batches, source))).Run(source.Token).IsComplete);
        }
        var result = new Trainer(Setup(folder, model, checkpointed, NoProgress.Instance)).Run();
        Assert.True(result.IsComplete);
        return (SmallRun.Fingerprint(folder), result.Rows.Max(r => r.Eval!.Value.Top1));
    }

    private static TrainerSetup Setup(RunFolder folder, ModelOptions model, bool checkpointed, ITrainingProgress progress)
    {
        var network = Models.Create("resnet20_cifar", model with { NumClasses = 3, ImgSize = 16 });
        network.Initialise(3);
        if (checkpointed)
            network.SetGradCheckpointing();
        var data = new ColourDataset(96, size: 16);
        return new()
        {
            Network = network,
            ClassCount = 3,
            Training = new(data, new InputTransform(data.Preprocessing, Augmentation.SmallImages), LoaderOptions.ForTraining(16, 5)),
            Validation = new(new ColourDataset(48, size: 16, stream: 1), new InputTransform(data.Preprocessing), LoaderOptions.ForEvaluation(48)),
            Options = new() { Model = "resnet20_cifar", BatchSize = 16, Epochs = 10, Lr = 0.05, Opt = "sgd", Smoothing = 0, GradAccumSteps = 2, Seed = 5 },
            Folder = folder,
            Progress = progress,
            Objective = network.Goodness is null ? null : loss => new LocalObjective(loss),
        };
    }
}
