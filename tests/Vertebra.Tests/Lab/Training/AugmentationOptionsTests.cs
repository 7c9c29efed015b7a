using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

public class AugmentationOptionsTests
{
    [Fact]
    public void Flags_arrive_in_the_augmentation()
    {
        var options = Parse(
            "--aa", "rand-m9-mstd0.5-inc1", "--color-jitter", "0.1 0.2 0.3 0.4", "--color-jitter-prob", "0.8", "--vflip", "0.1", "--grayscale-prob", "0.2",
            "--gaussian-blur-prob", "0.3", "--reprob", "0.25", "--remode", "rand", "--recount", "3", "--resplit", "true", "--aug-splits", "3", "--train-interpolation", "random");
        var augmentation = AugmentationOptions.Of(options, "folder", Preprocessing.ImageNet)!.Validate();
        Assert.Equal(
            Augmentation.Photos with
            {
                Policy = "rand-m9-mstd0.5-inc1",
                ColorJitter = new(0.1, 0.2, 0.3, 0.4) { Probability = 0.8 },
                VerticalFlipProbability = 0.1,
                GrayscaleProbability = 0.2,
                BlurProbability = 0.3,
                Erasing = new(0.25) { Mode = ErasingMode.Rand, Count = 3, SparesClean = true },
                Views = 3,
                RandomInterpolation = true,
            },
            augmentation);
        Assert.Equal(ResampleFilter.Bicubic, AugmentationOptions.Of(Parse("--train-interpolation", "bicubic"), "folder", Preprocessing.ImageNet)!.Interpolation);
        Assert.Equal(Augmentation.Photos, AugmentationOptions.Of(new(), "folder", Preprocessing.ImageNet));
        Assert.Equal(Augmentation.SmallImages, AugmentationOptions.Of(new(), "cifar10", Preprocessing.ImageNet.WithSize(32)));
        Assert.Equal(0, AugmentationOptions.Of(new(), "mnist", Preprocessing.ImageNet.WithSize(28))!.FlipProbability);
        Assert.Null(AugmentationOptions.Of(Parse("--no-aug", "true"), "folder", Preprocessing.ImageNet));
    }

    [Theory]
    [InlineData("--aa", "rand-m9-x3", "--aa: augmentation policy 'rand-m9-x3': 'x3'")]
    [InlineData("--train-interpolation", "cubic", "--train-interpolation: interpolation 'cubic' is unknown")]
    [InlineData("--color-jitter", "0.1 0.2", "--color-jitter is 0.1 0.2; it must be 1, 3 or 4 numbers")]
    [InlineData("--color-jitter", "0.1 0.2 0.3 0.6", "the fourth at most 0.5")]
    public void Bad_values_name_their_flag(string flag, string value, string expected) =>
        Assert.Contains(expected, Assert.Throws<VertebraException>(() => Parse(flag, value).Validate()).Message, StringComparison.Ordinal);

    /// <summary>Everything at once: policy, erasing, repeats and three views in a batch, interrupted and gone on with.</summary>
    [Fact]
    public void A_run_with_every_augmentation_goes_on_to_the_same_bits()
    {
        using var place = new TemporaryFolder();
        Assert.Equal(SmallRun.Fingerprint(Train("whole", int.MaxValue)), SmallRun.Fingerprint(Train("pieces", 5)));

        RunFolder Train(string name, int stopAfter)
        {
            var folder = RunFolder.Create(place.Path, name);
            for (var isComplete = false; !isComplete;)
            {
                using var source = new CancellationTokenSource();
                var setup = SmallRun.Setup(folder, progress: new StopAfter(stopAfter, source.Cancel));
                var data = new ColourDataset(120);
                var everything = Augmentation.SmallImages with
                {
                    Policy = "augmix-m5-w2", ColorJitter = new(0.4, 0.4, 0.4), RandomInterpolation = true, Erasing = new(0.5) { Mode = ErasingMode.Pixel }, Views = 3,
                };
                var result = new Trainer(setup with { Training = new(data, new(data.Preprocessing, everything), LoaderOptions.ForTraining(16, 9) with { Repeats = 3 }) }).Run(source.Token);
                Assert.All(result.Rows, row => Assert.InRange(row.TrainTop1, 0, 100));
                isComplete = result.IsComplete;
            }
            return folder;
        }
    }

    private static TrainingOptions Parse(params string[] arguments)
    {
        var options = new TrainingOptions();
        foreach (var pair in arguments.Chunk(2))
            TrainingOption.Find(pair[0][2..])!.Set(options, pair[1].Split(' '));
        return options;
    }

    /// <summary>Asks for the end of a run after so many batches.</summary>
    private sealed class StopAfter(int batches, Action stop) : ITrainingProgress
    {
        private int _left = batches;

        public void Trained(in TrainStep step)
        {
            if (--_left == 0)
                stop();
        }

        public void Evaluated(in EvaluationStep step) { }

        public void EvaluationFinished(EvaluationResult result, bool isEma) { }

        public void EpochFinished(EpochRow row, BestEpoch? best) { }

        public void Note(string message) { }
    }
}
