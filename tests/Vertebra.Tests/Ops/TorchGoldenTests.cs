using System.Text.Json;
using Vertebra.Autograd;
using Vertebra.Kernels;
using Vertebra.Ops;
using Vertebra.Zoo.Layers;

namespace Vertebra.Tests.Ops;

/// <summary>Image operations and their input gradients against PyTorch's numbers (Golden/net/make.py wrote them).</summary>
public class TorchGoldenTests
{
    private static readonly JsonElement[] Cases = [.. JsonDocument.Parse(
        File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/net/cases.json"))).RootElement.EnumerateArray()];

    public static TheoryData<string> Names => [.. Cases.Select(c => c.GetProperty("op").GetString()!).Distinct()];

    [Theory]
    [MemberData(nameof(Names))]
    public void Results_and_gradients_agree_with_PyTorch(string name)
    {
        foreach (var c in Cases.Where(c => c.GetProperty("op").GetString() == name))
        {
            var x = Numbers([.. c.GetProperty("shape").EnumerateArray().Select(v => v.GetInt32())], 1);
            x.RequiresGrad = true;
            var y = Apply(c, x);
            var settings = string.Join(", ", c.EnumerateObject().Where(p => p.Name is not ("y" or "dx")).Select(p => $"{p.Name} {p.Value}"));
            Assert.True(y.Shape.SequenceEqual(c.GetProperty("y_shape").EnumerateArray().Select(v => v.GetInt32())), $"shape {y.Shape}: {settings}");
            AssertClose(c.GetProperty("y"), y, settings);
            AssertClose(c.GetProperty("dx"), (y * Numbers(y.Shape, 100)).Sum().Gradients([x])[0], "gradient, " + settings);
        }
    }

    private static Tensor Apply(JsonElement c, Tensor x)
    {
        int Int(string key) => c.GetProperty(key).GetInt32();
        bool Bool(string key) => c.GetProperty(key).GetBoolean();
        Size2d Size() => (c.GetProperty("size")[0].GetInt32(), c.GetProperty("size")[1].GetInt32());
        var channels = x.Shape[-1];
        var (weight, bias) = (Numbers([channels], 2), Numbers([channels], 3));
        return c.GetProperty("op").GetString() switch
        {
            "interpolate" => x.Interpolate(Size(), Enum.Parse<InterpolationMode>(c.GetProperty("mode").GetString()!, ignoreCase: true), Bool("align"), Bool("antialias")),
            "max_pool" => x.MaxPool2d(Int("kernel"), Int("stride"), Int("padding"), ceilMode: Bool("ceil")),
            "avg_pool" => x.AvgPool2d(Int("kernel"), Int("stride"), Int("padding"), Bool("ceil"), Bool("count")),
            "adaptive_avg_pool" => x.AdaptiveAvgPool2d(Size()),
            "adaptive_max_pool" => x.AdaptiveMaxPool2d(Size()),
            "group_norm" when Int("groups") == channels => x.InstanceNorm(weight, bias, 1e-3f),
            "group_norm" => x.GroupNorm(Int("groups"), weight, bias, 1e-3f),
            "batch_norm" => x.BatchNormTraining(weight, bias, 1e-3f).Result,
            "layer_norm" => x.LayerNorm(weight, bias, 1e-3f),
            "conv" => x.Conv2d(Numbers([6, 4 / Int("groups"), 3, 3], 2), Numbers([6], 3), Int("stride"), Int("padding"), Int("dilation"), Int("groups")),
            "conv_transpose" => x.ConvTranspose2d(
                Numbers([4, 6 / Int("groups"), 3, 3], 2), Numbers([6], 3), Int("stride"), Int("padding"), Int("output_padding"), Int("dilation"), Int("groups")),
            "lstm" => Lstm(x, Int("hidden")),
            var other => throw new InvalidDataException(other),
        };
    }

    private static Tensor Lstm(Tensor x, int hidden)
    {
        var (n, h, w, c) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
        var layer = new BidirectionalLstm(c, hidden);
        foreach (var (k, (_, parameter)) in layer.NamedParameters().Index())
            parameter.CopyFrom(Numbers(parameter.Shape, 2 + k));
        return layer.Forward(x.Reshape([n * h, w, c])).Reshape([n, h, w, 2 * hidden]);
    }

    /// <summary>The rule that make.py states.</summary>
    private static Tensor Numbers(Shape shape, int k)
    {
        var values = new float[shape.ElementCount];
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)((((7919L * i) + (104729L * k)) % 1009 / 504.5) - 1);
        return Tensor.From(values, shape);
    }

    private static void AssertClose(JsonElement expected, Tensor actual, string what)
    {
        var numbers = expected.EnumerateArray().Select(v => v.GetDouble()).ToArray();
        var values = actual.ToArray<float>();
        Assert.Equal(numbers.Length, values.Length);
        var scale = Math.Max(1, numbers.Max(Math.Abs));
        for (var i = 0; i < numbers.Length; i++)
            Assert.True(Math.Abs(numbers[i] - values[i]) <= 5e-6 * scale, $"element {i}: {values[i]} instead of {numbers[i]}; {what}");
    }
}
