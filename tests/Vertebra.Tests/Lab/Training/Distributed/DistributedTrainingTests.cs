using Vertebra.Communication;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Tests.Lab.Training.Distributed;

/// <summary>Several processes (here threads) train as one does on batches that are as many times as large.</summary>
public class DistributedTrainingTests
{
    [Theory]
    [InlineData(2, "group", "")]
    [InlineData(4, "group", "")]
    [InlineData(2, "sync", "")]
    [InlineData(2, "group", "sam")]
    public void Processes_give_the_result_of_one(int count, string norm, string sam)
    {
        using var place = new TemporaryFolder();
        var options = Options(norm);
        options.Sam = sam.Length > 0 ? sam : null;
        var (whole, row) = Train(null, options, norm, RunFolder.Create(place.Path, "whole"), 1);
        var folder = RunFolder.Create(place.Path, "parts");
        var parts = ThreadGroup.Run(count, p => Train(p, options, norm, folder, count));
        foreach (var (weights, partRow) in parts)
        {
            Assert.Equal(parts[0].Weights, weights);
            Assert.Equal(parts[0].Row.TrainLoss, partRow.TrainLoss);
            Assert.Equal(parts[0].Row.Eval, partRow.Eval);
        }
        Assert.Equal(row.TrainLoss, parts[0].Row.TrainLoss, 1e-5);
        Assert.Equal(row.TrainTop1, parts[0].Row.TrainTop1, 1e-9);
        Assert.Equal(row.Eval!.Value.Loss, parts[0].Row.Eval!.Value.Loss, 1e-4);
        for (var i = 0; i < whole.Length; i++)
            Assert.Equal(whole[i], parts[0].Weights[i], 2e-5f);
    }

    /// <summary>As in DistributedDataParallel: batch norms see their own process's images; the running statistics are shared all the same.</summary>
    [Theory]
    [InlineData("reduce")]
    [InlineData("broadcast")]
    public void Batch_norms_of_their_own_statistics_leave_the_same_running_ones_everywhere(string distBn)
    {
        using var place = new TemporaryFolder();
        var options = Options("batch");
        options.DistBn = distBn;
        var whole = Train(null, options, "batch", RunFolder.Create(place.Path, "whole"), 1).Weights;
        var folder = RunFolder.Create(place.Path, "parts");
        var parts = ThreadGroup.Run(2, p => Train(p, options, "batch", folder, 2));
        Assert.Equal(parts[0].Weights, parts[1].Weights);
        Assert.NotEqual(whole, parts[0].Weights);
        Assert.True(whole.Zip(parts[0].Weights, (a, b) => Math.Abs(a - b)).Max() > 1e-4);
    }

    /// <summary>The mean of the running means is the running mean of the whole batch's means: that of a first update is known.</summary>
    [Fact]
    public void Reduced_statistics_are_the_mean_over_processes()
    {
        using var place = new TemporaryFolder();
        var options = Options("batch");
        (options.Epochs, options.GradAccumSteps, options.Lr) = (1, 1, 0);
        // Of the first normaliser, whose input does not depend on how others normalise.
        static float[] Mean(float[] all) => all[^36..^30];
        var data = new ColourDataset(16);
        (float[] Weights, EpochRow Row) Run(IProcessGroup? p, string name, int count) => Train(p, options, "batch", RunFolder.Of(Path.Combine(place.Path, name)), count, data);
        RunFolder.Create(place.Path, "one");
        RunFolder.Create(place.Path, "two");
        var one = Run(null, "one", 1).Weights;
        var two = ThreadGroup.Run(2, p => Run(p, "two", 2))[0].Weights;
        for (var i = 0; i < 6; i++)
            Assert.Equal(Mean(one)[i], Mean(two)[i], 1e-6f);
    }

    [Fact]
    public void Only_the_first_process_writes()
    {
        using var place = new TemporaryFolder();
        ThreadGroup.Run(2, p =>
        {
            var folder = p.Rank == 0 ? RunFolder.Create(place.Path, "run") : RunFolder.Of(Path.Combine(place.Path, "elsewhere"));
            return Train(p, Options("group"), "group", folder, 2);
        });
        Assert.Equal(["run"], Directory.GetFileSystemEntries(place.Path).Select(Path.GetFileName));
        Assert.True(File.Exists(place["run/model_best.safetensors"]));
    }

