using System.Diagnostics;
using System.Globalization;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

/// <summary>What a training process that tests start does, and how they start it.</summary>
internal static class TrainingProcess
{
    /// <summary>Starts this assembly's program with the given arguments, its output redirected.</summary>
    public static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet") { RedirectStandardOutput = true };
        start.ArgumentList.Add(typeof(TrainingProcess).Assembly.Location);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    /// <summary>Trains the usual small network in a run folder, from its state if there is one; a line for every batch.</summary>
    public static int Train(string path)
    {
        var folder = File.Exists(Path.Combine(path, "state.safetensors")) ? RunFolder.Open(path) : RunFolder.Create(Path.GetDirectoryName(path)!, Path.GetFileName(path));
        var options = SmallRun.Options;
        options.RecoveryInterval = 1;
        Console.Out.Flush();
        var result = new Trainer(SmallRun.Setup(folder, options, new PacedLines())).Run();
        Console.WriteLine(result.IsComplete ? "complete" : "interrupted");
        return 0;
    }

    /// <summary>Trains a network whose activations are large beside the runtime itself, disposing of nothing; prints the resident bytes after every step.</summary>
    public static int PrintMemory(int steps)
    {
        var data = new ColourDataset(16 * steps, size: 32);
        var network = new TinyConvNet(width: 32, hasNoise: false);
        network.Initialise(1);
        using var place = new TemporaryFolder();
        new Trainer(new()
        {
            Network = network,
            ClassCount = 3,
            Options = new() { Epochs = 1, BatchSize = 16, Lr = 0.01, ModelEma = true, LogInterval = 1 },
            Training = new(data, new(data.Preprocessing, Augmentation.SmallImages), LoaderOptions.ForTraining(16, 1)),
            Validation = new(new ColourDataset(16, size: 32), new(data.Preprocessing), LoaderOptions.ForEvaluation(16)),
            Folder = RunFolder.Create(place.Path, "run"),
            Progress = new MemoryPrinter(),
        }).Run();
        return 0;
    }

    /// <summary>A line for every batch, and a pause after it: on a fast machine the run would be over before anyone could kill it.</summary>
    private sealed class PacedLines : ITrainingProgress
    {
        private readonly LineProgress _lines = new(Console.Out, 1, "top1");

        public void Trained(in TrainStep step)
        {
            _lines.Trained(step);
            Thread.Sleep(50);
        }

        public void Evaluated(in EvaluationStep step) => _lines.Evaluated(step);

        public void EvaluationFinished(EvaluationResult result, bool isEma) => _lines.EvaluationFinished(result, isEma);

        public void EpochFinished(EpochRow row, BestEpoch? best) => _lines.EpochFinished(row, best);

        public void Note(string message) => _lines.Note(message);
    }

    private sealed class MemoryPrinter : ITrainingProgress
    {
        public void Trained(in TrainStep step)
        {
            using var self = Process.GetCurrentProcess();
            Console.WriteLine(self.WorkingSet64.ToString(CultureInfo.InvariantCulture));
        }

        public void Evaluated(in EvaluationStep step) { }

        public void EvaluationFinished(EvaluationResult result, bool isEma) { }

        public void EpochFinished(EpochRow row, BestEpoch? best) { }

        public void Note(string message) { }
    }
}
