using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Onnx;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Onnx;

/// <summary>Files that take photos as they are give the logits of our own preprocessing and network.</summary>
public class OnnxPreprocessingTests
{
    private static readonly OnnxPreprocessing Facts = new()
    {
        Height = 64, Width = 64, CropShare = 0.875, Mean = Preprocessing.ImageNet.Mean, Std = Preprocessing.ImageNet.Std,
    };

    [OnnxRuntimeTheory]
    [InlineData(OnnxResizeFilter.Bicubic, false, 64, 64, 17)]
    [InlineData(OnnxResizeFilter.Bilinear, false, 64, 64, 13)]
    [InlineData(OnnxResizeFilter.Bicubic, true, 64, 64, 21)]
    [InlineData(OnnxResizeFilter.Bilinear, false, 64, 96, 17)]
    public void Pixels_are_those_of_our_own_preprocessing(OnnxResizeFilter filter, bool squash, int height, int width, int opset)
    {
        using var folder = new TemporaryFolder();
        var inside = Facts with { Filter = filter, Squash = squash, Height = height, Width = width };
        OnnxExporter.Export(new Echo(), [1, height, width, 3], folder["net.onnx"], new() { Preprocessing = inside, Opset = opset });
        RgbImage[] images = [Picture(200, 131), Picture(90, 170), Picture(50, 40)];
        var results = OnnxRuntime.RunMany([.. images.Select(x => new OnnxRuntimeJob(folder["net.onnx"], [Pixels(x)]))]);
        foreach (var (image, result) in images.Zip(results))
        {
            Assert.Null(result.Error);
            var expected = Outside(inside).Apply(image).Permute([0, 3, 1, 2]).ToArray<float>();
            var actual = result.Outputs[0].ToArray<float>();
            // The pixels are the same; multiplication and addition round once or twice.
            Assert.All(actual.Zip(expected), p => Assert.InRange(Math.Abs(p.First - p.Second), 0, 1e-5));
        }
    }

    [SharedOnnxRuntimeFact]
    public void Photos_give_the_logits_of_our_own_preprocessing_and_network()
    {
        using var folder = new TemporaryFolder();
        using var off = GradMode.Off();
        var network = Models.Create("resnet18");
        GoldenValues.Fill(network, new Dictionary<string, int>());
        var facts = Preprocessing.ImageNet;
        var inside = Facts with { Height = facts.Height, Width = facts.Width };
        OnnxExporter.Export(network, [1, facts.Height, facts.Width, 3], folder["net.onnx"], new() { Preprocessing = inside });
        var photos = Directory.GetFiles(SharedData.PathOf("data/imagenet-sample/images")).Order(StringComparer.Ordinal).Where((_, i) => i % 10 == 0).Select(f => ImageDecoder.Decode(f)).ToArray();
        var results = OnnxRuntime.RunMany([.. photos.Select(x => new OnnxRuntimeJob(folder["net.onnx"], [Pixels(x)]))]);
        var errors = photos.Zip(results, (photo, result) => OnnxZoo.RelativeError(result.Outputs[0].ToArray<float>(), network.Forward(Outside(inside).Apply(photo)).ToArray<float>())).ToArray();
        Assert.Equal(10, errors.Length);
        Assert.True(errors.Max() < 1e-4, $"relative L2 of the logits: {string.Join(' ', errors.Select(e => e.ToString("0.0e+00")))}");
    }

    private static InputTransform Outside(OnnxPreprocessing inside) => new(Preprocessing.ImageNet with
    {
        Height = inside.Height,
        Width = inside.Width,
        CropPct = inside.CropShare,
        CropMode = inside.Squash ? CropMode.Squash : CropMode.Center,
        Interpolation = Enum.Parse<ResampleFilter>(inside.Filter.ToString()),
    });

    private static Tensor Pixels(RgbImage image) => Tensor.From(image.Pixels, [1, image.Height, image.Width, 3]);

    private static RgbImage Picture(int width, int height)
    {
        var random = new Philox(7, 0);
        var image = new RgbImage(width, height);
        for (var i = 0; i < image.Pixels.Length; i++)
            image.Pixels[i] = (byte)(random.Bits((ulong)i) & 255);
        return image;
    }

    private sealed class Echo : Vertebra.Nn.Module
    {
        protected override Tensor OnForward(Tensor x) => x * 1;
    }
}
