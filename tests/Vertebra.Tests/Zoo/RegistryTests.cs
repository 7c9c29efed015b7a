using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Zoo;

public class RegistryTests
{
    // Rows of the reference's table, so that a clone without ../shared checks something too.
    [Theory]
    [InlineData("resnet18", 11689512, 122, "c024027f04fd5e7e")]
    [InlineData("resnetv2_50d_evos", 25591368, 210, "4c077b4054b40811")]
    [InlineData("ecaresnetlight", 30162046, 336, "214ecbff27ab2e4b")]
    [InlineData("senet154", 115088984, 1144, "d1956a41e9881c8d")]
    [InlineData("resnext101_32x4d", 44177704, 626, "2082c4fd758ced59")]
    public void Names_and_shapes_are_those_of_the_reference(string name, long parameters, int tensors, string hash)
    {
        var network = OnMeta(name);
        Assert.Equal((parameters, tensors, hash), (network.ParameterCount, network.State().Count(), $"{GoldenValues.StateHash(network):x16}"));
    }

    [SharedFact]
    public void Every_registered_model_agrees_with_the_table_of_all_models()
    {
        var table = ModelTable.Read(SharedData.PathOf("reference/zoo/all_models.csv"));
        var models = Models.Families.Where(f => f.FollowsTimm).SelectMany(f => f.Models).ToList();
        var wrong = models.SelectMany(m => table.Knows(m.Name) ? table.Differences(m).Select(d => $"{m.Name}: {d}") : [$"{m.Name} is not in the table"]).ToList();
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.True(models.Count >= 100, $"only {models.Count} models were compared");
    }

    [SharedFact]
    public void Networks_that_timm_does_not_have_are_not_in_its_table()
    {
        var table = ModelTable.Read(SharedData.PathOf("reference/zoo/all_models.csv"));
        Assert.Empty(Models.Families.Where(f => !f.FollowsTimm).SelectMany(f => f.Models).Where(m => table.Knows(m.Name)).Select(m => m.Name));
    }

    [Theory]
    [InlineData("pvt_tiny", 13.2)]
    [InlineData("pvt_small", 24.5)]
    [InlineData("pvt_medium", 44.2)]
    [InlineData("pvt_large", 61.4)]
    public void Networks_that_the_reference_does_not_have_are_as_large_as_in_their_paper(string name, double millions) =>
        Assert.Equal(millions, OnMeta(name).ParameterCount / 1e6, 0.05);

    [Fact]
    public void Parameters_that_blocks_share_are_trained_once_and_saved_under_all_their_names()
    {
        var network = OnMeta("coat_tiny");
        var parameters = network.NamedParameters().ToArray();
        Assert.Equal(parameters.Length, parameters.Select(p => p.Tensor).Distinct().Count());
        var shared = network.State().Where(s => s.Name.EndsWith("cpe.proj.weight", StringComparison.Ordinal) || s.Name == "cpe1.proj.weight").ToArray();
        Assert.Equal(9, shared.Length);
        Assert.Same(shared[0].Tensor, shared[1].Tensor);
        Assert.Equal("cpe1.proj.weight", Assert.Single(parameters, p => p.Tensor == shared[1].Tensor).Name);
    }

    [Fact]
    public void Lists_by_pattern()
    {
        Assert.Equal(["resnet20_cifar", "resnet32_cifar", "resnet44_cifar", "resnet56_cifar", "resnet110_cifar"], Models.List("*_cifar").Select(m => m.Name));
        Assert.Equal(["resnet50_gn"], Models.List("resnet??_gn").Select(m => m.Name));
        Assert.Equal(Models.List().Count, Models.Families.Sum(f => f.Models.Count));
        Assert.Empty(Models.List("no such*"));
    }

    [Fact]
    public void Model_names_are_unique_and_aliases_lead_somewhere()
    {
        Assert.Equal(Models.List().Count, Models.List().Select(m => m.Name).Distinct().Count());
        foreach (var (alias, name) in Models.Families.SelectMany(f => f.Aliases))
        {
            Assert.DoesNotContain(Models.List(), m => m.Name == alias);
            var (model, config) = Models.Find(alias);
            Assert.Equal(name, name.Contains('.') ? $"{model.Name}.{config.Tag}" : model.Name);
        }
    }

