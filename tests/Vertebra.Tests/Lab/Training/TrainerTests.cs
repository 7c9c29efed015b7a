using Vertebra.Kernels;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Training;

public class TrainerTests
{
    private static readonly Lazy<string> Uninterrupted = new(() =>
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "whole");
        Assert.True(new Trainer(SmallRun.Setup(folder)).Run().IsComplete);
        return SmallRun.Fingerprint(folder);
    });

    [Fact]
    public void A_run_learns_and_leaves_its_files()
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "run");
        var options = SmallRun.Options;
        options.Epochs = 8;
        var setup = SmallRun.Setup(folder, options);
        var result = new Trainer(setup).Run();

        Assert.True(result.IsComplete);
        Assert.True(result.Rows[^1].Eval!.Value.Top1 > 90, $"accuracy {result.Rows[^1].Eval!.Value.Top1}");
        Assert.True(result.Rows[^1].TrainLoss < result.Rows[0].TrainLoss);
        Assert.Equal(result.Best!.Value.Metric, result.BestEvaluation!.Top1);
        Assert.Equal(result.Rows, RunSummary.Read(File.ReadAllText(folder.Summary), "summary.csv"));
        Assert.Equal("{\"architecture\": \"tiny\"}\n", File.ReadAllText(folder.Config));
        Assert.Equal(
            ["args.yaml", "config.json", "last.safetensors", "last_ema.safetensors", "model_best.safetensors", "state.safetensors", "summary.csv"],
            Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order());

        var read = new TrainingOptions();
        ArgsFile.ReadFile(folder.Args, read);
        Assert.Equal(ArgsFile.Write(options.WithEffectiveValues()), ArgsFile.Write(read));

        var best = new TinyConvNet();
        best.Load(Safetensors.Read(folder.Best).Tensors, folder.Best);
        Assert.Equal(result.Best.Value.Metric, Evaluator.Run(best, setup.Validation, 3).Top1);
        var last = new TinyConvNet();
        last.Load(Safetensors.Read(folder.Last).Tensors, folder.Last);
        Assert.Equal(result.Rows[^1].Eval!.Value.Loss, Evaluator.Run(last, setup.Validation, 3).Loss);
    }

    /// <summary>3 epochs of 7 batches, two batches an update: interrupted at the very start, inside an update, between, at an epoch's last batch, in an evaluation.</summary>
    [Theory]
    [InlineData("train 0 0")]
    [InlineData("train 0 2")]
    [InlineData("train 1 3")]
    [InlineData("train 1 6")]
    [InlineData("train 2 6")]
    [InlineData("test 0")]
    [InlineData("test 3")]
    [InlineData("train 0 1|train 0 4|test 1|train 1 1|train 2 2")]
    public void An_interrupted_run_goes_on_to_the_same_bits(string moments)
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "run");
        foreach (var moment in moments.Split('|'))
        {
            using var source = new CancellationTokenSource();
            var result = new Trainer(SmallRun.Setup(folder, progress: new At(moment, source.Cancel))).Run(source.Token);
            Assert.False(result.IsComplete);
            folder = RunFolder.Open(folder.Path);
        }
        var end = new Trainer(SmallRun.Setup(folder)).Run();
        Assert.True(end.IsComplete);
        Assert.NotNull(end.BestEvaluation);
        Assert.Equal(Uninterrupted.Value, SmallRun.Fingerprint(folder));
    }

    /// <summary>A run that dies without a word goes on from its last saved state: here one from every second update.</summary>
    [Theory]
    [InlineData("train 0 0")]
    [InlineData("train 1 5")]
    [InlineData("test 2")]
    [InlineData("train 0 6|train 1 0|train 2 3")]
    public void A_killed_run_goes_on_to_the_same_bits(string moments)
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "run");
        var options = SmallRun.Options;
        options.RecoveryInterval = 2;
        foreach (var moment in moments.Split('|'))
        {
            Assert.Throws<TimeoutException>(() => new Trainer(SmallRun.Setup(folder, options, new At(moment, () => throw new TimeoutException()))).Run());
            File.WriteAllText(folder.Last + ".77-1.tmp", "half a file");
            folder = RunFolder.Open(folder.Path);
            Assert.Empty(Directory.GetFiles(folder.Path, "*.tmp"));
        }
        Assert.True(new Trainer(SmallRun.Setup(folder, options)).Run().IsComplete);
        Assert.Equal(Uninterrupted.Value, SmallRun.Fingerprint(folder));
    }

    /// <summary>A network of the zoo brings fused batch norm, dropout, stochastic depth and weights packed for the kernels, which must not be stale after the average was evaluated in place.</summary>
    [Fact]
    public void A_network_of_the_zoo_goes_on_to_the_same_bits()
    {
        using var place = new TemporaryFolder();
        RunFolder Train(string name, params string[] moments)
        {
            var folder = RunFolder.Create(place.Path, name);
            foreach (var moment in moments.Append(""))
            {
                using var source = new CancellationTokenSource();
                var options = SmallRun.Options;
                (options.Epochs, options.BatchSize, options.Opt, options.Lr) = (2, 8, "adamw", 1e-3);
                var network = Models.Create("resnet20_cifar", new() { NumClasses = 3, DropRate = 0.1f, DropPathRate = 0.2f });
                network.Initialise(3);
                var data = new ColourDataset(32, size: 16);
                var input = new InputTransform(data.Preprocessing);
                new Trainer(new()
                {
                    Network = network, ClassCount = 3, Options = options, Folder = folder, Progress = new At(moment, source.Cancel),
                    Training = new(data, new(data.Preprocessing, Augmentation.SmallImages), LoaderOptions.ForTraining(8, 3)), Validation = new(data, input, LoaderOptions.ForEvaluation(16)),
                }).Run(source.Token);
            }
            return folder;
        }
        Assert.Equal(SmallRun.Fingerprint(Train("whole")), SmallRun.Fingerprint(Train("pieces", "train 0 2", "test 1", "train 1 0")));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 2)]
    public void Threads_do_not_change_the_result(int threads, int workers)
    {
        var former = Workers.Count;
        try
        {
            Workers.Count = threads;
            using var place = new TemporaryFolder();
            var folder = RunFolder.Create(place.Path, "run");
            new Trainer(SmallRun.Setup(folder, workers: workers)).Run();
            Assert.Equal(Uninterrupted.Value, SmallRun.Fingerprint(folder));
        }
        finally
        {
            Workers.Count = former;
        }
    }

    [Fact]
    public void Accumulated_batches_make_the_update_of_one_large_batch()
    {
        using var place = new TemporaryFolder();
        float[] Train(int batch, int steps)
        {
            var options = new TrainingOptions { BatchSize = batch, GradAccumSteps = steps, Epochs = 2, Lr = 0.1, WarmupEpochs = 0, Opt = "sgd", Seed = 4, Smoothing = 0 };
            var data = new ColourDataset(96, size: 2);
            var network = new TinyNet(inputs: 12);
            network.Initialise(1);
            var input = new InputTransform(data.Preprocessing);
            new Trainer(new()
            {
                Network = network, ClassCount = 3, Options = options, Folder = RunFolder.Create(place.Path, $"run-{batch}"),
                Training = new(data, input, LoaderOptions.ForTraining(batch, 4)), Validation = new(data, input, LoaderOptions.ForEvaluation(32)),
            }).Run();
            return [.. network.NamedParameters().SelectMany(p => p.Tensor.ToArray<float>())];
        }
        var (whole, pieces) = (Train(48, 1), Train(16, 3));
        for (var i = 0; i < whole.Length; i++)
            Assert.Equal(whole[i], pieces[i], 1e-5f);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_diverging_run_stops_with_one_clear_line_and_keeps_a_sound_state(int recoveryInterval)
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "run");
        var data = new ColourDataset(96, size: 2);
        var input = new InputTransform(data.Preprocessing);
        var error = Assert.Throws<TrainingDivergedException>(() => new Trainer(new()
        {
            Network = new TinyNet(inputs: 12), ClassCount = 3, Folder = folder,
            Options = new TrainingOptions { BatchSize = 16, Epochs = 50, Lr = 1e5, WarmupEpochs = 0, RecoveryInterval = recoveryInterval },
            Training = new(data, input, LoaderOptions.ForTraining(16, 4)), Validation = new(data, input, LoaderOptions.ForEvaluation(32)),
        }).Run());
        Assert.Contains("training diverged: the ", error.Message);
        Assert.Contains("lower --lr", error.Message);
        Assert.DoesNotContain('\n', error.Message);
        Assert.All(Safetensors.Read(folder.State).Tensors.Values, t => Assert.All(t.ToArray<float>(), v => Assert.True(float.IsFinite(v))));
    }

    [Fact]
    public void A_state_of_another_run_is_refused()
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "run");
        new Trainer(SmallRun.Setup(folder)).Run();
        void Refuses(string expected, Action<TrainingOptions> change)
        {
            var options = SmallRun.Options;
            change(options);
            Assert.Contains(expected, Assert.ThrowsAny<VertebraException>(() => new Trainer(SmallRun.Setup(folder, options)).Run()).Message);
        }
        Refuses("now there are 15", o => o.BatchSize = 8);
        Refuses("--model-ema", o => o.ModelEma = false);
        Refuses("exp_avg", o => o.Opt = "adam");
        File.Copy(folder.Last, folder.State, overwrite: true);
        Refuses("not a training state", _ => { });
        File.WriteAllText(folder.State, "rubbish");
        Refuses("not a valid safetensors file", _ => { });
        Assert.Contains("no state.safetensors", Assert.Throws<VertebraException>(() => RunFolder.Open(place.Path)).Message);
        Assert.Contains("no run folder", Assert.Throws<VertebraException>(() => RunFolder.Open(place["nowhere"])).Message);
    }

    [Fact]
    public void Epochs_between_evaluations_have_rows_without_one_and_the_last_is_always_evaluated()
    {
        using var place = new TemporaryFolder();
        var options = SmallRun.Options;
        (options.Epochs, options.ValInterval, options.ModelEma) = (4, 3, false);
        var result = new Trainer(SmallRun.Setup(RunFolder.Create(place.Path, "run"), options)).Run();
        Assert.Equal([false, false, true, true], result.Rows.Select(r => r.Eval is not null));
        Assert.All(result.Rows, r => Assert.Null(r.Ema));
    }

    [Fact]
    public void A_name_that_is_taken_gets_a_number()
    {
        using var place = new TemporaryFolder();
        var first = RunFolder.Create(place.Path, "run");
        File.WriteAllText(first.Args, "");
        Assert.Equal("run-2", RunFolder.Create(place.Path, "run").Name);
        Assert.Equal("20261120-093005-resnet50.a1_in1k-224", RunFolder.NameFor(new(2026, 11, 20, 9, 30, 5), "resnet50.a1_in1k", 224));
    }

    [Fact]
    public void Progress_lines_have_timms_form()
    {
        using var place = new TemporaryFolder();
        var text = new StringWriter();
        var options = SmallRun.Options;
        options.Epochs = 1;
        new Trainer(SmallRun.Setup(RunFolder.Create(place.Path, "run"), options, new LineProgress(text, 4, "top1"))).Run();
        var lines = text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, lines.Count(l => l.StartsWith("Train: 0 [", StringComparison.Ordinal)));
        Assert.Matches(@"^Train: 0 \[   4/7 \( 71%\)\]  Loss: \d\.\d{3} \(\d\.\d{3}\)  Acc@1: \d+\.\d  Time: \d\.\d{3}s, +\d+\.\d\d/s  \(\d\.\d{3}s, +\d+\.\d\d/s\)  LR: \d\.\d{3}e-\d\d  Data: \d\.\d{3} \(\d\.\d{3}\)  ETA: \d:\d\d:\d\d$", lines[1]);
        Assert.Contains(lines, l => l.StartsWith("Test: [   0/2]", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("Test (EMA): [   1/2]", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith(" * Acc@1 ", StringComparison.Ordinal) && l.EndsWith("on 60 images", StringComparison.Ordinal));
        Assert.Matches(@"^\*\*\* Best top1: \d+(\.\d+)? \(epoch 0\)$", lines[^1]);
    }

    [Fact]
    public void Time_left_counts_the_evaluations_to_come()
    {
        var clock = new TrainingClock(new());
        clock.BeginEpoch();
        clock.BatchDone(TimeSpan.Zero);
        clock.EvaluationDone(TimeSpan.FromSeconds(10));
        Assert.Equal(30, clock.Estimate(0, 3).TotalSeconds, 1e-9);
        Assert.Equal("1d 2:03:04", LineProgress.Time(new(1, 2, 3, 4)));
        Assert.Equal("0:00:59", LineProgress.Time(TimeSpan.FromSeconds(59)));
    }

    /// <summary>Does something at a moment: "train EPOCH BATCH", or "test N" at the first batch of the N-th evaluation (EMA's included).</summary>
    internal sealed class At(string moment, Action action) : ITrainingProgress
    {
        private int _evaluations;

        public void Trained(in TrainStep step) => Check($"train {step.Epoch} {step.Batch}");

        public void Evaluated(in EvaluationStep step)
        {
            if (step.Batch == 0)
                Check($"test {_evaluations++}");
        }

        public void EvaluationFinished(EvaluationResult result, bool isEma) { }

        public void EpochFinished(EpochRow row, BestEpoch? best) { }

        public void Note(string message) { }

        private void Check(string now)
        {
            if (now == moment)
                action();
        }
    }
}
