using System.Text.Json;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;
using Vertebra.Nn;
using Vertebra.Tests.Zoo;
using Vertebra.Zoo;
using Vertebra.Zoo.Weights;

namespace Vertebra.Tests.Cli;

/// <summary>Published weights from the command line, from a hub on this machine; and what is known of networks without any.</summary>
public sealed class PublishedWeightsTests : IDisposable
{
    private const string Published = "test_resnet.r160_in1k";
    private readonly TemporaryFolder _folder = new();
    private readonly HubServer _server = new();
    private readonly Backbone _network = Models.Create(Published);

    public PublishedWeightsTests()
    {
        Safetensors.Write(_folder["model.safetensors"], _network.State().Select(s => (s.Name, s.Tensor)));
        _server.Add($"timm/{Published}", "model.safetensors", File.ReadAllBytes(_folder["model.safetensors"]));
        File.Delete(_folder["model.safetensors"]);
        var image = new RgbImage(64, 48);
        new Random(1).NextBytes(image.Pixels);
        File.WriteAllBytes(_folder["a.png"], PngWriter.Encode(image));
    }

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Predict_downloads_once_and_then_works_offline()
    {
        var first = Run("predict", "test_resnet", "a.png", "--pretrained", "--json");
        Assert.Contains($"timm/{Published}/model.safetensors", first.Errors);
        var count = _server.Requests.Count;
        Assert.Equal(first.Succeeded(), Run("predict", Published, "a.png", "--pretrained", "--offline", "--json").Succeeded());
        Assert.Equal(count, _server.Requests.Count);
        using var json = JsonDocument.Parse(Run("predict", "test_resnet", "a.png", "--pretrained", "--offline", "--json", "--output-type", "embeddings").Succeeded());
        Assert.Equal(_network.NumFeatures, json.RootElement.GetProperty("embedding").GetArrayLength());
        using var logits = JsonDocument.Parse(Run("predict", "test_resnet", "a.png", "--pretrained", "--offline", "--json", "--output-type", "logits", "--topk", "3").Succeeded());
        using var prob = JsonDocument.Parse(first.Output);
        Assert.Equal(
            prob.RootElement.GetProperty("predictions").EnumerateArray().Take(3).Select(p => p.GetProperty("index").GetInt32()),
            logits.RootElement.GetProperty("predictions").EnumerateArray().Select(p => p.GetProperty("index").GetInt32()));
    }

    [Fact]
    public void Export_takes_size_and_normalisation_from_the_weights()
    {
        var output = Run("export", "test_resnet", "-o", "net.onnx", "--pretrained").Succeeded();
        Assert.Contains("input [batch, 3, 160, 160]", output);
        Assert.Contains("input [batch, 3, 208, 208]", Run("export", "test_resnet", "-o", "net.onnx", "--pretrained", "--offline", "--img-size", "208").Succeeded());
    }

    [Fact]
    public void Training_starts_from_published_weights_and_leaves_frozen_parts_alone()
    {
        foreach (var (name, shade) in new[] { ("dark", (byte)20), ("light", (byte)220) })
        {
            Directory.CreateDirectory(_folder[$"photos/{name}"]);
            for (var i = 0; i < 8; i++)
            {
                var image = new RgbImage(32, 32);
                image.Pixels.AsSpan().Fill((byte)(shade + i));
                File.WriteAllBytes(_folder[$"photos/{name}/{i}.png"], PngWriter.Encode(image));
            }
        }
        string[] options = ["train", "--model", "test_resnet", "--pretrained", "--dataset", "folder", "--data-dir", "photos", "--val-split", "0.25", "--img-size", "64", "--batch-size", "4", "--epochs", "1", "--experiment", "x"];
        var result = Run([.. options, "--freeze", "conv1", "bn1", "--layer-decay", "0.5", "--lr", "0.05"]);
        result.Succeeded();
        Assert.Contains("9 of", result.Errors);
        var trained = NetworkFiles.Load(_folder["runs/x"]);
        Assert.Equal(2, trained.NumClasses);
        var (before, after) = (Values(_network), Values(trained));
        Assert.All(before.Keys.Where(k => k.StartsWith("conv1", StringComparison.Ordinal) || k.StartsWith("bn1", StringComparison.Ordinal)), k => Assert.Equal(before[k], after[k]));
        Assert.NotEqual(before["layer4.0.conv1.weight"], after["layer4.0.conv1.weight"]);
        Assert.Contains("layer_decay: 0.5", File.ReadAllText(_folder["runs/x/args.yaml"]));
        Assert.Contains("freeze: [conv1, bn1]", File.ReadAllText(_folder["runs/x/args.yaml"]));
    }

