using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;
using Vertebra.Zoo.Layers;

namespace Vertebra.Tests.Zoo;

public class WeightStandardisationTests
{
    private static Tensor Images => Tensor.From(Enumerable.Range(0, 2 * 32 * 32 * 3).Select(i => (((i * 37) % 61) - 30) / 16f).ToArray(), [2, 32, 32, 3]);

    [Fact]
    public void A_converted_convolution_is_the_standardising_layer()
    {
        var (plain, layer) = (new Vertebra.Nn.Conv2d(3, 5, 3, padding: 1, bias: false), new StandardisedConv2d(3, 5, 3, padding: 1));
        layer.Load(plain.State().ToDictionary(e => e.Name, e => e.Tensor), "plain");
        Assert.Equal(1, WeightStandardisation.Apply(plain));
        Assert.Equal(layer.Forward(Images).ToArray<float>(), plain.Forward(Images).ToArray<float>());
    }

    /// <summary>What defines it: means and lengths of kernels do not count any more, in training and in evaluation.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_networks_results_do_not_depend_on_means_and_lengths_of_kernels(bool training)
    {
        var network = Models.Create("resnet20_cifar", new() { NumClasses = 4, WeightStandardise = true });
        network.Initialise(1);
        network.Train();
        for (var i = 0; i < 40 && !training; i++)
            network.Forward(Images); // until the running statistics are those of the images
        network.Train(training);
        var before = network.Forward(Images).ToArray<float>();
        foreach (var conv in network.NamedModules().Select(m => m.Module).OfType<Vertebra.Nn.Conv2d>())
            conv.Weight.CopyFrom<float>(Array.ConvertAll(conv.Weight.ToArray<float>(), w => (3 * w) + 0.125f));
        Assert.All(network.Forward(Images).ToArray<float>().Zip(before), p => Assert.Equal(p.Second, p.First, 2e-3));
        Assert.True(NetworkDescription.FromJson(network.Description.ToJson(), "config.json").Options.WeightStandardise);
    }

    [Fact]
    public void A_network_without_convolutions_to_convert_says_so() =>
        Assert.Contains("has no convolutions left", Assert.Throws<VertebraException>(() => Models.Create("resnetv2_50x1_bit", new() { NumClasses = 4, WeightStandardise = true })).Message, StringComparison.Ordinal);
}
