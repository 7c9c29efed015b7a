using System.Text.Json;
using Vertebra.Lab.Data;
using Vertebra.Lab.Probing;
using Vertebra.Tests.Lab.Training;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab;

public class ProbeTests
{
    private const double Ln2 = 0.6931471805599453;

    private static JsonElement Golden { get; } =
        JsonDocument.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/probes/probes.json"))).RootElement;

    private static FeatureSet Set(string name) => FeatureSet.Of(Numbers(name), [.. Golden.GetProperty(name + "_labels").EnumerateArray().Select(n => n.GetInt32())]);

    private static float[] Numbers(string name) => [.. Golden.GetProperty(name).EnumerateArray().Select(n => n.GetSingle())];

    private static double Number(string name) => Golden.GetProperty(name).GetDouble();

    [Fact]
    public void The_linear_probe_finds_PyTorchs_minimum()
    {
        var probe = LinearProbe.Fit(Set("train"), 3, Number("l2"));
        Assert.Equal(Number("loss"), probe.Loss, 1e-6);
        AssertNear(Numbers("weight"), probe.Weight.ToArray<float>(), 2e-4f);
        // Biases are determined up to a common number.
        var bias = probe.Bias.ToArray<float>();
        AssertNear(Numbers("bias"), Array.ConvertAll(bias, b => b - bias.Average()), 2e-4f);
    }

    [Fact]
    public void Neighbours_vote_as_in_DINOs_evaluation()
    {
        var votes = new KnnProbe((int)Number("k"), Number("temperature")).Votes(Set("train"), Set("test"), 3).ToArray<float>();
        var scale = (float)Math.Exp(1 / Number("temperature"));
        AssertNear(Array.ConvertAll(Numbers("votes"), v => v / scale), votes, 1e-4f);
    }

    [Fact]
    public void Every_image_is_its_own_nearest_neighbour()
    {
        var set = Set("train");
        Assert.Equal(100, new KnnProbe(k: 1).Run(set, set, 3).Top1);
        Assert.Contains("--k is 61", Assert.Throws<VertebraException>(() => new KnnProbe(61).Run(set, set, 3)).Message, StringComparison.Ordinal);
    }

    /// <summary>Many features of noise, few images: what generalises is chosen, not what fits.</summary>
    [Fact]
    public void The_regularisation_is_chosen_on_images_that_were_held_back()
    {
        var (training, held) = (Noisy(80, stream: 1), Noisy(2000, stream: 2));
        var (weak, chosen) = (LinearProbe.Fit(training, 2, 1e-6), LinearProbe.FitChoosing(training, 2));
        Assert.Equal(100, weak.Run(training).Top1);
        Assert.True(chosen.L2 >= 1e-2, $"{chosen.L2}");
        Assert.True(chosen.Run(held).Top1 > weak.Run(held).Top1 + 2, $"{chosen.Run(held).Top1} against {weak.Run(held).Top1}");
    }

    [Fact]
    public void Features_that_say_nothing_give_the_classes_shares()
    {
        var set = FeatureSet.Of([.. Enumerable.Repeat(3f, 40)], [.. Enumerable.Range(0, 20).Select(i => i % 2)]);
        var probe = LinearProbe.Fit(set, 2, 0.1);
        Assert.Equal(Ln2, probe.Loss, 1e-6);
        Assert.All(probe.Weight.ToArray<float>(), w => Assert.Equal(0, w, 1e-6f));
    }

    [Fact]
    public void Features_are_what_the_classifier_would_see()
    {
        var network = Models.Create("resnet20_cifar", new() { NumClasses = 3 });
        network.Initialise(seed: 3);
        network.Eval();
        var data = new ColourDataset(10, size: 32);
        var loader = new BatchLoader(data, new(data.Preprocessing), LoaderOptions.ForEvaluation(4));
        var expected = loader.Epoch(0).SelectMany(b => network.ForwardHead(network.ForwardFeatures(b.Images), preLogits: true).ToArray<float>()).ToArray();
        var features = FeatureSet.Of(network, loader);
        Assert.Equal((10, 64), (features.Count, features.Dimensions));
        Assert.Equal(Enumerable.Range(0, 10).Select(data.Label), features.Labels);
        AssertNear(expected, features.Values.ToArray<float>(), 1e-4f);
    }

    private static FeatureSet Noisy(int count, int stream)
    {
        const int Dimensions = 60;
        var values = new float[count * Dimensions];
        new Philox(4, (ulong)stream).FillNormal(values);
        for (var i = 0; i < count; i++)
            values[i * Dimensions] += i % 2 == 0 ? 1.2f : -1.2f;
        return FeatureSet.Of(values, [.. Enumerable.Range(0, count).Select(i => i % 2)]);
    }

    private static void AssertNear(float[] expected, float[] actual, float tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), p => Assert.Equal(p.First, p.Second, tolerance * Math.Max(1, Math.Abs(p.First))));
    }
}
