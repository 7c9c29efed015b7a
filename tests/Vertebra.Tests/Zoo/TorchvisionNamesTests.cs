using System.Text.Json;
using Vertebra.Autograd;
using Vertebra.Nn;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Zoo;

/// <summary>
/// Checkpoints with torchvision's names in networks that have timm's. The golden files hold the names and shapes of torchvision 0.14's
/// networks and the logits that they gave with the weights that the golden files' rule makes of those names.
/// </summary>
public class TorchvisionNamesTests
{
    [Theory]
    [InlineData("mobilenet_v2", "mobilenetv2_100")]
    [InlineData("efficientnet_b0", "efficientnet_b0")]
    [InlineData("regnet_y_400mf", "regnety_004")]
    [InlineData("convnext_tiny", "convnext_tiny")]
    [InlineData("swin_t", "swin_tiny_patch4_window7_224")]
    [InlineData("vit_b_16", "vit_base_patch16_224")]
    [InlineData("vgg11_bn", "vgg11_bn")]
    [InlineData("inception_v3", "inception_v3")]
    public void A_checkpoint_gives_the_logits_that_torchvision_gives(string name, string model)
    {
        using var off = GradMode.Off();
        var (root, state) = Read(name);
        var network = Empty(model);
        var note = Assert.Single(network.LoadPretrained(state, name));
        Assert.Contains("torchvision's names", note);
        var size = root.GetProperty("input_size").EnumerateArray().Select(s => s.GetInt32()).ToArray();
        var logits = network.Forward(GoldenValues.Images(["input"], new(size[0], size[1], size[2])));
        var expected = new GoldenStatistics(new JsonFields(root.GetProperty("outputs").GetProperty("logits"), name));
        var check = expected.CompareLogits("logits", logits, root.GetProperty("tol").GetProperty("logits").GetDouble());
        Assert.True(check.Passed, $"{check}");
    }

    [Fact]
    public void A_classifier_of_another_size_is_left_out()
    {
        var network = Models.Create("mobilenetv2_100", new() { NumClasses = 7 });
        var notes = network.LoadPretrained(Read("mobilenet_v2").State, "mobilenet_v2");
        Assert.Equal(2, notes.Count);
        Assert.Contains("classifier", notes[1]);
    }

    [Fact]
    public void Weights_of_another_network_are_refused_under_their_own_names()
    {
        var error = Assert.Throws<VertebraException>(() => Empty("mobilenetv2_140").LoadPretrained(Read("efficientnet_b0").State, "weights.pth"));
        Assert.Contains("weights.pth does not fit", error.Message);
        Assert.Contains("features.", error.Message);
    }

    // Its batch norms have another epsilon in torchvision: the weights would load and give other outputs.
    [Fact]
    public void Names_alone_do_not_make_a_network_the_same()
    {
        var state = Read("efficientnet_b0").State;
        var error = Assert.Throws<VertebraException>(() => Empty("efficientnet_b5").LoadPretrained(state, "weights.pth"));
        Assert.Contains("features.", error.Message);
    }

    private static Backbone Empty(string model)
    {
        using var _ = Construction.Deferred();
        return Models.Create(model);
    }

    private static (JsonElement Root, Dictionary<string, Tensor> State) Read(string name)
    {
        var path = Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/torchvision", $"{name}.json");
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        var root = document.RootElement.Clone();
        return (root, root.GetProperty("state_dict").EnumerateArray().ToDictionary(r => r[0].GetString()!, Filled));
    }

    private static Tensor Filled(JsonElement row)
    {
        var name = row[0].GetString()!;
        Shape shape = [.. row[1].EnumerateArray().Select(s => s.GetInt32())];
        if (row[2].GetString() == "int64")
            return Tensor.From(new long[shape.ElementCount], shape);
        var isParameter = !name.EndsWith("running_mean", StringComparison.Ordinal) && !name.EndsWith("running_var", StringComparison.Ordinal);
        var values = new float[shape.ElementCount];
        var tensor = Tensor.From(values, shape);
        GoldenValues.Fill(values, name, shape, GoldenValues.RuleOf(new(name, tensor, isParameter)));
        if (row.GetArrayLength() > 3)
            values = Array.ConvertAll(values, v => MathF.ScaleB(v, row[3].GetInt32()));
        return Tensor.From(values, shape);
    }
}
