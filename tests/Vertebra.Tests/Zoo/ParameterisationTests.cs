using Vertebra.Autograd;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Zoo;
using Vertebra.Zoo.Layers;
using Vertebra.Zoo.Verification;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Tests.Zoo;

/// <summary>How residual branches are written: what must hold when training begins, and that descriptions keep it.</summary>
public class ParameterisationTests
{
    private const int Side = 32;

    public static TheoryData<string, string> Takers()
    {
        var data = new TheoryData<string, string>();
        foreach (var name in new[] { "resnet20_cifar", "resnet18", "resnet50", "seresnet50", "test_resnet", "test_vit" }.Where(n => Models.TryFind(n) is not null))
        {
            using var meta = Construction.Meta();
            foreach (var form in Models.Create(name).Parameterisations)
                data.Add(name, form);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Takers))]
    public void A_description_rebuilds_the_network_and_it_trains(string name, string form)
    {
        var network = Create(name, form);
        var read = NetworkDescription.FromJson(network.Description.ToJson(), "config.json");
        Assert.Equal(form, read.Options.Parameterisation);
        Assert.Equal(network.State().Select(s => (s.Name, s.Tensor.Shape)), read.Build().State().Select(s => (s.Name, s.Tensor.Shape)));
        network.Train();
        var loss = network.Forward(Images(name)).CrossEntropy(Tensor.From<long>(0, 2));
        loss.Backward();
        Assert.True(float.IsFinite(loss.ToScalar()));
        Assert.All(network.NamedParameters(), p => Assert.NotNull(p.Tensor.Grad));
    }

    [Theory]
    [InlineData("resnet20_cifar", "resnet56_cifar")]
    [InlineData("resnet18", "resnet34")]
    public void With_ReZero_and_Fixup_depth_changes_nothing_when_training_begins(string shallow, string deep)
    {
        foreach (var form in new[] { Parameterisation.ReZero, Parameterisation.Fixup })
        {
            // Blocks that change size have weights on their shortcut in resnet18: equal names have equal weights.
            var (a, b) = (Create(shallow, form).ForwardFeatures(Images(shallow)), Create(deep, form).ForwardFeatures(Images(deep)));
            Assert.Equal(a.ToArray<float>(), b.ToArray<float>());
            Assert.Contains(a.ToArray<float>(), v => v != 0);
        }
    }

    [Fact]
    public void A_block_with_ReZero_is_the_identity_and_its_number_learns_first()
    {
        var network = Create("test_vit", Parameterisation.ReZero);
        var x = Cases.OpCases.Uniform([2, 5, network.NumFeatures], 3);
        var block = network["blocks.0"];
        Assert.Equal(x.ToArray<float>(), block.Forward(x).ToArray<float>());
        Assert.DoesNotContain(block.NamedParameters(), p => p.Name.StartsWith("norm", StringComparison.Ordinal));
        Assert.Single(block.NamedParameters(), p => p.Name == "factor.resweight");
        block.Forward(x).Square().Sum().Backward();
        var moved = block.NamedParameters().Where(p => p.Tensor.Grad!.ToArray<float>().Any(g => g != 0)).Select(p => p.Name);
        Assert.Equal(["factor.resweight"], moved);
    }

    [Theory]
    [InlineData("resnet20_cifar", "layer2.1", 2, 9)]
    [InlineData("resnet56_cifar", "layer3.4", 2, 27)]
    [InlineData("resnet50", "layer4.1", 3, 16)]
    public void Fixup_scales_the_first_layers_and_zeroes_the_last(string name, string path, int layers, int blocks)
    {
        var block = Create(name, Parameterisation.Fixup)[path];
        for (var i = 1; i < layers; i++)
        {
            var weight = ((Conv2d)block[$"conv{i}"]).Weight;
            var values = weight.ToArray<float>();
            var he = Math.Sqrt(2.0 / (weight.Shape[0] * weight.Shape.CountBetween(2, 4)));
            Assert.Equal(he * Math.Pow(blocks, -1.0 / ((2 * layers) - 2)), Math.Sqrt(values.Average(v => (double)v * v)), he * 0.02);
        }
        Assert.All(((Conv2d)block[$"conv{layers}"]).Weight.ToArray<float>(), v => Assert.Equal(0, v));
        Assert.Equal(1, block.NamedParameters().Single(p => p.Name == "scale").Tensor.ToScalar());
        Assert.Equal(2 * layers, block.NamedModules().Count(m => m.Module is ScalarBias));
    }

    [Fact]
    public void A_network_with_Fixup_has_no_normalisers_and_its_first_answers_are_zero()
    {
        var network = Create("resnet50", Parameterisation.Fixup);
        Assert.DoesNotContain(network.NamedModules(), m => m.Module is BatchNorm2d or GroupNorm or LayerNorm);
        Assert.All(network.Forward(Images("resnet50")).ToArray<float>(), v => Assert.Equal(0, v));
    }

    [Fact]
    public void Depth_muP_multiplies_by_the_root_of_the_branches_and_lowers_the_rates_of_adaptive_methods()
    {
        var network = Create("resnet56_cifar", Parameterisation.DepthMuP);
        var factors = network.NamedModules().Select(m => m.Module).OfType<DepthFactor>().ToList();
        Assert.Equal(27, factors.Count);
        Assert.All(factors, f => Assert.Equal(1 / Math.Sqrt(27), f.Factor, 1e-6));
        var vit = Create("test_vit", Parameterisation.DepthMuP); // two branches in each of six blocks
        Assert.All(vit.NamedModules().Select(m => m.Module).OfType<DepthFactor>(), f => Assert.Equal(1 / Math.Sqrt(12), f.Factor, 1e-6));
        var plain = ParameterGroup.Of(network, 0.1);
        Assert.Same(plain, ParameterisationRates.Apply(plain, network, "sgd"));
        var groups = ParameterisationRates.Apply(plain, network, "adamw");
        Assert.Equal(Rated(plain).Keys.Order(), Rated(groups).Keys.Order());
        foreach (var (name, (rate, decay)) in Rated(groups))
        {
            Assert.Equal(name.StartsWith("layer", StringComparison.Ordinal) ? 1 / Math.Sqrt(27) : 1, rate, 1e-6);
            Assert.Equal(Rated(plain)[name].Decay, decay);
        }
    }

    [Fact]
    public void Single_numbers_of_Fixup_learn_at_a_tenth_of_the_rate()
    {
        var network = Create("resnet20_cifar", Parameterisation.Fixup);
        foreach (var (name, (rate, _)) in Rated(ParameterisationRates.Apply(ParameterGroup.Of(network, 0.1), network, "sgd")))
            Assert.Equal(network.NamedParameters().Single(p => p.Name == name).Tensor.ElementCount == 1 ? 0.1 : 1, rate);
    }

    // Over the registry: a new method must be told apart too.
    [Fact]
    public void Methods_whose_updates_grow_with_the_gradient_are_known()
    {
        var wrong = new List<string>();
        foreach (var kind in Optimizers.All)
        {
            var (one, ten) = (Update(kind, 10), Update(kind, 100));
            if (ParameterisationRates.IsLinear(kind.Name) != (Math.Abs((ten / one) - 10) < 1))
                wrong.Add($"{kind.Name}: {one} and {ten}");
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("efficientnet_b0", "rezero", "only resnets")]
    [InlineData("seresnet50", "fixup", "rezero or depth-mup")]
    [InlineData("resnet18", "layer-scale", "rezero or depth-mup or fixup")]
    [InlineData("resnet18", "other", "parameterisation is other")]
    public void Where_it_is_not_defined_one_line_says_so(string name, string form, string expected)
    {
        using var meta = Construction.Meta();
        Assert.Contains(expected, Assert.Throws<VertebraException>(() => Models.Create(name, new() { Parameterisation = form })).Message, StringComparison.Ordinal);
    }

    // After some of them: rectified methods and those that switch begin as others.
    private static double Update(OptimizerKind kind, float size)
    {
        var weight = Cases.OpCases.Uniform([8, 8], 1);
        weight.RequiresGrad = true;
        weight.Grad = Cases.OpCases.Uniform([8, 8], 2) * size;
        var optimizer = kind.Create([new([new("weight", weight)], 1e-4)], new() { Opt = kind.Name });
        optimizer.LearningRate = 1e-4;
        for (var i = 0; i < 12; i++)
            optimizer.Step();
        var before = weight.ToArray<float>();
        optimizer.Step();
        return Math.Sqrt(weight.ToArray<float>().Zip(before, (a, b) => Math.Pow(a - b, 2)).Sum());
    }

    private static Dictionary<string, (double Rate, double Decay)> Rated(IReadOnlyList<ParameterGroup> groups) =>
        groups.SelectMany(g => g.Parameters.Select(p => (p.Name, g.RateScale, g.WeightDecay))).ToDictionary(p => p.Name, p => (p.RateScale, p.WeightDecay));

    private static Backbone Create(string name, string? form)
    {
        var network = Models.Create(name, new() { NumClasses = 3, Parameterisation = form, ImgSize = name.Contains("vit", StringComparison.Ordinal) ? null : Side });
        network.Initialise(4);
        return network;
    }

    private static Tensor Images(string name)
    {
        var side = name.Contains("vit", StringComparison.Ordinal) ? Models.Find(name).Config.InputSize.Height : Side;
        return GoldenValues.Images(["a", "b"], new(3, side, side));
    }
}
