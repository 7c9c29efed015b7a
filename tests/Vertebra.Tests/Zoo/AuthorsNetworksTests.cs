using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;
using Vertebra.Zoo.Families;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Zoo;

/// <summary>Networks that timm does not have: what their papers and their authors' code say of them.</summary>
public class AuthorsNetworksTests
{
    // Millions of parameters, as the papers print them; those of VanillaNet are of the merged form.
    [Theory]
    [InlineData("wrn_40_1", 0.6)]
    [InlineData("wrn_40_2", 2.2)]
    [InlineData("wrn_40_4", 8.9)]
    [InlineData("wrn_40_8", 35.7, 0.1)]
    [InlineData("wrn_28_10", 36.5)]
    [InlineData("wrn_28_12", 52.5)]
    [InlineData("wrn_22_8", 17.2)]
    [InlineData("wrn_22_10", 26.8)]
    [InlineData("wrn_16_8", 11.0)]
    [InlineData("wrn_16_10", 17.1)]
    [InlineData("hardnet39ds", 3.5)]
    [InlineData("hardnet68ds", 4.2)]
    [InlineData("hardnet68", 17.6)]
    [InlineData("hardnet85", 36.7)]
    [InlineData("vanillanet_5", 15.5)]
    [InlineData("vanillanet_6", 32.5)]
    [InlineData("vanillanet_7", 32.8)]
    [InlineData("vanillanet_8", 37.1)]
    [InlineData("vanillanet_9", 41.4)]
    [InlineData("vanillanet_10", 45.7)]
    [InlineData("vanillanet_11", 50.0)]
    [InlineData("vanillanet_12", 54.3)]
    [InlineData("vanillanet_13", 58.6)]
    [InlineData("vanillanet_13_x1_5", 127.8)]
    public void Parameters_are_those_of_the_paper(string name, double millions, double tolerance = 0.051)
    {
        using var meta = Construction.Meta();
        var network = Models.Create(name);
        network.Reparameterise();
        Assert.InRange(network.ParameterCount / 1e6, millions - tolerance, millions + tolerance);
    }

    // The counts of the weights that the authors published.
    [Theory]
    [InlineData("proxyless_cpu", 4_361_648)]
    [InlineData("proxyless_gpu", 7_119_848)]
    [InlineData("proxyless_mobile", 4_080_512)]
    [InlineData("proxyless_mobile_14", 6_857_568)]
    [InlineData("resnet50_ibn_a", 25_557_032)]
    [InlineData("resnet18_ibn_b", 11_689_896)]
    public void Parameters_are_those_of_the_published_weights(string name, long count)
    {
        using var meta = Construction.Meta();
        Assert.Equal(count, Models.Create(name).ParameterCount);
    }

    // Once-for-all names these three by their multiply-accumulates.
    [Theory]
    [InlineData("flops@389M_top1@79.1_finetune@75", 389)]
    [InlineData("flops-482M_top1-79.6_finetune-75", 482)]
    [InlineData("flops@595M_top1@80.0_finetune@75", 595)]
    public void Multiply_accumulates_are_those_of_the_name(string name, int millions)
    {
        using var meta = Construction.Meta();
        var network = Models.Create(name);
        var size = network.Description.Config.InputSize;
        Assert.InRange(Graph.Trace(network, [1, size.Height, size.Width, 3]).Macs / 1e6, millions - 1.5, millions + 1.5);
    }

