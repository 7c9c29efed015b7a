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
    /// <param name="path">The run folder.</param>
    /// <param name="death">When the process kills itself.</param>
    public static int Train(string path, Death death)
    {
        var folder = File.Exists(Path.Combine(path, "state.safetensors")) ? RunFolder.Open(path) : RunFolder.Create(Path.GetDirectoryName(path)!, Path.GetFileName(path));
        var options = SmallRun.Options;
        options.RecoveryInterval = 1;
        // On a fast machine the run would be over before anyone could kill it.
        return Finish(new Trainer(SmallRun.Setup(folder, options, new MortalLines(death, pause: 50))).Run());
    }

    /// <summary>The same by <see cref="FullRecipe"/>.</summary>
    /// <param name="path">The run folder.</param>
    /// <param name="data">Folder of <see cref="Data.TinyCifar"/>.</param>
    /// <param name="death">When the process kills itself.</param>
    public static int TrainFull(string path, string data, Death death) =>
        Finish(FullRecipe.Begin(path, data).Run(new MortalLines(death, pause: 0), CancellationToken.None));

    private static int Finish(TrainingResult result)
    {
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

    /// <summary>
    /// Lines of progress, after so many of which the process sends itself SIGKILL, so many milliseconds later. It is no less sudden
    /// than another process's, and comes when it is meant to on a machine that has no time for the test that waits outside.
    /// </summary>
    /// <param name="death">When.</param>
    /// <param name="pause">Milliseconds after every batch.</param>
    private sealed class MortalLines(Death death, int pause) : ITrainingProgress
    {
        private readonly LineProgress _lines = new(Console.Out, 1, "top1");
        private int _seen;

        public void Trained(in TrainStep step)
        {
            _lines.Trained(step);
            Count();
            Thread.Sleep(pause);
        }

        public void Evaluated(in EvaluationStep step)
        {
            _lines.Evaluated(step);
            Count();
        }

        public void EvaluationFinished(EvaluationResult result, bool isEma)
        {
            _lines.EvaluationFinished(result, isEma);
            Count();
        }

        public void EpochFinished(EpochRow row, BestEpoch? best)
        {
            _lines.EpochFinished(row, best);
            Count();
        }

        public void Note(string message) => _lines.Note(message);

        private void Count()
        {
            if (++_seen != death.Lines)
                return;
            new Thread(() =>
            {
                Thread.Sleep(death.Delay);
                Process.GetCurrentProcess().Kill();
            }) { IsBackground = true, Priority = ThreadPriority.Highest }.Start();
        }
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

/// <summary>When a process kills itself: so many milliseconds after so many lines of progress; never after 0 lines.</summary>
internal readonly record struct Death(int Lines, int Delay)
{
    /// <summary>As <c>LINES DELAY</c> on the command line; nothing for never.</summary>
    public static Death Parse(string[] arguments) => arguments is [var lines, var delay]
        ? new(int.Parse(lines, CultureInfo.InvariantCulture), int.Parse(delay, CultureInfo.InvariantCulture)) : default;
}