    /// <summary>One process is asked to stop; all of them do, in the same place, and go on to the bits of a run that never was.</summary>
    [Theory]
    [InlineData(1, 3)]
    [InlineData(0, 8)]
    [InlineData(1, 5)]
    public void A_run_that_one_process_was_told_to_stop_goes_on_to_the_same_bits(int rank, int batches)
    {
        using var place = new TemporaryFolder();
        var (whole, pieces) = (RunFolder.Create(place.Path, "whole"), RunFolder.Create(place.Path, "pieces"));
        var options = Options("batch");
        options.ModelEma = true;
        ThreadGroup.Run(2, p => Train(p, options, "batch", whole, 2));
        var complete = ThreadGroup.Run(2, p =>
        {
            using var source = new CancellationTokenSource();
            return new Trainer(Setup(p, options, "batch", pieces, 2) with { Progress = p.Rank == rank ? new StopAfter(batches, source) : NoProgress.Instance }).Run(source.Token).IsComplete;
        });
        Assert.Equal([false, false], complete);
        ThreadGroup.Run(2, p => Train(p, options, "batch", pieces, 2));
        Assert.Equal(SmallRun.Fingerprint(whole), SmallRun.Fingerprint(pieces));
    }

    [Fact]
    public void A_run_of_two_processes_does_not_go_on_in_one()
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "run");
        ThreadGroup.Run(2, p => Train(p, Options("group"), "group", folder, 2));
        var error = Assert.Throws<VertebraException>(() => Train(null, Options("group"), "group", folder, 2));
        Assert.Contains("number of processes", error.Message);
    }

    [Fact]
    public void The_learning_rate_follows_the_batch_of_all_processes()
    {
        var options = new TrainingOptions { BatchSize = 64, Opt = "sgd" };
        Assert.Equal(4 * options.WithEffectiveValues().Lr!.Value, options.WithEffectiveValues(4).Lr!.Value, 1e-12);
    }

    private static TrainingOptions Options(string norm) => new()
    {
        Model = "tiny", Epochs = 2, Lr = 0.05, WarmupEpochs = 0, Opt = "sgd", WeightDecay = 1e-3, GradAccumSteps = 2, ClipGrad = 1, Seed = 9, SyncBn = norm == "sync",
    };

    private static (float[] Weights, EpochRow Row) Train(IProcessGroup? processes, TrainingOptions options, string norm, RunFolder folder, int count, ColourDataset? data = null)
    {
        var setup = Setup(processes, options, norm, folder, count, data);
        var result = new Trainer(setup).Run();
        Assert.True(result.IsComplete);
        Assert.NotNull(result.BestEvaluation);
        return ([.. setup.Network.State().Where(s => s.Tensor.DType == DType.Float32).SelectMany(s => s.Tensor.ToArray<float>())], result.Rows[^1]);
    }

    /// <summary>7 batches of 16 an epoch, however many processes share them.</summary>
    private static TrainerSetup Setup(IProcessGroup? processes, TrainingOptions options, string norm, RunFolder folder, int count, ColourDataset? data = null)
    {
        var network = new NormNet(norm == "group");
        network.Initialise(3);
        var share = processes is null ? LoaderShare.All : new(processes.Rank, processes.Count);
        var batch = processes is null ? 16 / (count > 1 ? 2 : 1) : 16 / count;
        data ??= new ColourDataset(120);
        return new()
        {
            Network = network, ClassCount = 3, Options = options, Folder = folder, Processes = processes,
            Training = new(data, new(data.Preprocessing, Augmentation.SmallImages with { Padding = 1 }), LoaderOptions.ForTraining(batch, 9) with { Share = share }),
            Validation = new(new ColourDataset(61, stream: 1), new(data.Preprocessing), LoaderOptions.ForEvaluation(8) with { Share = share }),
        };
    }

    /// <summary>Two convolutions, each with a normaliser, and a classifier.</summary>
    private sealed class NormNet : Module
    {
        private readonly Tensor _first;
        private readonly Tensor _second;
        private readonly Tensor _linear;
        private readonly NormLayer _norm1;
        private readonly NormLayer _norm2;

        public NormNet(bool isGroup)
        {
            _first = Parameter("first", [6, 3, 3, 3], Init.KaimingNormal(fanOut: false));
            _second = Parameter("second", [6, 6, 3, 3], Init.KaimingNormal(fanOut: false));
            _linear = Parameter("linear", [3, 6], Init.TorchDefault);
            _norm1 = Child("norm1", Norm(isGroup, ActivationKind.Relu));
            _norm2 = Child("norm2", Norm(isGroup, ActivationKind.Identity));
        }

        protected override Tensor OnForward(Tensor x)
        {
            x = _norm1.Forward(x.Conv2d(_first, stride: 2, padding: 1));
            return _norm2.Forward(x.Conv2d(_second, padding: 1), null, x).Mean([1, 2]).Linear(_linear);
        }

        private static NormLayer Norm(bool isGroup, ActivationKind activation) =>
            isGroup ? new Vertebra.Nn.GroupNorm(2, 6, activation: activation) : new BatchNorm2d(6, activation: activation);
    }
}
