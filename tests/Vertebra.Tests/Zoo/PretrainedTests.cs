using Vertebra.Nn;
using Vertebra.Zoo;
using Vertebra.Zoo.Weights;

namespace Vertebra.Tests.Zoo;

/// <summary>Networks with their weights from a hub, a folder or a file, and what happens to weights that were made for another size.</summary>
public sealed class PretrainedTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly HubServer _server = new();

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_name_gets_the_weights_published_for_it()
    {
        var published = Publish("test_resnet.r160_in1k", "timm/test_resnet.r160_in1k");
        var network = Pretrained.Create("test_resnet", hub: Hub);
        AssertSame(published, network, except: []);
        Assert.Equal("test_resnet.r160_in1k", network.Description.Architecture);
        Assert.Equal(160, network.Description.Config.InputSize.Height);
        Assert.False(network.IsTraining);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(6)]
    public void Other_classes_and_channels_keep_the_body(int channels)
    {
        var published = Publish("test_resnet.r160_in1k", "timm/test_resnet.r160_in1k");
        var notes = new List<string>();
        var network = Pretrained.Create("test_resnet", new() { NumClasses = 7, InChans = channels }, Hub, notes.Add);
        AssertSame(published, network, except: ["conv1.0.weight", "fc."]);
        var head = network.State().Single(s => s.Name == "fc.weight").Tensor;
        Assert.Equal([7, network.NumFeatures], head.Shape);
        Assert.Contains(head.ToArray<float>(), v => v != 0);
        var first = published.State().Single(s => s.Name == "conv1.0.weight").Tensor;
        Assert.Equal(PretrainedWeights.AdaptInput(first, channels).ToArray<float>(), network.State().Single(s => s.Name == "conv1.0.weight").Tensor.ToArray<float>());
        Assert.Equal(2, notes.Count);
        Assert.Equal((7, channels), (network.NumClasses, network.InChans));
    }

    [Fact]
    public void A_network_without_published_weights_says_so()
    {
        Assert.Contains("no weights are published for resnet20_cifar", Assert.Throws<VertebraException>(() => Pretrained.Create("resnet20_cifar", hub: Hub)).Message);
        Assert.Empty(_server.Requests);
        var error = Assert.Throws<VertebraException>(() => Pretrained.Create("test_resnet", hub: Hub)).Message;
        Assert.Contains("timm/test_resnet.r160_in1k", error);
    }

    [Theory]
    [InlineData("hf-hub:owner/mine")]
    [InlineData("hf_hub:owner/mine@main")]
    [InlineData("hf-hub:owner/mine@" + HubServer.Commit)]
    public void A_repository_says_itself_which_network_it_has(string name)
    {
        var saved = Save("mine", classes: 3);
        _server.Add("owner/mine", "config.json", File.ReadAllBytes(Path.Combine(saved, "config.json")), isLarge: false);
        _server.Add("owner/mine", "model.safetensors", File.ReadAllBytes(Path.Combine(saved, "model.safetensors")));
        var network = Pretrained.Create(name, hub: Hub);
        Assert.Equal((3, "owner/mine"), (network.NumClasses, network.Description.Config.HubId));
        Assert.Equal(["a", "b", "c"], network.Description.LabelNames);
        Assert.Empty(Pretrained.Create(name, new() { NumClasses = 2 }, Hub).Description.LabelNames);
    }

    [Fact]
    public void A_repository_without_a_description_is_refused()
    {
        _server.Add("owner/mine", "model.safetensors", [1, 2, 3]);
        Assert.Contains("has no config.json", Assert.Throws<VertebraException>(() => Pretrained.Create("hf-hub:owner/mine", hub: Hub)).Message);
    }

    [Fact]
    public void Folders_and_files_are_sources_too()
    {
        var saved = Save("mine", classes: 3);
        Assert.Equal(3, Pretrained.Create($"local-dir:{saved}").NumClasses);
        Assert.Equal(3, Models.CreatePretrained(Path.Combine(saved, "model.safetensors")).NumClasses);
        Assert.Contains("no file or folder", Assert.Throws<VertebraException>(() => Pretrained.Create("local-dir:nowhere")).Message);
    }

    [Fact]
    public void Constants_that_weights_were_trained_with_come_along()
    {
        using var meta = Construction.Meta();
        float[] Epsilons(Backbone network) => [.. network.NamedModules().Select(m => m.Module).OfType<BatchNorm2d>().Select(n => n.Epsilon).Distinct()];
        Assert.Equal([1e-5f], Epsilons(Models.Create("fbnetc_100")));
        var pretrained = Pretrained.Published("fbnetc_100");
        Assert.Equal([1e-3f], Epsilons(pretrained.Build()));
        Assert.Equal([1e-3f], Epsilons(NetworkDescription.FromJson(pretrained.ToJson(), "config.json").Build()));
    }

    [SharedFact]
    public void Real_weights_come_through_a_hub_unchanged()
    {
        var network = Models.Create("resnet20_cifar");
        _server.Add("owner/resnet20", "config.json", System.Text.Encoding.UTF8.GetBytes(network.Description.ToJson()), isLarge: false);
        var file = SharedData.PathOf("data/weights-cifar10-resnet/resnet20.safetensors");
        _server.Add("owner/resnet20", "model.safetensors", File.ReadAllBytes(file));
        _server.Add("owner/mobilenet", "model.safetensors", File.ReadAllBytes(SharedData.PathOf("data/weights-imagenet-mobilenet_v2/mobilenet_v2.safetensors")));
        AssertSame(NetworkFiles.Load(file, "resnet20_cifar"), Pretrained.Create("hf-hub:owner/resnet20", hub: Hub), except: []);
        var path = Hub.FetchWeights(HubRepository.Parse("owner/mobilenet"));
        Assert.Equal("86de69bbd335de5121e079a0a3c4b31350fbd03b7a5ad0bc50565b8a1640d165", Path.GetFileName(new FileInfo(path).LinkTarget ?? "86de69bbd335de5121e079a0a3c4b31350fbd03b7a5ad0bc50565b8a1640d165"));
    }

    // The smallest network of each family, at another image size than its weights were made for.
    [Fact]
    public void In_every_family_weights_fit_other_image_sizes_channels_and_classes()
    {
        var failures = new List<string>();
        var resampled = 0;
        // Layers that mix the patches themselves are made for one number of them, here as in the reference.
        foreach (var family in Models.Families.Where(f => f.Name != "mlp_mixer"))
        {
            var model = family.Models.MinBy(Parameters)!;
            try
            {
                resampled += Adapts(model) ? 1 : 0;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                failures.Add($"{model.Name}: {e.GetType().Name} {e.Message}");
            }
        }
        Assert.True(failures.Count == 0, string.Join('\n', failures));
        Assert.True(resampled >= 8, $"position tables of only {resampled} families were resampled");
    }

    private static long Parameters(ModelInfo model)
    {
        using var meta = Construction.Meta();
        return Models.Create(model.Name).ParameterCount;
    }

    private static bool Adapts(ModelInfo model)
    {
        using var deferred = Construction.Deferred();
        var state = Models.Create(model.Name).State().ToDictionary(s => s.Name, s => s.Tensor);
        var side = OtherSide(model);
        var target = Models.Create(model.Name, new() { NumClasses = 3, InChans = 4, ImgSize = side });
        string[] own = [.. target.Classifier.Split(','), .. target.FirstConv.Split(',')];
        var tables = target.State().Where(s => !own.Any(o => $"{s.Name}.".StartsWith($"{o}.", StringComparison.Ordinal)) && s.Tensor.DType == DType.Float32 && s.Tensor.Shape != state[s.Name].Shape).ToList();
        foreach (var (name, _, _) in tables)
            state[name] = Tensor.Ones(state[name].Shape);
        var notes = target.LoadPretrained(state, model.Name);
        Assert.Contains(notes, n => n.Contains("classifier"));
        Assert.Contains(notes, n => n.Contains("4 input channels"));
        // A table of ones stays one between its numbers; new rows for what had none may be zero.
        Assert.All(tables, t => Assert.Contains(t.Tensor.ToArray<float>(), v => Math.Abs(v - 1) < 1e-3f));
        return tables.Count > 0;
    }

    /// <summary>Another side of the image for which the network can be built and run; its own where there is none.</summary>
    private static int OtherSide(ModelInfo model)
    {
        using var meta = Construction.Meta();
        var side = model.Config.InputSize.Height;
        foreach (var other in (int[])[side + 32, 2 * side, side / 2])
        {
            try
            {
                Vertebra.Graphs.Graph.Trace(Models.Create(model.Name, new() { ImgSize = other }), [1, other, other, model.Config.InputSize.Channels]);
                return other;
            }
            catch (VertebraException)
            {
                // Not every size divides into this network's windows.
            }
        }
        return side;
    }

    private WeightHub Hub => new(new() { Endpoint = _server.Address, CacheFolder = _folder["cache"] });

    private string Save(string name, int classes)
    {
        Directory.CreateDirectory(_folder[name]);
        var network = Models.Create("test_resnet", new() { NumClasses = classes });
        NetworkFiles.Save(network, network.Description with { LabelNames = ["a", "b", "c"] }, Path.Combine(_folder[name], "model.safetensors"));
        return _folder[name];
    }

    private Backbone Publish(string name, string repository)
    {
        var network = Models.Create(name);
        var path = _folder["published.safetensors"];
        Safetensors.Write(path, network.State().Select(s => (s.Name, s.Tensor)));
        _server.Add(repository, "model.safetensors", File.ReadAllBytes(path));
        return network;
    }

    private static void AssertSame(Backbone expected, Backbone found, string[] except)
    {
        var state = expected.State().ToDictionary(s => s.Name, s => s.Tensor);
        foreach (var (name, tensor, _) in found.State().Where(s => s.Tensor.DType == DType.Float32 && !except.Any(e => s.Name.StartsWith(e, StringComparison.Ordinal))))
            Assert.True(tensor.ToArray<float>().AsSpan().SequenceEqual(state[name].ToArray<float>()), name);
    }
}
