using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training.Distillation;

/// <summary>Runs that are interrupted and gone on with, made anew each time as another process would.</summary>
internal static class InterruptedRun
{
    /// <summary>What a run leaves that is interrupted after so many batches, as often as told, and then finished.</summary>
    public static string Fingerprint(Func<RunFolder, ITrainingProgress?, TrainerSetup> setup, params int[] stops)
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "run");
        foreach (var stop in stops)
        {
            using var source = new CancellationTokenSource();
            Assert.False(new Trainer(setup(folder, new StopAfter(stop, source))).Run(source.Token).IsComplete);
        }
        Assert.True(new Trainer(setup(folder, null)).Run().IsComplete);
        return SmallRun.Fingerprint(folder);
    }
}
