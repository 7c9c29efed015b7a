using Vertebra.Autograd;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Tests.Zoo;

public class CifarResNetTests
{
    private const int Record = 1 + (3 * 32 * 32);

    // Parameters as He et al. 2016, table 6, count them: 0.27, 0.46, 0.66, 0.85 and 1.7 million; the first and fourth to the
    // last one in the published weights' description.
    [Theory]
    [InlineData("resnet20_cifar", 269_722)]
    [InlineData("resnet32_cifar", 464_154)]
    [InlineData("resnet44_cifar", 658_586)]
    [InlineData("resnet56_cifar", 853_018)]
    [InlineData("resnet110_cifar", 1_727_962)]
    public void Parameters_are_those_of_the_paper(string name, long parameters)
    {
        using var _ = Construction.Meta();
        Assert.Equal(parameters, Models.Create(name).ParameterCount);
    }

    [SharedTheory]
    [InlineData("resnet20_cifar", "resnet20.safetensors", "resnet20", 1000, 915)]
    [InlineData("resnet20_cifar", "resnet20-12fca82f.th", "resnet20", 50, null)]
    [InlineData("resnet56_cifar", "resnet56.safetensors", "resnet56", 100, null)]
    [InlineData("resnet56_cifar", "resnet56-4bfd9763.th", "resnet56", 50, null)]
    public void Published_weights_give_the_published_logits(string model, string weights, string reference, int images, int? published)
    {
        using var off = GradMode.Off();
        var folder = SharedData.PathOf("data/weights-cifar10-resnet");
        var network = Models.Create(model);
        Assert.Empty(network.LoadPretrained(Checkpoint.Read(Path.Combine(folder, weights)).Tensors, weights));
        var (batch, labels) = Images(images);
        var logits = network.Forward(batch).ToArray<float>();
        var expected = Checkpoint.Read(Path.Combine(folder, $"{reference}_logits_test_first1000.safetensors")).Tensors["logits"].ToArray<float>();
        for (var i = 0; i < logits.Length; i++)
            Assert.Equal(expected[i], logits[i], 1e-3f);
        var right = Enumerable.Range(0, images).Count(i => logits.AsSpan(i * 10, 10).IndexOf(logits.Skip(i * 10).Take(10).Max()) == labels[i]);
        if (published is { } count)
            Assert.InRange(right, count - 1, count + 1);
    }

    private static (Tensor Batch, byte[] Labels) Images(int count)
    {
        using var file = File.OpenRead(SharedData.PathOf("data/cifar10/test_batch.bin"));
        var bytes = new byte[count * Record];
        file.ReadExactly(bytes);
        var (mean, std) = (PretrainedConfig.ImageNetMean, PretrainedConfig.ImageNetStd);
        var values = new float[count * 32 * 32 * 3];
        for (var i = 0; i < values.Length; i++)
        {
            var (image, pixel, channel) = (i / 3072, i / 3 % 1024, i % 3);
            values[i] = ((bytes[(image * Record) + 1 + (channel * 1024) + pixel] / 255f) - mean[channel]) / std[channel];
        }
        return (Tensor.From(values, [count, 32, 32, 3]), [.. Enumerable.Range(0, count).Select(i => bytes[i * Record])]);
    }
}