    [Fact]
    public void Keys_are_those_of_the_authors()
    {
        AssertKeys("wrn_16_2", "conv0", "group0.block0.convdim", "group2.block1.bn1.running_var", "fc.bias");
        AssertKeys("resnet50_ibn_a", "layer1.0.bn1.IN.weight", "layer3.5.bn1.BN.running_mean", "layer4.2.bn1.weight", "layer1.0.downsample.0.weight");
        AssertKeys("resnet50_ibn_b", "bn1.bias", "layer1.2.IN.weight", "layer2.3.IN.bias");
        AssertKeys("se_resnet101_ibn_a", "layer1.0.se.fc.0.weight", "layer4.2.se.fc.2.weight");
        AssertKeys("hardnet68", "base.0.conv.weight", "base.3.layers.7.norm.weight", "base.16.3.bias");
        AssertKeys("hardnet39ds", "base.2.dwconv.weight", "base.3.layers.0.layer1.conv.weight", "base.3.layers.0.layer2.dwconv.weight");
        AssertKeys("vanillanet_5", "stem1.0.weight", "stem2.2.bn.weight", "stages.0.conv2.1.running_mean", "stages.2.act.weight", "cls1.3.bias", "cls2.0.weight");
        AssertKeys(
            "proxyless_mobile", "first_conv.conv.weight", "blocks.1.mobile_inverted_conv.inverted_bottleneck.bn.weight",
            "blocks.0.mobile_inverted_conv.depth_conv.conv.weight", "feature_mix_layer.bn.bias", "classifier.linear.weight");
        AssertKeys("ofa_pixel1_20ms", "blocks.3.mobile_inverted_conv.depth_conv.se.fc.reduce.weight", "final_expand_layer.conv.weight", "feature_mix_layer.conv.weight");
    }

    [Fact]
    public void One_call_merges_the_pairs_and_outputs_stay()
    {
        var network = Models.Create("vanillanet_5", new() { NumClasses = 7 });
        GoldenValues.Fill(network, new Dictionary<string, int>());
        var x = OpCases.Uniform([2, 64, 64, 3], 1);
        var before = network.Forward(x);
        ((VanillaNet)network).PairSlope = 0.5f;
        Assert.Contains("PairSlope", Assert.Throws<VertebraException>(() => network.Reparameterise()).Message);
        var between = network.Forward(x);
        Assert.NotEqual(before.ToArray<float>(), between.ToArray<float>());
        ((VanillaNet)network).PairSlope = 1;
        Assert.Equal(1, network.Reparameterise());
        AssertClose(before, network.Forward(x));
        Assert.Equal(["stem.0.weight", "stem.0.bias", "stem.1.weight", "stem.1.bias", "stages.0.conv.weight"], network.State().Select(s => s.Name).Take(5));
        Assert.Equal("cls", network.Classifier);
        var rebuilt = network.Description.Build();
        Assert.Equal(network.State().Select(s => s.Name), rebuilt.State().Select(s => s.Name));
        network.ResetClassifier(3);
        Assert.Equal([2, 3], network.Forward(x).Shape);
    }

    [Fact]
    public void A_bare_first_convolution_is_adapted_to_other_channels()
    {
        var colours = Models.Create("wrn_16_1");
        var grey = Models.Create("wrn_16_1", new() { InChans = 1 });
        var notes = grey.LoadPretrained(colours.State().ToDictionary(s => s.Name, s => s.Tensor), "weights");
        Assert.Contains("conv0", Assert.Single(notes));
    }

    private const string Config = """
        {"name": "MobileNetV3", "bn": {"momentum": 0.1, "eps": 1e-05},
        "first_conv": {"name": "ConvLayer", "kernel_size": 3, "stride": 2, "in_channels": 3, "out_channels": 16, "act_func": "h_swish"},
        "blocks": [
        {"name": "MobileInvertedResidualBlock", "mobile_inverted_conv": {"name": "MBInvertedConvLayer", "in_channels": 16, "out_channels": 16, "kernel_size": 3, "stride": 1,
        "expand_ratio": 1, "mid_channels": null, "act_func": "relu", "use_se": false}, "shortcut": {"name": "IdentityLayer"}},
        {"name": "ResidualBlock", "conv": {"name": "MBConvLayer", "in_channels": 16, "out_channels": 24, "kernel_size": 5, "stride": 2,
        "expand_ratio": 3, "mid_channels": 48, "act_func": "relu", "use_se": true}, "shortcut": null},
        {"mobile_inverted_conv": {"name": "ZeroLayer", "stride": 1}, "shortcut": {"name": "IdentityLayer"}}],
        "final_expand_layer": {"out_channels": 96, "act_func": "h_swish"}, "feature_mix_layer": {"out_channels": 128, "act_func": "h_swish"},
        "classifier": {"in_features": 128, "out_features": 10}}
        """;

