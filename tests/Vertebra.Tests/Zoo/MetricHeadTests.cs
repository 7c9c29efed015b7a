using Vertebra.Autograd;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;
using Vertebra.Zoo.Layers;

namespace Vertebra.Tests.Zoo;

public class MetricHeadTests
{
    private static Tensor Features(int count, int size) =>
        Tensor.From(Enumerable.Range(0, count * size).Select(i => (((i * 37) % 61) - 30) / 16f).ToArray(), [count, size]);

    private static T Filled<T>(T module) where T : Module
    {
        module.Initialise(3);
        return module;
    }

    [Fact]
    public void The_cosine_head_measures_angles_alone()
    {
        var head = Filled(new CosineHead(7, 4));
        var x = Features(5, 7);
        var weight = head.NamedParameters().Single().Tensor;
        var logits = head.Forward(x);
        for (var n = 0; n < 5; n++)
        {
            for (var c = 0; c < 4; c++)
            {
                double dot = 0, a = 0, b = 0;
                for (var i = 0; i < 7; i++)
                    (dot, a, b) = (dot + ((double)x[n, i] * weight[c, i]), a + ((double)x[n, i] * x[n, i]), b + ((double)weight[c, i] * weight[c, i]));
                Assert.Equal(30 * dot / Math.Sqrt(a * b), logits[n, c], 1e-4);
            }
        }
        Assert.All(head.Forward(x * 5).ToArray<float>().Zip(logits.ToArray<float>()), p => Assert.Equal(p.Second, p.First, 1e-4));
    }

    [Fact]
    public void Class_subspaces_start_orthonormal_and_the_logit_is_the_length_of_the_projection()
    {
        const int Classes = 3, Dimension = 4, Size = 9;
        var head = Filled(new GrassmannHead(Size, Classes, Dimension));
        var s = head.NamedParameters().Single().Tensor;
        for (var c = 0; c < Classes; c++)
        {
            for (var i = 0; i < Dimension; i++)
            {
                for (var j = 0; j < Dimension; j++)
                    Assert.Equal(i == j ? 1 : 0, Enumerable.Range(0, Size).Sum(k => (double)s[c, i, k] * s[c, j, k]), 1e-6);
            }
        }
        var x = Features(5, Size);
        var logits = head.Forward(x);
        for (var n = 0; n < 5; n++)
        {
            var length = Math.Sqrt(Enumerable.Range(0, Size).Sum(k => (double)x[n, k] * x[n, k]));
            for (var c = 0; c < Classes; c++)
            {
                // Sᵀ·S·x itself, whose length it is.
                var projected = new double[Size];
                for (var i = 0; i < Dimension; i++)
                {
                    var along = Enumerable.Range(0, Size).Sum(k => (double)s[c, i, k] * x[n, k]);
                    for (var k = 0; k < Size; k++)
                        projected[k] += along * s[c, i, k];
                }
                Assert.Equal(25 * Math.Sqrt(projected.Sum(v => v * v)) / length, logits[n, c], 1e-4);
            }
        }
    }

    /// <summary>Another basis of the same subspace: only a subspace's logits stay.</summary>
    [Fact]
    public void Logits_do_not_depend_on_the_basis()
    {
        var head = Filled(new GrassmannHead(6, 2, 2));
        var x = Features(4, 6);
        var before = head.Forward(x).ToArray<float>();
        var s = head.NamedParameters().Single().Tensor;
        var (cos, sin) = (MathF.Cos(0.7f), MathF.Sin(0.7f));
        var turn = Tensor.From([cos, -sin, sin, cos, cos, -sin, sin, cos], [2, 2, 2]);
        s.CopyFrom(turn.MatMul(s.Detach()));
        Assert.All(head.Forward(x).ToArray<float>().Zip(before), p => Assert.Equal(p.Second, p.First, 1e-4));
    }

    [Fact]
    public void Gradients_are_those_of_finite_differences()
    {
        var (cosine, grassmann) = (Filled(new CosineHead(5, 3, scale: 2)), Filled(new GrassmannHead(5, 3, 2, scale: 2)));
        Assert.True(GradientCheck.LargestError(x => [cosine.Forward(x[0]), grassmann.Forward(x[0])], [Features(3, 5)]) < 2e-3);
        var s = grassmann.NamedParameters().Single().Tensor;
        var error = GradientCheck.LargestError(
            p =>
            {
                var unit = Features(3, 5);
                unit /= unit.Square().Sum([1], keepAxes: true).Sqrt();
                return [unit.Linear(p[0].Reshape([6, 5])).Reshape([3, 3, 2]).Square().Sum([2]).Sqrt() * 2];
            },
            [s]);
        Assert.True(error < 2e-3, $"{error}");
    }

    [Theory]
    [InlineData("cosine", "metric_head.weight")]
    [InlineData("grassmann4", "metric_head.subspaces")]
    public void A_network_takes_a_head_and_keeps_it(string name, string parameter)
    {
        var network = Models.Create("resnet20_cifar", new() { NumClasses = 5, Head = name, HeadScale = 12 });
        network.Initialise(1);
        Assert.Equal(5, network.NumClasses);
        Assert.Contains(parameter, network.State().Select(e => e.Name));
        Assert.DoesNotContain("linear.weight", network.State().Select(e => e.Name));
        var logits = network.Forward(Tensor.Ones([2, 32, 32, 3]));
        Assert.Equal("[2, 5]", logits.Shape.ToString());
        Assert.All(logits.ToArray<float>(), l => Assert.InRange(l, -12.001f, 12.001f));
        var again = NetworkDescription.FromJson(network.Description.ToJson(), "config.json").Build();
        again.Load(network.State().ToDictionary(e => e.Name, e => e.Tensor), "itself");
        Assert.Equal(logits.ToArray<float>(), again.Forward(Tensor.Ones([2, 32, 32, 3])).ToArray<float>());

        // Weights of the plain network fit but for the classifier; another size of classifier keeps the kind.
        var plain = Models.Create("resnet20_cifar", new() { NumClasses = 10 });
        Assert.Single(network.LoadPretrained(plain.State().ToDictionary(e => e.Name, e => e.Tensor), "plain"));
        network.ResetClassifier(7);
        Assert.Equal("[2, 7]", network.Forward(Tensor.Ones([2, 32, 32, 3])).Shape.ToString());
        network.ResetClassifier(0);
        Assert.Equal("[2, 64]", network.Forward(Tensor.Ones([2, 32, 32, 3])).Shape.ToString());
    }

    [Fact]
    public void Unknown_heads_are_named()
    {
        Assert.Contains("head 'ball' is unknown", Assert.Throws<VertebraException>(() => Models.Create("resnet20_cifar", new() { Head = "ball" })).Message, StringComparison.Ordinal);
        Assert.Contains("do not fit into 64 features", Assert.Throws<VertebraException>(() => Models.Create("resnet20_cifar", new() { Head = "grassmann100" })).Message, StringComparison.Ordinal);
    }
}