    [Fact]
    public void What_cannot_be_had_is_said_in_one_line()
    {
        Assert.Contains("no weights are published", Run("predict", "resnet20_cifar", "a.png", "--pretrained").Refused());
        Assert.Contains("timm/resnet18.a1_in1k", Run("predict", "resnet18", "a.png", "--pretrained").Refused());
        Assert.Contains("--offline", Run("predict", "test_resnet", "a.png", "--pretrained", "--offline").Refused());
        Assert.Contains("does not exist", Run("predict", "hf-hub:owner/absent", "a.png").Refused().Replace("there is no repository", "does not exist", StringComparison.Ordinal));
        Assert.Contains("no repository of the hub", Run("predict", "hf-hub:../..", "a.png").Refused());
    }

    [Fact]
    public void Models_are_filtered_by_budget_and_sorted()
    {
        using var json = JsonDocument.Parse(Run("models", "resnet*", "--max-params", "15", "--max-gmacs", "2", "--max-acts", "3", "--sort", "params", "--json", "--pretrained", "--features").Succeeded());
        var rows = json.RootElement.EnumerateArray().ToArray();
        Assert.Contains(rows, r => r.GetProperty("model").GetString() == "resnet18");
        Assert.All(rows, r => Assert.True(r.GetProperty("param_count").GetDouble() <= 15 && r.GetProperty("gmacs").GetDouble() <= 2 && r.GetProperty("macts").GetDouble() <= 3));
        Assert.Equal(rows.Select(r => r.GetProperty("param_count").GetDouble()).Order(), rows.Select(r => r.GetProperty("param_count").GetDouble()));
        var csv = Run("models", "resnet18", "--csv").Succeeded().Split('\n');
        Assert.StartsWith("model,family,param_count,gmacs,macts", csv[0]);
        Assert.StartsWith("resnet18,resnet,11.6895,1.8141,2.4847,3x224x224,1000,", csv[1]);
        Assert.Contains("arXiv:1512.03385", Run("models", "resnet50").Succeeded());
    }

    [Fact]
    public void Info_tells_a_networks_story()
    {
        var text = Run("info", "resnet50.a1_in1k").Succeeded();
        foreach (var expected in (string[])["arXiv:1512.03385", "25.56 M parameters, 4.09 GMACs", "layer4", "7 x 7", "timm/resnet50.a1_in1k", "apache-2.0", "output_stride", "8, 16, 32", "0.485 0.456 0.406"])
            Assert.Contains(expected, text);
        Assert.All(text.Split('\n').Where(l => !l.Contains("timm/")), line => Assert.True(line.Length <= 105, line));
        Assert.Contains("--img-size", Run("info", "swin_tiny_patch4_window7_224").Succeeded());
        Assert.Contains("only a vector of 288", Run("info", "crossvit_tiny_240").Succeeded());
        Assert.Contains("resnet50", Run("info", "resnet5O").Refused());
    }

    private static Dictionary<string, float[]> Values(Backbone network) =>
        network.State().Where(s => s.Tensor.DType == DType.Float32).ToDictionary(s => s.Name, s => s.Tensor.ToArray<float>());

    private CommandResult Run(params string[] arguments) => CommandLine.Run(
        _folder.Path,
        new Dictionary<string, string> { ["HF_ENDPOINT"] = _server.Address, ["HF_HOME"] = _folder["home"], ["HF_HUB_CACHE"] = _folder["cache"], ["HF_TOKEN"] = "" },
        arguments);
}
