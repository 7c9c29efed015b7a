using System.Globalization;
using System.Text.Json;
using Vertebra.Autograd;
using Vertebra.Graphs;

namespace Vertebra.Zoo.Verification;

/// <summary>One network against a fixture of evaluation mode: facts, logits, features, pyramid, and the outputs of its modules.</summary>
internal sealed class EvaluationComparison(Fixture fixture, List<FixtureCheck> checks)
{
    private double _logitsTolerance;
    private double _mapTolerance;

    /// <summary>Adds the comparisons and returns the first module whose output differs, if one does.</summary>
    public string? Run()
    {
        using var off = GradMode.Off();
        var network = FixtureVerifier.Prepare(fixture, checks);
        var root = fixture.Root;
        var tolerances = root.Required("tol", root.Object("tol"));
        _logitsTolerance = tolerances.Required("logits", tolerances.Double("logits"));
        _mapTolerance = tolerances.Required("features", tolerances.Double("features"));
        CompareKept(network);
        CompareConfig(network);
        CompareNorms(network);

        var size = fixture.InputSize;
        var graph = Graph.Trace(network, [1, size.Height, size.Width, size.Channels]);
        checks.Add(FixtureCheck.Equal("macs", (long)root.Required("macs", root.Double("macs")), graph.Macs));

        var image = GoldenValues.Images(["input"], size);
        var outputs = root.Required("outputs", root.Object("outputs"));
        CompareFeatureInfo(network, outputs);
        var features = network.ForwardFeatures(image);
        checks.Add(Expected(outputs, "logits").CompareLogits("logits", network.ForwardHead(features), _logitsTolerance));
        checks.Add(Expected(outputs, "features").CompareMap("features", FirstOfSeveral(outputs, features), _mapTolerance));
        var divergence = CompareModules(graph, image, network, outputs);
        ComparePlain(network, image);
        return divergence;
    }

    // Where the reference returns several rows of tokens, the fixture has the first; here they stand one after another, in one row where
    // their widths differ.
    private static Tensor FirstOfSeveral(JsonFields outputs, Tensor features)
    {
        if (outputs.Object("features") is not { } first || first.Text("of") != "forward_features[0]" || first.Numbers("shape") is not { Length: 3 } shape)
            return features;
        var (tokens, width) = ((int)shape[1], (int)shape[2]);
        return features.Rank switch
        {
            2 => features.Slice(1, 0, tokens * width).Reshape([features.Shape[0], tokens, width]),
            3 => features.Slice(1, 0, tokens),
            _ => features,
        };
    }

    private static GoldenStatistics Expected(JsonFields fields, string name) => new(fields.Required(name, fields.Object(name)));

    // ---------------------------------------------------------------- facts

    private void CompareKept(Backbone network)
    {
        var kept = network.State().Where(s => GoldenValues.RuleOf(s) == FillRule.Keep && !s.Name.EndsWith("num_batches_tracked", StringComparison.Ordinal)).ToDictionary(s => s.Name, s => s.Tensor);
        var expected = fixture.Root.Items("kept").Select(row => (Name: row[0].GetString()!, Sum: row[1].GetDouble(), L2: row[2].GetDouble())).ToArray();
        checks.Add(FixtureCheck.Equal("kept", string.Join(" ", expected.Select(k => k.Name)), string.Join(" ", kept.Keys)));
        foreach (var (name, sum, l2) in expected.Where(k => kept.ContainsKey(k.Name) && kept[k.Name].DType == DType.Float32))
        {
            var found = GoldenStatistics.Sums(kept[name].ToArray<float>());
            checks.Add(new($"kept {name}", Math.Max(Math.Abs(found.Sum - sum), Math.Abs(found.L2 - l2)) / Math.Max(l2, 1e-30), 1e-6));
        }
    }

