using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Tests.Ops;
using Vertebra.Zoo;
using Vertebra.Zoo.Layers;
using Vertebra.Zoo.Verification;
using Xunit.Abstractions;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Tests.Zoo;

/// <summary>Networks whose pieces learn each for itself (Scalable Forward-Forward).</summary>
[Collection(Alone.Name)]
public class GoodnessHeadsTests(ITestOutputHelper output)
{
    [Fact]
    public void Goodness_is_the_mean_of_squares_of_a_class_channel()
    {
        var network = Create("resnet20_cifar", GoodnessHeads.ByBlock);
        var heads = network.Goodness!;
        Assert.Equal(9, heads.Count); // nine blocks, of which the first takes the stem
        var image = Images(2, 32);
        var features = network.ForwardFeatures(image);
        var found = network.ForwardHead(features);
        var (weight, bias) = (((Linear)heads["8"]).Weight.ToArray<float>(), ((Linear)heads["8"]).Bias!.ToArray<float>());
        var (map, places, channels) = (features.ToArray<float>(), features.Shape[1] * features.Shape[2], features.Shape[3]);
        for (var n = 0; n < 2; n++)
        {
            for (var k = 0; k < 3; k++)
            {
                var sum = 0.0;
                for (var p = 0; p < places; p++)
                {
                    var x = map.AsSpan(((n * places) + p) * channels, channels).ToArray().Select(v => (double)v).ToArray();
                    var (mean, variance) = (x.Average(), x.Select(v => v * v).Average() - (x.Average() * x.Average()));
                    var z = bias[k] + x.Select((v, c) => weight[(k * channels) + c] * (v - mean) / Math.Sqrt(variance + 1e-5)).Sum();
                    sum += z * z;
                }
                Assert.Equal(sum / places, found[n, k], 1e-4 * Math.Max(1, sum / places));
            }
        }
    }

    [Fact]
    public void The_answer_is_the_mean_over_the_pieces_also_in_a_trace_and_from_a_file()
    {
        foreach (var granularity in new[] { GoodnessHeads.ByBlock, GoodnessHeads.ByLayer })
        {
            var network = Create("resnet20_cifar", granularity);
            network.Eval();
            var image = Images(2, 32);
            var votes = new List<Tensor>();
            network.LearnLocally(image, goodness =>
            {
                votes.Add(goodness);
                return goodness.Sum();
            });
            var expected = votes.Aggregate((a, b) => a + b) * (1f / votes.Count);
            var answer = network.Forward(image);
            AssertClose(expected, answer);
            AssertClose(answer, Graph.Trace(network, image.Shape).Run(image)[0]);
            var rebuilt = NetworkDescription.FromJson(network.Description.ToJson(), "config.json").Build();
            rebuilt.Load(network.State().ToDictionary(s => s.Name, s => s.Tensor), "test");
            Assert.Equal(answer.ToArray<float>(), rebuilt.Forward(image).ToArray<float>());
        }
    }

    // Every parameter hears of one piece only, in networks of all families that can be cut.
    [Theory]
    [InlineData(GoodnessHeads.ByBlock)]
    [InlineData(GoodnessHeads.ByLayer)]
    public void No_gradient_of_a_piece_reaches_another(string granularity)
    {
        foreach (var name in new[] { "resnet20_cifar", "test_resnet", "vgg11", "mobilenetv3_small_050", "test_efficientnet", "test_convnext", "test_vit", "densenet121" }.Where(n => Models.TryFind(n) is not null))
        {
            var side = name.Contains("vit", StringComparison.Ordinal) ? Models.Find(name).Config.InputSize.Height : 64;
            var network = Create(name, granularity, side);
            network.Train();
            // What starts at zero would let nothing through.
            foreach (var (_, zero) in network.NamedParameters().Where(p => p.Tensor.ToArray<float>().All(v => v == 0)))
                zero.CopyFrom(Cases.OpCases.Uniform(zero.Shape, 1, 0.5f));
            var pieces = network.Goodness!.Count;
            Assert.True(pieces > 2, $"{name} has {pieces} pieces by {granularity}");
            var heard = new Dictionary<string, int[]>();
            for (var piece = 0; piece < pieces; piece++)
            {
                network.ZeroGrad();
                var seen = 0;
                network.LearnLocally(Images(2, side), goodness => goodness.Square().Sum() * (seen++ == piece ? 1 : 0)).Loss.Backward();
                foreach (var (parameter, _) in network.NamedParameters().Where(p => p.Tensor.Grad is { } g && g.ToArray<float>().Any(v => v != 0)))
                    heard[parameter] = [.. heard.GetValueOrDefault(parameter, []), piece];
            }
            output.WriteLine($"{name} by {granularity}: {pieces} pieces");
            var shared = heard.Where(h => h.Value.Length != 1).Select(h => $"{h.Key} hears of pieces {string.Join(", ", h.Value)}").ToList();
            Assert.True(shared.Count == 0, $"{name}: {string.Join('\n', shared)}");
            Assert.Equal(Enumerable.Range(0, pieces), heard.SelectMany(h => h.Value).Distinct().Order());
            Assert.True(heard.Count > network.NamedParameters().Count() * 0.8, $"{name}: only {heard.Count} parameters learn");
        }
    }

    [Fact]
    public void One_piece_at_a_time_is_kept()
    {
        var (whole, local) = (Models.Create("resnet56_cifar"), Create("resnet56_cifar", GoodnessHeads.ByBlock));
        whole.Train();
        local.Train();
        var image = Images(16, 32);
        var before = Live();
        var loss = whole.Forward(image).Square().Sum();
        var all = Live() - before;
        GC.KeepAlive(loss);
        loss = null;
        local.LearnLocally(image, g => g.Square().Sum()).Loss.Backward();
        local.ZeroGrad();
        before = Live();
        var most = 0L;
        local.LearnLocally(image, goodness =>
        {
            most = Math.Max(most, Live() - before);
            return goodness.Square().Sum();
        }).Loss.Backward();
        output.WriteLine($"{all >> 20} MiB of activations, {most >> 20} MiB with pieces");
        Assert.True(most < all / 4, $"{most} of {all} bytes");
    }

    [Fact]
    public void Other_classes_get_fresh_heads_and_the_body_stays()
    {
        var network = Create("resnet20_cifar", GoodnessHeads.ByBlock);
        network.ResetClassifier(7);
        Assert.Equal([2, 7], network.Forward(Images(2, 32)).Shape);
        network.ResetClassifier(0);
        Assert.Equal([2, 64], network.Forward(Images(2, 32)).Shape);
    }

    private static long Live()
    {
        BufferPool.GiveBack();
        return BufferPool.LiveBytes;
    }

    private static void AssertClose(Tensor expected, Tensor found)
    {
        foreach (var (a, b) in expected.ToArray<float>().Zip(found.ToArray<float>()))
            Assert.Equal(a, b, 1e-4f * Math.Max(1, Math.Abs(a)));
    }

    private static Tensor Images(int count, int side) => GoldenValues.Images([.. Enumerable.Range(0, count).Select(i => $"{i}")], new(3, side, side));

    private static Backbone Create(string name, string granularity, int side = 32)
    {
        var network = Models.Create(name, new() { NumClasses = 3, LocalLearning = granularity, ImgSize = side });
        network.Initialise(4);
        return network;
    }
}
