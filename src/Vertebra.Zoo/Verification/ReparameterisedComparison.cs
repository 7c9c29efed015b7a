using Vertebra.Autograd;
using Vertebra.Graphs;

namespace Vertebra.Zoo.Verification;

/// <summary>
/// One network against a fixture of its one-branch form: the form with all branches is filled and compared, then folded, and
/// names, counts and outputs are compared again, with the fixture's and with what the network gave before.
/// </summary>
internal sealed class ReparameterisedComparison(Fixture fixture, List<FixtureCheck> checks)
{
    private const double FoldingTolerance = 1e-4;

    public void Run()
    {
        using var off = GradMode.Off();
        using var deferred = Construction.Deferred();
        var root = fixture.Root;
        var trained = root.Required("train_form", root.Object("train_form"));
        var network = Models.Create(fixture.Model, fixture.Options);
        FixtureVerifier.CompareCounts(trained, network, "train form: ", checks);
        var exponents = trained.Items("exponents").ToDictionary(e => e[0].GetString()!, e => e[1].GetInt32(), StringComparer.Ordinal);
        GoldenValues.Fill(network, exponents);
        checks.Add(FixtureCheck.Equal("param_checksum", root.Text("param_checksum"), $"{GoldenValues.ParameterChecksum(network):x16}"));
        var image = GoldenValues.Images(["input"], fixture.InputSize);
        var before = network.Forward(image).ToArray<float>();

        network.Reparameterise();
        FixtureVerifier.CompareState(fixture, network, checks);
        FixtureVerifier.CompareCounts(root, network, "", checks);
        var size = fixture.InputSize;
        checks.Add(FixtureCheck.Equal("macs", (long)root.Required("macs", root.Double("macs")), Graph.Trace(network, [1, size.Height, size.Width, size.Channels]).Macs));
        CompareOutputs(network, image, before);
    }

    private void CompareOutputs(Backbone network, Tensor image, float[] before)
    {
        var tolerances = fixture.Root.Required("tol", fixture.Root.Object("tol"));
        var outputs = fixture.Root.Required("outputs", fixture.Root.Object("outputs"));
        var features = network.ForwardFeatures(image);
        var logits = network.ForwardHead(features);
        checks.Add(new GoldenStatistics(outputs.Required("logits", outputs.Object("logits")))
            .CompareLogits("logits", logits, tolerances.Required("logits", tolerances.Double("logits"))));
        if (outputs.Object("features") is { } expected)
            checks.Add(new GoldenStatistics(expected).CompareMap("features", features, tolerances.Required("features", tolerances.Double("features"))));
        var distance = Math.Sqrt(logits.ToArray<float>().Zip(before, (a, b) => Math.Pow(a - b, 2)).Sum() / before.Sum(b => (double)b * b));
        checks.Add(new("folded against unfolded", distance, FoldingTolerance));
    }
}