    private void CompareConfig(Backbone network)
    {
        if (fixture.Root.Object("cfg") is not { } cfg)
            return;
        var config = Models.Find(fixture.Model).Config;
        Fact("tag", cfg.Text("tag") ?? "", config.Tag);
        Fact("hf_hub_id", cfg.Text("hf_hub_id"), config.HubId);
        Fact("num_classes", cfg.Integer("num_classes"), config.NumClasses);
        Fact("input_size", cfg.Size("input_size"), config.InputSize);
        Fact("test_input_size", cfg.Size("test_input_size"), config.TestInputSize);
        Fact("min_input_size", cfg.Size("min_input_size"), config.MinInputSize);
        Fact("fixed_input_size", cfg.Flag("fixed_input_size"), config.FixedInputSize);
        Fact("pool_size", Joined(cfg.Numbers("pool_size")), Joined(config.PoolSize.Select(p => (float)p)));
        Fact("mean", Joined(cfg.Numbers("mean")), Joined(config.Mean));
        Fact("std", Joined(cfg.Numbers("std")), Joined(config.Std));
        Fact("crop_pct", cfg.Number("crop_pct"), config.CropPct);
        Fact("test_crop_pct", cfg.Number("test_crop_pct"), config.TestCropPct);
        Fact("crop_mode", cfg.Text("crop_mode"), config.CropMode);
        Fact("interpolation", cfg.Text("interpolation"), config.Interpolation);
        Fact("license", cfg.Text("license"), config.License);
        Fact("classifier", cfg.Paths("classifier"), network.Classifier);
        Fact("first_conv", cfg.Paths("first_conv"), network.FirstConv);
        Fact("classifier of the configuration", cfg.Paths("classifier"), config.Classifier);
        Fact("first_conv of the configuration", cfg.Paths("first_conv"), config.FirstConv);
    }

    private void Fact<T>(string name, T expected, T found) => checks.Add(FixtureCheck.Equal($"cfg {name}", expected, found));

    private static string Joined(IEnumerable<float>? values) => values is null ? "" : string.Join(" ", values.Select(v => v.ToString(CultureInfo.InvariantCulture)));

    // Constants of normalisers hardly move the outputs, so they are compared by themselves. Class names are the reference's own affair.
    private void CompareNorms(Backbone network)
    {
        if (fixture.Root.Object("modules")?.Object("norms") is not { } norms)
            return;
        var expected = norms.Element.EnumerateObject()
            .Select(n => (Constants: n.Name[(n.Name.IndexOf(' ') + 1)..], Count: n.Value.GetInt32()))
            .GroupBy(n => n.Constants).Select(g => $"{g.Sum(n => n.Count)} of {g.Key}");
        var found = network.NamedModules().Select(m => ConstantsOf(m.Module)).OfType<string>().GroupBy(c => c).Select(g => $"{g.Count()} of {g.Key}");
        checks.Add(FixtureCheck.Equal("norms", string.Join(", ", expected.Order(StringComparer.Ordinal)), string.Join(", ", found.Order(StringComparer.Ordinal))));
    }

    private static string? ConstantsOf(Module module) => module switch
    {
        NormLayer { Momentum: { } momentum } norm => string.Create(CultureInfo.InvariantCulture, $"eps={Short(norm.Epsilon)} momentum={Short(momentum)}"),
        NormLayer norm => $"eps={Short(norm.Epsilon)}",
        Layers.StandardisedConv2d conv => $"eps={Short(conv.Epsilon)}",
        Layers.ScaledStandardisedConv2d conv => $"eps={Short(conv.Epsilon)}",
        _ => null,
    };

    // As the fixtures print them: 1e-05, 0.001, 0.1.
    private static string Short(float value) =>
        value < 1e-4f ? value.ToString("0.######e-00", CultureInfo.InvariantCulture) : value.ToString(CultureInfo.InvariantCulture);

    private void CompareFeatureInfo(Backbone network, JsonFields outputs)
    {
        if (fixture.Root.Items("feature_info").ToArray() is not { Length: > 0 } rows)
            return;
        var levels = outputs.Items("pyramid").Select(l => new JsonFields(l, fixture.Name).Numbers("shape") ?? []).ToArray();
        var expected = rows.Select((r, i) => $"{r.GetProperty("index").GetInt32()} {r.GetProperty("module").GetString()} {ChannelsOf(r, levels.ElementAtOrDefault(i))}/{r.GetProperty("reduction").GetInt32()}");
        var found = network.FeatureInfo.Select(f => $"{f.Index} {f.Module} {f.Channels}/{f.Reduction}");
        checks.Add(FixtureCheck.Equal("feature_info", string.Join(", ", expected), string.Join(", ", found)));
    }

