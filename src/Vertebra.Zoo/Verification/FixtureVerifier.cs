using System.Diagnostics;

namespace Vertebra.Zoo.Verification;

/// <summary>
/// Compares networks of the zoo with golden fixtures: names, shapes and counts exactly; logits, features, pyramid, losses,
/// gradients and running statistics within the tolerance that the fixture states.
/// </summary>
public static class FixtureVerifier
{
    /// <summary>The fixtures below a folder, in order of their names: <c>*.json</c> there, or in its sub-folder <c>models</c>.</summary>
    /// <exception cref="VertebraException">There is no such folder, or no fixture in it.</exception>
    public static IReadOnlyList<string> FilesIn(string folder)
    {
        if (!Directory.Exists(folder))
            throw new VertebraException($"there is no folder {folder}");
        var models = Path.Combine(folder, "models");
        var files = Directory.GetFiles(Directory.Exists(models) ? models : folder, "*.json");
        return files.Length > 0 ? [.. files.Order(StringComparer.Ordinal)] : throw new VertebraException($"{folder} has no fixtures (*.json)");
    }

    /// <summary>Builds the fixture's network, fills it by the fixture's rule and compares.</summary>
    /// <exception cref="FileFormatException">The file is no fixture.</exception>
    public static FixtureResult Verify(string path)
    {
        var clock = Stopwatch.StartNew();
        try
        {
            var fixture = Fixture.Read(path);
            var checks = new List<FixtureCheck>();
            var divergence = Models.TryFind(fixture.Model) is null ? null : Compare(fixture, checks);
            return new(fixture.Name, fixture.Model, fixture.Kind, checks, divergence, clock.Elapsed.TotalSeconds);
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or IndexOutOfRangeException or KeyNotFoundException)
        {
            throw new FileFormatException($"{path} is not a fixture: {e.Message}", e);
        }
    }

    private static string? Compare(Fixture fixture, List<FixtureCheck> checks)
    {
        try
        {
            switch (fixture.Kind)
            {
                case "eval" or "c10":
                    return new EvaluationComparison(fixture, checks).Run();
                case "reparam":
                    new ReparameterisedComparison(fixture, checks).Run();
                    return null;
                case "train":
                    new TrainingComparison(fixture, checks).Run();
                    return null;
                default:
                    checks.Add(new("kind", 1, 0, $"fixtures of kind '{fixture.Kind}' cannot be compared yet"));
                    return null;
            }
        }
        catch (Exception e) when (e is VertebraException and not FileFormatException)
        {
            checks.Add(new("run", 1, 0, e.Message));
            return null;
        }
    }

    /// <summary>Builds the network, adds the comparisons of names and counts, fills it and adds that of its bits.</summary>
    internal static Backbone Prepare(Fixture fixture, List<FixtureCheck> checks)
    {
        using var _ = Construction.Deferred();
        var network = Models.Create(fixture.Model, fixture.Options);
        if (fixture.Activation is { } activation)
        {
            foreach (var layer in network.NamedModules().Select(m => m.Module).OfType<ActivationLayer>().Where(l => l.Kind == ActivationKind.Relu))
                layer.Kind = activation;
        }
        if (fixture.State.Count > 0)
            CompareState(fixture, network, checks);
        CompareCounts(fixture.Root, network, "", checks);
        GoldenValues.Fill(network, fixture.Exponents);
        checks.Add(FixtureCheck.Equal("param_checksum", fixture.Root.Text("param_checksum"), $"{GoldenValues.ParameterChecksum(network):x16}"));
        return network;
    }

    /// <summary>Adds the comparisons of parameters, tensors and their names.</summary>
    internal static void CompareCounts(JsonFields facts, Backbone network, string form, List<FixtureCheck> checks)
    {
        checks.Add(FixtureCheck.Equal($"{form}num_params", (long)(facts.Double("num_params") ?? 0), network.ParameterCount));
        checks.Add(FixtureCheck.Equal($"{form}num_tensors", facts.Integer("num_tensors") ?? 0, network.State().Count()));
        checks.Add(FixtureCheck.Equal($"{form}state_hash", facts.Text("state_hash"), $"{GoldenValues.StateHash(network):x16}"));
    }

    internal static void CompareState(Fixture fixture, Backbone network, List<FixtureCheck> checks)
    {
        var found = network.State().Select(s => $"{s.Name} [{string.Join(", ", s.Tensor.Shape.Span.ToArray())}] {NameOf(s.Tensor.DType)}").ToArray();
        var expected = fixture.State.Select(s => $"{s.Name} [{string.Join(", ", s.Shape)}] {s.DType}").ToArray();
        var common = Math.Min(found.Length, expected.Length);
        var first = Enumerable.Range(0, common).FirstOrDefault(i => found[i] != expected[i], common);
        var isEqual = first == common && found.Length == expected.Length;
        checks.Add(new("names", isEqual ? 0 : 1, 0, isEqual ? "" : $"tensor {first}: expected {expected.ElementAtOrDefault(first) ?? "none"}, found {found.ElementAtOrDefault(first) ?? "none"}"));
    }

    private static string NameOf(DType dtype) => dtype.ToString().ToLowerInvariant();
}
