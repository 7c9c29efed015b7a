using System.Text.Json;
using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Nn;
using Vertebra.Zoo;
using Vertebra.Zoo.Families;
using Vertebra.Zoo.Weights;

namespace Vertebra.Tests.Zoo;

/// <summary>Published weights on real pictures, against the answers that PyTorch gave.</summary>
public class RealWeightsTests
{
    private const int Classes = 1000;

    [SharedTheory]
    [InlineData("mobilenet_v2", "mobilenetv2_100", 5, 89, 97)]
    [InlineData("squeezenet1_1", "squeezenet1_1", 8, 71, 85)]
    public void A_hundred_photos_are_classified_as_torchvision_does(string name, string model, int column, int top1, int top5)
    {
        using var off = GradMode.Off();
        var network = NetworkFiles.Load(SharedData.PathOf($"data/weights-imagenet-{name}/{name}.safetensors"), model);
        var expected = Checkpoint.Read(SharedData.PathOf($"data/weights-imagenet-{name}/{name}_logits_shared100.safetensors")).Tensors["logits"].ToArray<float>();
        var prepare = new InputTransform(NetworkPreprocessing.Of(new PretrainedConfig { Interpolation = "bilinear" }, name));
        var photos = File.ReadLines(SharedData.PathOf("data/imagenet-sample/labels.csv")).Skip(1).Select(l => l.Split(',')).ToArray();
        Assert.Equal(100, photos.Length);
        int[] right = [0, 0];
        for (var i = 0; i < photos.Length; i++)
        {
            var photo = ImageDecoder.Decode(SharedData.PathOf($"data/imagenet-sample/images/{photos[i][0]}"));
            var logits = network.Forward(prepare.Apply(photo)).ToArray<float>();
            for (var c = 0; c < Classes; c++)
                Assert.Equal(expected[(i * Classes) + c], logits[c], 2e-3f);
            Assert.Equal(int.Parse(photos[i][column]), Array.IndexOf(logits, logits.Max()));
            var better = logits.Count(l => l > logits[int.Parse(photos[i][1])]);
            right[0] += better < 1 ? 1 : 0;
            right[1] += better < 5 ? 1 : 0;
        }
        Assert.Equal([top1, top5], right);
    }

    [SharedFact]
    public void Names_of_timm_and_of_torchvision_are_the_same_weights()
    {
        using var off = GradMode.Off();
        var folder = SharedData.PathOf("data/weights-imagenet-mobilenet_v2");
        var state = Checkpoint.Read(Path.Combine(folder, "mobilenet_v2.safetensors")).Tensors;
        var names = JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(Path.Combine(folder, "names_torchvision_to_timm.json")))!;
        Backbone torchvision = Models.Create("mobilenetv2_100"), timm = Models.Create("mobilenetv2_100");
        Assert.Single(torchvision.LoadPretrained(state, "torchvision"));
        Assert.Empty(timm.LoadPretrained(state.ToDictionary(s => names[s.Key], s => s.Value), "timm"));
        foreach (var (mine, its) in torchvision.State().Zip(timm.State()))
            Assert.True(mine.Tensor.DType != DType.Float32 || mine.Tensor.ToArray<float>().SequenceEqual(its.Tensor.ToArray<float>()), mine.Name);
    }

    [SharedFact]
    public void A_small_vision_transformer_reads_digits()
    {
        using var off = GradMode.Off();
        var folder = SharedData.PathOf("data/weights-mnist-vit");
        var state = Checkpoint.Read(Path.Combine(folder, "vit_mnist.safetensors")).Tensors;
        var spec = new VitSpec(7, 64, 6, 8) { MlpRatio = 2, HasQkvBias = false, Epsilon = 1e-5f, HasFinalNorm = false };
        var body = new VisionTransformer(spec, new() { NumClasses = 0, InChans = 1, ImgSize = 28 });
        var head = new Sequential(new Linear(64, 128), new ActivationLayer(ActivationKind.Gelu), new Linear(128, 10));
        body.LoadPretrained(state, "vit_mnist");
        head.Load(state.Where(s => s.Key.StartsWith("head.", StringComparison.Ordinal)).ToDictionary(s => s.Key[5..], s => s.Value), "vit_mnist");

        var images = IdxFile.Read(SharedData.PathOf("data/mnist/t10k-images-idx3-ubyte.gz"), 3);
        var labels = IdxFile.Read(SharedData.PathOf("data/mnist/t10k-labels-idx1-ubyte.gz"), 1).Data;
        var expected = Checkpoint.Read(Path.Combine(folder, "vit_mnist_logits_t10k_first1000.safetensors")).Tensors["logits"].ToArray<float>();
        const int Batch = 500;
        var right = 0;
        for (var first = 0; first < labels.Length; first += Batch)
        {
            var pixels = images.Data.AsSpan(first * 784, Batch * 784).ToArray();
            var x = Tensor.From(Array.ConvertAll(pixels, p => ((p / 255f) - 0.1307f) / 0.3081f), [Batch, 28, 28, 1]);
            var logits = head.Forward(body.Forward(x)).ToArray<float>();
            for (var i = 0; i < logits.Length && (first * 10) + i < expected.Length; i++)
                Assert.Equal(expected[(first * 10) + i], logits[i], 1e-3f);
            right += Enumerable.Range(0, Batch).Count(i => logits.AsSpan(i * 10, 10).IndexOf(logits.Skip(i * 10).Take(10).Max()) == labels[first + i]);
        }
        Assert.Equal(9821, right);
    }
}
