using Vertebra.Autograd;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Training;

public class FineTuningTests
{
    [Theory]
    [InlineData("resnet20_cifar", null)]
    [InlineData("resnet20_cifar", 3)]
    [InlineData("mobilenetv3_small_050", 4)]
    [InlineData("vit_tiny_patch16_224", 5)]
    [InlineData("convnext_atto", null)]
    public void Exactly_the_first_layers_are_frozen(string name, int? layers)
    {
        var network = Models.Create(name, new() { NumClasses = 4 });
        var groups = network.LayerGroups();
        var expected = groups.Take(layers ?? (groups.Count - 1)).SelectMany(g => g.Parameters).Order().ToArray();
        Assert.Equal(expected.Length, network.FreezeBody(layers));
        Assert.Equal(expected, network.NamedParameters().Where(p => !p.Tensor.RequiresGrad).Select(p => p.Name).Order());
        Assert.All(network.NamedParameters().Where(p => network.Classifier.Split(',').Any(c => p.Name.StartsWith(c, StringComparison.Ordinal))), p => Assert.True(p.Tensor.RequiresGrad));
    }

    [Fact]
    public void A_step_moves_what_is_not_frozen_only_statistics_included()
    {
        var network = Models.Create("resnet20_cifar", new() { NumClasses = 4 });
        network.Initialise(seed: 1);
        network.FreezeBody(4);
        network.Train();
        var before = network.State().ToDictionary(e => e.Name, e => e.Tensor.Clone());
        var optimizer = Optimizers.Create(ParameterGroup.Of(network, 1e-4), new() { Opt = "sgd" });
        optimizer.LearningRate = 0.1;
        var images = new float[4 * 32 * 32 * 3];
        new Philox(1, 2).FillNormal(images);
        network.Forward(Tensor.From(images, [4, 32, 32, 3])).CrossEntropy(Tensor.From([0L, 1, 2, 3], [4])).Backward();
        optimizer.Step();
        var frozen = network.LayerGroups().Take(4).Select(g => g.Name).ToArray();
        foreach (var (name, tensor) in network.State().Select(e => (e.Name, e.Tensor)))
        {
            var isFrozen = name.StartsWith("conv1", StringComparison.Ordinal) || name.StartsWith("bn1", StringComparison.Ordinal) || frozen.Any(f => name.StartsWith(f + ".", StringComparison.Ordinal));
            var isSame = tensor.DType == DType.Int64 ? tensor.ToArray<long>().SequenceEqual(before[name].ToArray<long>()) : tensor.ToArray<float>().SequenceEqual(before[name].ToArray<float>());
            Assert.True(isFrozen == isSame, name);
        }
    }

    [Theory]
    [InlineData("resnet20_cifar", null)]
    [InlineData("vit_tiny_patch16_224", 0.5)]
    [InlineData("deit_tiny_distilled_patch16_224", null)]
    public void The_classifier_learns_at_its_own_rate(string name, double? layerDecay)
    {
        var network = Models.Create(name, new() { NumClasses = 4 });
        var groups = layerDecay is { } decay ? ParameterGroup.ByLayer(network, 0.1, decay) : ParameterGroup.Of(network, 0.1);
        var scaled = groups.WithHeadRate(network, 10);
        var (before, after) = (Rates(groups), Rates(scaled));
        Assert.Equal(before.Keys.Order(), after.Keys.Order());
        var heads = network.Classifier.Split(',');
        Assert.All(after, p => Assert.Equal(before[p.Key] with { Item1 = before[p.Key].Rate * (heads.Any(h => p.Key.StartsWith(h + ".", StringComparison.Ordinal)) ? 10 : 1) }, p.Value));
        Assert.Equal(2 * heads.Length, after.Count(p => p.Value.Rate == 10));
    }

    [Fact]
    public void Wrong_numbers_of_layers_are_named()
    {
        var network = Models.Create("resnet20_cifar");
        Assert.Contains("has 10 layers before its head", Assert.Throws<VertebraException>(() => network.FreezeBody(11)).Message, StringComparison.Ordinal);
        Assert.Contains("--freeze-body is some", Assert.Throws<VertebraException>(new TrainingOptions { FreezeBody = "some" }.Validate).Message, StringComparison.Ordinal);
        Assert.Contains("--sampler is even", Assert.Throws<VertebraException>(new TrainingOptions { Sampler = "even" }.Validate).Message, StringComparison.Ordinal);
        var options = new TrainingOptions();
        TrainingOption.Find("freeze-body")!.Set(options, []);
        Assert.Equal("all", options.FreezeBody);
    }

    private static Dictionary<string, (double Rate, double Decay)> Rates(IEnumerable<ParameterGroup> groups) =>
        groups.SelectMany(g => g.Parameters.Select(p => (p.Name, (g.RateScale, g.WeightDecay)))).ToDictionary();
}