    [Fact]
    public void Every_family_tells_its_paper_and_its_idea_in_two_sentences()
    {
        var wrong = Models.Families.Where(f => f.Paper.Length < 20 || f.Idea.Split(". ").Length != 2 || !f.Idea.EndsWith('.')).Select(f => f.Name);
        Assert.Empty(wrong);
        Assert.Equal(Models.Families.Count, Models.Families.Select(f => f.Idea).Distinct().Count());
    }

    [Fact]
    public void Every_family_gives_a_pyramid_of_the_shapes_that_it_states()
    {
        var failures = new List<string>();
        foreach (var model in Models.Families.Select(f => f.Models[0]))
        {
            using var meta = Construction.Meta();
            var pyramid = new FeaturePyramid(Models.Create(model.Name));
            var size = model.Config.InputSize;
            var outputs = pyramid.GraphFor([1, size.Height, size.Width, size.Channels]).Outputs;
            if (!pyramid.Levels.Select(l => l.Channels).SequenceEqual(outputs.Select(o => o.Shape[3])) || !outputs.Select(o => -o.Shape[1]).SequenceEqual(outputs.Select(o => -o.Shape[1]).Order()))
                failures.Add($"{model.Name}: {string.Join(", ", outputs.Select(o => o.Shape))}");
        }
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Fact]
    public void An_unknown_name_gets_the_nearest_ones()
    {
        var error = Assert.Throws<VertebraException>(() => Models.Create("resent50d"));
        Assert.Contains("'resent50d'", error.Message);
        Assert.Contains("resnet50d", error.Message);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Contains("Models.List", Assert.Throws<VertebraException>(() => Models.Create("zzzzzzzzzzzzzzzz")).Message);
    }

    [Fact]
    public void An_unknown_tag_gets_the_known_ones()
    {
        var error = Assert.Throws<VertebraException>(() => Models.Create("resnet18.a9_in1k"));
        Assert.Contains("a1_in1k", error.Message);
    }

    [Theory]
    [InlineData("kitten", "sitting", 3)]
    [InlineData("resnet", "resent", 1)]
    [InlineData("", "abc", 3)]
    [InlineData("same", "same", 0)]
    public void Edit_distance(string a, string b, int expected)
    {
        Assert.Equal(expected, NearestNames.Distance(a, b));
        Assert.Equal(expected, NearestNames.Distance(b, a));
    }

    [Fact]
    public void A_tag_decides_the_classes_and_options_decide_over_it()
    {
        using var _ = Construction.Meta();
        Assert.Equal(11821, Models.Create("resnetaa50d.sw_in12k").NumClasses);
        Assert.Equal(5, Models.Create("resnetaa50d.sw_in12k", new() { NumClasses = 5 }).NumClasses);
        Assert.Equal(10, Models.Create("resnet20_cifar").NumClasses);
    }

    [Theory]
    [InlineData(-1, 3, 0f, 0f, 32, "num_classes")]
    [InlineData(10, 0, 0f, 0f, 32, "in_chans")]
    [InlineData(10, 3, 1f, 0f, 32, "drop_rate")]
    [InlineData(10, 3, 0f, -0.1f, 32, "drop_path_rate")]
    [InlineData(10, 3, 0f, 0f, 24, "output_stride")]
    public void Options_outside_their_range_are_named(int classes, int channels, float drop, float dropPath, int stride, string name)
    {
        var options = new ModelOptions { NumClasses = classes, InChans = channels, DropRate = drop, DropPathRate = dropPath, OutputStride = stride };
        Assert.StartsWith($"{name} is", Assert.Throws<VertebraException>(() => Models.Create("resnet18", options)).Message);
    }