    // For pruned networks the reference still declares the widths from before; its maps have the true ones.
    private static int ChannelsOf(JsonElement row, float[]? shape)
    {
        var declared = row.GetProperty("channels").GetInt32();
        return shape is { Length: 4 } && !shape.Contains(declared) ? (int)shape[1] : declared;
    }

    // ---------------------------------------------------------------- outputs of modules

    private string? CompareModules(Graph graph, Tensor image, Backbone network, JsonFields outputs)
    {
        var rows = fixture.Root.Items("trace").Select(r => (Path: r[0].GetString()!, Shape: r[1].EnumerateArray().Select(s => s.GetInt32()).ToArray(), L2: r[2].GetDouble())).ToArray();
        var levels = outputs.Items("pyramid").ToArray();
        if (levels.Length > 0 && levels.Length != network.FeatureInfo.Count)
            checks.Add(new("pyramid", 1, 0, $"expected {levels.Length} levels, found {network.FeatureInfo.Count}"));
        var wanted = rows.Select(r => r.Path).Where(graph.ModuleOutputs.ContainsKey).Distinct().ToArray();
        var results = graph.WithOutputs([.. wanted.Select(graph.OutputOf)]).Run(image);
        var byPath = wanted.Zip(results).ToDictionary(p => p.First, p => p.Second);

        var maps = levels.Length == network.FeatureInfo.Count ? new FeaturePyramid(network).Forward(image) : [];
        for (var i = 0; i < maps.Length; i++)
            checks.Add(new GoldenStatistics(new JsonFields(levels[i], $"{fixture.Name}: pyramid")).CompareMap($"pyramid {i}", maps[i], _mapTolerance));
        return CompareTrace(rows, byPath);
    }

    private string? CompareTrace((string Path, int[] Shape, double L2)[] rows, Dictionary<string, Tensor> byPath)
    {
        var (worst, detail) = (0.0, "");
        string? divergence = null;
        // A module that is applied several times has a row for each time; the graph knows what it returned last.
        foreach (var (path, shape, l2) in rows.Where((row, i) => Array.FindLastIndex(rows, other => other.Path == row.Path) == i))
        {
            if (!byPath.TryGetValue(path, out var tensor))
                continue;
            var values = GoldenStatistics.InFixtureLayout(tensor, shape);
            var error = values is null ? double.PositiveInfinity : Math.Abs(GoldenStatistics.Sums(values).L2 - l2) / Math.Max(l2, double.Epsilon);
            if (!(error <= worst))
                (worst, detail) = (error, values is null ? $"{path} has shape {tensor.Shape} (channels last), expected [{string.Join(", ", shape)}]" : $"largest at {path}");
            if (!(error <= _mapTolerance))
                divergence ??= path;
        }
        checks.Add(new("trace", worst, _mapTolerance, worst <= _mapTolerance ? $"{rows.Count(r => byPath.ContainsKey(r.Path))} of {rows.Length} modules" : detail));
        return divergence;
    }

    // The network as names alone fill it, where the fixture finds comparing worthwhile.
    private void ComparePlain(Backbone network, Tensor image)
    {
        if (fixture.Root.Object("plain") is not { } plain || plain.Flag("comparable") != true || fixture.Exponents.Count == 0)
            return;
        GoldenValues.Fill(network, new Dictionary<string, int>());
        var (tolerance, expected) = (Math.Max(3e-5, 20 * (plain.Double("f32_err") ?? 0)), new GoldenStatistics(plain));
        var check = expected.CompareLogits("plain logits", network.Forward(image), tolerance);
        // Where a softmax stands between two equal scores, rounding has two outcomes; the reference's must be among ours.
        for (var draw = 0; draw < RoundingDraws.Count && !check.Passed; draw++)
        {
            RoundingDraws.Fill(network, new Dictionary<string, int>(), draw);
            var other = expected.CompareLogits("plain logits", network.Forward(image), tolerance);
            if (other.Passed)
                check = other with { Detail = string.Create(CultureInfo.InvariantCulture, $"with weights moved by a unit in the last place, {check.Error:0.0e+0} without: a tie") };
        }
        checks.Add(check);
    }
}
