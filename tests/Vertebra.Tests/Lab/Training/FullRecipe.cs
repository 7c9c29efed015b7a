using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

/// <summary>A run that has every kind of state at once: averages, two passes an update, slow weights, mixed and repeated images, noise.</summary>
internal static class FullRecipe
{
    /// <summary>Sets the run up, or what is to be gone on with.</summary>
    /// <param name="path">Its folder.</param>
    /// <param name="data">Folder of <see cref="Data.TinyCifar"/>.</param>
    public static TrainingRun Begin(string path, string data) => File.Exists(Path.Combine(path, "state.safetensors")) ? TrainingRun.Resume(path, _ => { })
        : TrainingRun.Start(Options(path, data), _ => { });

    private static TrainingOptions Options(string path, string data) => new()
    {
        Dataset = "cifar10", DataDir = data, Model = "resnet20_cifar", Output = Path.GetDirectoryName(path), Experiment = Path.GetFileName(path),
        BatchSize = 16, GradAccumSteps = 2, Epochs = 4, Seed = 6, RecoveryInterval = 1,
        Opt = "lookahead_adamw", Lr = 2e-3, WeightDecay = 0.05, ClipGrad = 1, GradNoise = 1e-4, Sam = "sam", SamRho = 0.05,
        Sched = "cosine", WarmupEpochs = 1, MinLr = 1e-5, HeadLrMult = 2,
        ModelEma = true, ModelEmaDecay = 0.9, ModelEmaWarmup = true, Swa = true, SwaStart = 2,
        Aa = "rand-m9-mstd0.5-inc1", Reprob = 0.25, AugRepeats = 3, Mixup = 0.8, Cutmix = 1, MixupOffEpoch = 3, Smoothing = 0.1,
        Drop = 0.1, DropPath = 0.2, NormLoss = 1e-3, TrainLimit = 96,
    };
}