    [Fact]
    public void A_description_rebuilds_the_same_network()
    {
        using var _ = Construction.Meta();
        var options = new ModelOptions { NumClasses = 7, InChans = 1, DropRate = 0.25f, DropPathRate = 0.1f, OutputStride = 16, GlobalPool = GlobalPool.CatAvgMax };
        var description = Models.Create("resnet18d.ra2_in1k", options).Description with { LabelNames = ["a", "b", "ü", "d", "e", "f", "g"] };
        var text = description.ToJson();
        var read = NetworkDescription.FromJson(text, "config.json");
        Assert.Equal(description.Options, read.Options);
        Assert.Equal("resnet18d.ra2_in1k", read.Architecture);
        Assert.Equal(description.LabelNames, read.LabelNames);
        Assert.Equal(text, read.ToJson());
        Assert.Equal(GoldenValues.StateHash(description.Build()), GoldenValues.StateHash(read.Build()));
        Assert.Equal([7, 1024], read.Build().State().Single(s => s.Name == "fc.weight").Tensor.Shape);
    }

    [Fact]
    public void A_configuration_of_the_hub_is_read()
    {
        // The form of the files in the hub's timm repositories.
        const string Text = """
            {"architecture": "resnet18", "num_classes": 1000, "num_features": 512, "global_pool": "avg", "pretrained_cfg": {"tag": "a3_in1k",
            "custom_load": false, "input_size": [3, 160, 160], "fixed_input_size": false, "interpolation": "bicubic", "crop_pct": 0.95,
            "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "num_classes": 1000, "pool_size": [5, 5], "first_conv": "conv1"}}
            """;
        var read = NetworkDescription.FromJson(Text, "config.json");
        Assert.Equal("resnet18.a3_in1k", read.Architecture);
        Assert.Equal(new InputSize(3, 160, 160), read.Config.InputSize);
        Assert.Equal(0.95f, read.Config.CropPct);
        Assert.Equal("fc", read.Config.Classifier);
    }

    [Theory]
    [InlineData("not json", "config.json is not JSON")]
    [InlineData("[1]", "expected a JSON object")]
    [InlineData("{}", "names no architecture")]
    [InlineData("""{"architecture": 3}""", "'architecture' must be a text")]
    [InlineData("""{"architecture": "resnet18", "num_classes": "many"}""", "'num_classes' must be an integer")]
    [InlineData("""{"architecture": "resnet18", "num_classes": 999999999}""", "num_classes is 999999999")]
    [InlineData("""{"architecture": "resnet18", "pretrained_cfg": {"input_size": [3, 1e9, 2]}}""", "'input_size' must be")]
    [InlineData("""{"architecture": "resnet18", "global_pool": "median"}""", "global_pool 'median' is unknown")]
    [InlineData("""{"architecture": "resnet19"}""", "no model is named 'resnet19'")]
    public void A_wrong_configuration_gets_one_clear_line(string text, string expected)
    {
        var error = Assert.ThrowsAny<VertebraException>(() => NetworkDescription.FromJson(text, "config.json"));
        Assert.Contains(expected, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_new_classifier_leaves_the_body_as_it_is()
    {
        var network = Models.Create("test_resnet");
        var body = network.State().Where(s => !s.Name.StartsWith("fc.", StringComparison.Ordinal)).Select(s => s.Tensor).ToArray();
        network.Train();
        network.ResetClassifier(3, GlobalPool.CatAvgMax);
        Assert.Equal(body, network.State().Where(s => !s.Name.StartsWith("fc.", StringComparison.Ordinal)).Select(s => s.Tensor).ToArray());
        Assert.Equal([3, 2 * network.NumFeatures], network.State().Single(s => s.Name == "fc.weight").Tensor.Shape);
        Assert.True(network["fc"].IsTraining);
        Assert.Equal(3, network.Description.Options.NumClasses);
        network.ResetClassifier(0);
        Assert.DoesNotContain(network.State(), s => s.Name.StartsWith("fc.", StringComparison.Ordinal));
    }

    private static Backbone OnMeta(string name)
    {
        using var _ = Construction.Meta();
        return Models.Create(name);
    }
}
