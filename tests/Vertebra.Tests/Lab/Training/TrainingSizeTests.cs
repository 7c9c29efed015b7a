using Vertebra.Lab.Data.Packing;
using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

/// <summary>Images of one size to train on and of another to be judged by.</summary>
public sealed class TrainingSizeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public TrainingSizeTests() => Packer.Pack(_folder["colours.vpk"], new ColourDataset(60), new ColourDataset(30, stream: 1), new());

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_network_is_trained_at_one_size_and_judged_and_described_at_the_other()
    {
        var run = Start("resnet20_cifar", 32, 16);
        Assert.Equal((16, 16), (run.TrainingPreprocessing.Height, run.TrainingPreprocessing.Width));
        Assert.Equal((32, 32), (run.Preprocessing.Height, run.Preprocessing.Width));
        Assert.Equal(run.Preprocessing, run.TrainingPreprocessing.WithSize(32));
        Assert.True(run.Run(NoProgress.Instance, CancellationToken.None).IsComplete);
        Assert.Contains("32", File.ReadAllText(run.Folder.Config));
        Assert.Equal(32, run.Description.Config.InputSize.Height);

        var resumed = TrainingRun.Resume(run.Folder.Path, _ => { });
        Assert.Equal(16, resumed.TrainingPreprocessing.Height);
    }

    /// <summary>Position embeddings are resampled to the size at hand; windows and mixers over places are built for one.</summary>
    [Fact]
    public void Networks_that_are_built_for_one_size_say_so()
    {
        Assert.Equal(160, Start("vit_tiny_patch16_224", 224, 160).TrainingPreprocessing.Height);
        foreach (var (model, side) in new[] { ("mixer_s32_224", 160), ("swin_tiny_patch4_window7_224", 160) })
        {
            var error = Assert.Throws<VertebraException>(() => Start(model, 224, side)).Message;
            Assert.StartsWith($"--train-img-size {side}: {model} is built for images of one size, 224x224, and cannot be trained at another", error);
        }
        Assert.Contains("1 to 16384", Assert.Throws<VertebraException>(() => Start("resnet20_cifar", 32, 0)).Message);
    }

    [Fact]
    public void Procedure_A3_of_ResNet_strikes_back_trains_at_160_and_is_judged_at_224()
    {
        var options = new TrainingOptions();
        Recipes.Apply("rsb-a3", options);
        Assert.Equal((160, 224, 0.95), (options.TrainImgSize, options.ImgSize, options.CropPct));
    }

    private TrainingRun Start(string model, int size, int trainingSize) => TrainingRun.Start(new()
    {
        DataDir = _folder["colours.vpk"], Model = model, Epochs = 1, BatchSize = 30, ImgSize = size, TrainImgSize = trainingSize, Output = _folder["runs"],
    }, _ => { });
}
