using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Tests.Zoo;

/// <summary>Layers from stem to head, learning rates that fall towards the stem, and parts that stay as they are.</summary>
public class LayerGroupTests
{
    // Found with timm's group_parameters: ids of the parameters in state-dict order, "id x how many in a row".
    [Theory]
    [InlineData("resnet50", false, "0x3 1x12 2x9 3x9 4x12 5x9 6x9 7x9 8x12 9x9 10x9 11x9 12x9 13x9 14x12 15x9 16x9 17x2")]
    [InlineData("resnet50", true, "0x3 1x30 2x39 3x57 4x30 5x2")]
    [InlineData("vit_base_patch16_224", false, "0x4 1x12 2x12 3x12 4x12 5x12 6x12 7x12 8x12 9x12 10x12 11x12 12x14 13x2")]
    [InlineData("vit_base_patch16_224", true, "0x4 1x12 2x12 3x12 4x12 5x12 6x12 7x12 8x12 9x12 10x12 11x12 12x14 13x2")]
    [InlineData("convnext_tiny", false, "0x4 1x9 2x9 3x9 4x13 5x9 6x9 7x13 8x9 9x9 10x9 11x9 12x9 13x9 14x9 15x9 16x13 17x9 18x9 19x4")]
    [InlineData("convnext_tiny", true, "0x4 1x27 2x31 3x85 4x31 5x4")]
    [InlineData("swin_tiny_patch4_window7_224", false, "0x4 1x13 2x13 3x16 4x13 5x16 6x13 7x13 8x13 9x13 10x13 11x16 12x15 13x2")]
    [InlineData("swin_tiny_patch4_window7_224", true, "0x4 1x26 2x29 3x81 4x31 5x2")] // the last norm belongs to the last stage here as among blocks; the reference moves it to the head
    [InlineData("efficientnet_b0", false, "0x3 1x10 2x13 3x13 4x13 5x13 6x13 7x13 8x13 9x13 10x13 11x13 12x13 13x13 14x13 15x13 16x16 17x2")]
    [InlineData("efficientnet_b0", true, "0x3 1x10 2x26 3x26 4x39 5x39 6x52 7x16 8x2")]
    [InlineData("mobilenetv3_small_050", false, "0x3 1x10 2x9 3x9 4x13 5x13 6x13 7x13 8x13 9x13 10x13 11x13 12x3 13x4")]
    [InlineData("mobilenetv3_small_050", true, "0x3 1x10 2x18 3x39 4x26 5x39 6x3 7x4")]
    [InlineData("test_resnet", false, "0x9 1x6 2x9 3x12 4x9 5x2")]
    [InlineData("test_resnet", true, "0x9 1x6 2x9 3x12 4x9 5x2")]
    [InlineData("cspresnet50", false, "0x3 1x12 2x9 3x15 4x15 5x9 6x15 7x15 8x9 9x9 10x9 11x15 12x15 13x15 14x2")]
    [InlineData("cspresnet50", true, "0x3 1x36 2x39 3x57 4x30 5x2")]
    public void Layers_are_those_of_the_reference(string name, bool coarse, string expected)
    {
        var network = OnMeta(name);
        var ids = network.LayerGroups(coarse).SelectMany(g => g.Parameters.Select(p => (p, g.Id))).ToDictionary(p => p.p, p => p.Id);
        var runs = new List<(int Id, int Count)>();
        foreach (var (parameter, _) in network.NamedParameters())
        {
            if (runs.Count > 0 && runs[^1].Id == ids[parameter])
                runs[^1] = (ids[parameter], runs[^1].Count + 1);
            else
                runs.Add((ids[parameter], 1));
        }
        Assert.Equal(expected, string.Join(' ', runs.Select(r => $"{r.Id}x{r.Count}")));
    }

    [Fact]
    public void In_every_family_each_parameter_is_in_one_layer_and_there_are_several()
    {
        var failures = new List<string>();
        foreach (var model in Models.Families.Select(f => f.Models[0]))
        {
            var network = OnMeta(model.Name);
            Assert.All(network.LayerGroups(coarse: true), l => Assert.NotEmpty(l.Parameters));
            var layers = network.LayerGroups();
            var names = layers.SelectMany(l => l.Parameters).ToList();
            if (layers.Count < 4 || names.Count != names.Distinct().Count() || !names.ToHashSet().SetEquals(network.NamedParameters().Select(p => p.Name)))
                failures.Add($"{model.Name}: {layers.Count} layers, {names.Count} parameters");
            if (!layers.Select(l => l.Id).SequenceEqual(Enumerable.Range(0, layers.Count)) || layers.Any(l => l.Name.Length == 0))
                failures.Add($"{model.Name}: layers {string.Join(", ", layers.Select(l => $"{l.Id} '{l.Name}'"))}");
        }
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Fact]
    public void Rates_fall_from_the_head_to_the_stem()
    {
        var network = Models.Create("test_resnet");
        var groups = ParameterGroup.ByLayer(network, 0.1, 0.5);
        var layers = network.LayerGroups();
        double Rate(string name) => groups.Single(g => g.Parameters.Any(p => p.Name == name)).RateScale;
        Assert.Equal((1, 0.5, Math.Pow(0.5, layers.Count - 1)), (Rate("fc.weight"), Rate("layer4.0.conv1.weight"), Rate("conv1.0.weight")));
        Assert.Equal(0.1, groups.Single(g => g.Parameters.Any(p => p.Name == "fc.weight")).WeightDecay);
        Assert.Equal(0, groups.Single(g => g.Parameters.Any(p => p.Name == "fc.bias")).WeightDecay);
        Assert.Equal(network.NamedParameters().Count(), groups.Sum(g => g.Parameters.Count));
    }

    [Fact]
    public void Frozen_parts_have_no_gradient_and_stay_in_evaluation()
    {
        var network = Models.Create("test_resnet");
        var all = network.NamedParameters().Count();
        Assert.Equal(9, network.Freeze("conv1", "bn1"));
        network.Freeze("layer1.*", "fc.bias");
        network.Train();
        Assert.False(network["bn1"].IsTraining);
        Assert.False(network["layer1.0.bn1"].IsTraining);
        Assert.True(network["layer2"].IsTraining);
        Assert.True(network["fc"].IsTraining);
        Assert.Equal(["fc.weight"], ParameterGroup.Of(network, 0).SelectMany(g => g.Parameters).Select(p => p.Name).Where(n => n.StartsWith("fc", StringComparison.Ordinal)));
        Assert.DoesNotContain(ParameterGroup.ByLayer(network, 0, 0.9).SelectMany(g => g.Parameters), p => p.Name.StartsWith("conv1", StringComparison.Ordinal));
        var before = network.State().Single(s => s.Name == "bn1.running_mean").Tensor.ToArray<float>();
        network.Forward(Tensor.Ones([2, 64, 64, 3]));
        Assert.Equal(before, network.State().Single(s => s.Name == "bn1.running_mean").Tensor.ToArray<float>());
        Assert.Equal(0, network.Unfreeze("*"));
        Assert.True(network.Train()["bn1"].IsTraining);
        var error = Assert.Throws<VertebraException>(() => network.Freeze("fc", "stem")).Message;
        Assert.Contains("'stem'", error);
        Assert.Contains("layer1", error);
        Assert.Equal(all, network.NamedParameters().Count(p => p.Tensor.RequiresGrad));
    }

    private static Backbone OnMeta(string name)
    {
        using var meta = Construction.Meta();
        return Models.Create(name);
    }
}