    [Fact]
    public void A_searched_network_is_built_from_its_file()
    {
        var network = OfaNetworks.FromConfig(Config, "net.config");
        Assert.Equal([2, 10], network.Forward(OpCases.Uniform([2, 32, 32, 3], 1)).Shape);
        Assert.Equal((10, 3, 96), (network.NumClasses, network.InChans, network.NumFeatures));
        Assert.Equal([48, 16, 1, 1], network.State().Single(s => s.Name == "blocks.1.mobile_inverted_conv.inverted_bottleneck.conv.weight").Tensor.Shape);
        Assert.DoesNotContain(network.State(), s => s.Name.StartsWith("blocks.2", StringComparison.Ordinal) || s.Name.StartsWith("blocks.0.mobile_inverted_conv.inverted", StringComparison.Ordinal));
        Assert.Equal(4, OfaNetworks.FromConfig(Config, "net.config", new() { NumClasses = 4 }).NumClasses);
    }

    [Theory]
    [InlineData("\"name\": \"MobileNetV3\"", "\"name\": \"ResNets\"", "'ResNets'")]
    [InlineData("\"in_channels\": 16, \"out_channels\": 24", "\"in_channels\": 17, \"out_channels\": 24", "block 1 takes 17 channels; 16 come in")]
    [InlineData("\"kernel_size\": 5", "\"kernel_size\": 4", "kernel 4")]
    [InlineData("\"kernel_size\": 5", "\"kernel_size\": 99999", "kernel 99999")]
    [InlineData("\"out_channels\": 96", "\"out_channels\": 1000000000", "out_channels is 1000000000")]
    [InlineData("\"act_func\": \"relu\"", "\"act_func\": \"gelu\"", "'gelu'")]
    [InlineData("\"classifier\"", "\"classifyer\"", "'classifier' must be present")]
    [InlineData("{\"name\": \"MobileNetV3\"", "{{", "not JSON")]
    public void A_wrong_file_gets_one_clear_line(string old, string changed, string expected)
    {
        Assert.Contains(old, Config);
        var error = Assert.ThrowsAny<VertebraException>(() => OfaNetworks.FromConfig(Config.Replace(old, changed), "net.config"));
        Assert.Contains(expected, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Attention_is_an_option_of_residual_networks()
    {
        using var meta = Construction.Meta();
        var network = Models.Create("resnet26", new() { AttnLayer = "cbam" });
        Assert.Contains(network.State(), s => s.Name == "layer1.0.se.spatial.conv.bn.weight");
        var text = network.Description.ToJson();
        var read = NetworkDescription.FromJson(text, "config.json");
        Assert.Equal("cbam", read.Options.AttnLayer);
        Assert.Equal(GoldenValues.StateHash(network), GoldenValues.StateHash(read.Build()));
        Assert.Contains("resnest14d takes no attn_layer", Assert.Throws<VertebraException>(() => Models.Create("resnest14d", new() { AttnLayer = "se" })).Message);
        Assert.Contains("takes no attn_layer", Assert.Throws<VertebraException>(() => Models.Create("vgg11", new() { AttnLayer = "se" })).Message);
        Assert.Contains("attn_layer 'cbma' is unknown; there are se, ", Assert.Throws<VertebraException>(() => Models.Create("resnet26", new() { AttnLayer = "cbma" })).Message);
    }

    private static void AssertKeys(string name, params string[] keys)
    {
        using var meta = Construction.Meta();
        Assert.Subset(Models.Create(name).State().Select(s => s.Name).ToHashSet(), keys.ToHashSet());
    }

    private static void AssertClose(Tensor expected, Tensor found)
    {
        var (a, b) = (expected.ToArray<float>(), found.ToArray<float>());
        var distance = Math.Sqrt(a.Zip(b, (x, y) => Math.Pow(x - y, 2)).Sum() / a.Sum(x => (double)x * x));
        Assert.True(distance < 1e-4, $"merging changes the outputs by {distance}");
    }
}
