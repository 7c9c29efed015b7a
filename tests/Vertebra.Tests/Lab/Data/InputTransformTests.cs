using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Data;

public class InputTransformTests
{
    /// <summary>From file to input: decoding, resizing, cropping and normalising of ten photos, against another implementation's pixels.</summary>
    [SharedFact]
    public void Evaluation_input_of_photos_is_that_of_the_reference()
    {
        var folder = SharedData.PathOf("data/imagenet-sample");
        var expected = File.ReadAllBytes(Path.Combine(folder, "crops224_10_rgb_u8.bin"));
        var names = File.ReadLines(Path.Combine(folder, "crops224_10.txt")).Where(l => l.Length > 0).ToArray();
        var preprocessing = Preprocessing.ImageNet with { Interpolation = ResampleFilter.Bilinear };
        var transform = new InputTransform(preprocessing);
        for (var i = 0; i < names.Length; i++)
        {
            var input = transform.Apply(ImageDecoder.Decode(Path.Combine(folder, "images", names[i]))).ToArray<float>();
            for (var p = 0; p < input.Length; p++)
            {
                var level = ((input[p] * preprocessing.Std[p % 3]) + preprocessing.Mean[p % 3]) * 255;
                Assert.InRange(level, expected[(i * input.Length) + p] - 1.001, expected[(i * input.Length) + p] + 1.001);
            }
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(1)]
    public void Normalising_is_right_at_every_length_around_the_vector_width(int channels)
    {
        for (var width = 1; width <= 35; width++)
        {
            var preprocessing = Preprocessing.Whole(1, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]).WithChannels(channels) with { Width = width };
            var image = Noise(width, 1);
            var input = new InputTransform(preprocessing).Apply(image).ToArray<float>();
            Assert.Equal(width * channels, input.Length);
            for (var p = 0; p < input.Length; p++)
            {
                var (r, g, b) = (image.Pixels[p / channels * 3], image.Pixels[(p / channels * 3) + 1], image.Pixels[(p / channels * 3) + 2]);
                // Half a level of rounding for grey.
                var (level, tolerance) = channels == 3 ? (image.Pixels[p], 1e-6) : ((0.299 * r) + (0.587 * g) + (0.114 * b), 0.51 / 255 / 0.22);
                Assert.Equal(((level / 255) - preprocessing.Mean[p % channels]) / preprocessing.Std[p % channels], input[p], tolerance);
            }
        }
    }

    /// <summary>The luma of pure colours as Pillow 9.4 gives it.</summary>
    [Fact]
    public void Grey_is_Pillows_luma()
    {
        var image = new RgbImage(5, 1, [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 77, 77, 77]);
        var grey = new InputTransform(Preprocessing.Whole(1, [0.5], [0.5]) with { Width = 5 }).Prepare(image);
        Assert.Equal([76, 150, 29, 255, 77], Enumerable.Range(0, 5).Select(i => (int)grey.Pixels[3 * i]));
    }

    [Fact]
    public void An_image_of_the_right_size_is_not_touched_unless_something_is_to_be_cut_off()
    {
        var image = Noise(32, 32);
        var whole = Preprocessing.Whole(32, [0, 0, 0], [1, 1, 1]);
        Assert.Same(image, new InputTransform(whole).Prepare(image));
        Assert.Same(image, new InputTransform(whole with { CropPct = 0.875 }, Augmentation.SmallImages).Prepare(image));
        var cut = new InputTransform(whole with { CropPct = 0.875 }).Prepare(image);
        Assert.Equal(ImageTransforms.CenterCrop(Resampler.Resize(image, 36, 36), 32, 32).Pixels, cut.Pixels);
    }

    [Theory]
    [InlineData(1, 1, CropMode.Center, 32, 32)]
    [InlineData(1, 9000, CropMode.Center, 32, 32)]
    [InlineData(9000, 1, CropMode.Center, 32, 48)]
    [InlineData(100, 60, CropMode.Center, 48, 32)]
    [InlineData(60, 100, CropMode.Center, 48, 32)]
    [InlineData(100, 60, CropMode.Squash, 48, 32)]
    public void Any_image_becomes_an_input_of_the_right_size(int width, int height, CropMode mode, int inputHeight, int inputWidth)
    {
        var preprocessing = Preprocessing.ImageNet with { Height = inputHeight, Width = inputWidth, CropMode = mode };
        foreach (var augmentation in new[] { null, Augmentation.Photos, Augmentation.SmallImages, new() { Crop = TrainingCrop.None } })
        {
            var transform = new InputTransform(preprocessing, augmentation);
            var prepared = transform.Prepare(Flat(width, height, 100, 150, 200));
            for (var position = 0; position < 5; position++)
            {
                var input = new float[transform.InputLength];
                transform.Finish(prepared, new SampleRandom(1, 0, position), input);
                // A flat image stays flat whatever is cut and resized; only a padded crop adds black.
                if (augmentation?.Crop != TrainingCrop.Padded)
                {
                    for (var p = 0; p < input.Length; p++)
                        Assert.Equal(((new[] { 100, 150, 200 }[p % 3] / 255.0) - preprocessing.Mean[p % 3]) / preprocessing.Std[p % 3], input[p], 1e-5);
                }
            }
        }
    }

    [Fact]
    public void Flips_are_mirror_images_at_the_stated_rate()
    {
        const int Draws = 20000;
        var image = Noise(7, 5);
        var mirrored = ImageTransforms.FlipHorizontal(image).Pixels;
        var transform = Levels(7, 5, new() { Crop = TrainingCrop.None, FlipProbability = 0.3 });
        var flips = 0;
        for (var i = 0; i < Draws; i++)
        {
            var pixels = Finish(transform, image, i);
            if (pixels.SequenceEqual(mirrored))
                flips++;
            else
                Assert.Equal(image.Pixels, pixels);
        }
        // Five standard deviations of a binomial count.
        Assert.InRange(flips, (0.3 * Draws) - (5 * Math.Sqrt(Draws * 0.21)), (0.3 * Draws) + (5 * Math.Sqrt(Draws * 0.21)));
    }

    [Fact]
    public void Padded_crops_are_windows_of_the_bordered_image_and_all_are_equally_likely()
    {
        const int Draws = 25 * 400, Padding = 2;
        var image = Noise(6, 4);
        var windows = new Dictionary<string, int>();
        for (var top = 0; top <= 2 * Padding; top++)
        {
            for (var left = 0; left <= 2 * Padding; left++)
                windows.Add(Convert.ToHexString(ImageTransforms.Crop(ImageTransforms.Pad(image, Padding, Padding, Padding, Padding), left, top, 6, 4).Pixels), 0);
        }
        var transform = Levels(6, 4, new() { Crop = TrainingCrop.Padded, Padding = Padding, FlipProbability = 0 });
        for (var i = 0; i < Draws; i++)
            windows[Convert.ToHexString(Finish(transform, image, i))]++;
        // Chi-square with 24 degrees of freedom: 99.99 % lie below 60.
        var expected = Draws / 25.0;
        Assert.InRange(windows.Values.Sum(n => (n - expected) * (n - expected) / expected), 5, 60);
    }

    [Fact]
    public void Preprocessing_survives_json_and_bad_values_are_named()
    {
        var facts = new Preprocessing { Height = 288, Width = 256, CropPct = 0.95, CropMode = CropMode.Squash, Mean = [0.5, 0.25, 0.125], Std = [0.1, 0.2, 0.3] };
        Assert.Equal(facts, Parse(facts.ToJson().ToJsonString()));
        Assert.NotEqual(facts, facts with { Std = [0.1, 0.2, 0.4] });
        Assert.Equal(facts.WithChannels(1), Parse(facts.WithChannels(1).ToJson().ToJsonString()));
        Assert.Equal(Preprocessing.ImageNet, Parse("""{"num_classes": 10}"""));
        AssertRefused("""{"input_size": [3, 224]}""", "input_size has 2 numbers");
        AssertRefused("""{"input_size": [2, 224, 224]}""", "2 channels");
        AssertRefused("""{"input_size": [3, 99999, 224]}""", "outside 1 to 16384");
        AssertRefused("""{"input_size": [-1, 224, 224]}""", "channels");
        AssertRefused("""{"std": [0, 1, 1]}""", "std above 0");
        AssertRefused("""{"mean": [0.5]}""", "1 means and 3 deviations");
        AssertRefused("""{"crop_pct": 1.5}""", "crop_pct 1.5");
        AssertRefused("""{"crop_pct": "x"}""", "not in the expected form");
        AssertRefused("""{"interpolation": "magic"}""", "interpolation \"magic\" is not supported; use nearest, box, bilinear");
        AssertRefused("[]", "not in the expected form");

        static Preprocessing Parse(string json) => Preprocessing.FromJson(System.Text.Json.JsonDocument.Parse(json).RootElement, "config.json");

        static void AssertRefused(string json, string message) =>
            Assert.Contains(message, Assert.ThrowsAny<VertebraException>(() => Parse(json)).Message);
    }

    /// <summary>A transform whose output is the 8-bit levels themselves.</summary>
    private static InputTransform Levels(int width, int height, Augmentation augmentation) =>
        new(Preprocessing.Whole(1, [0, 0, 0], [1 / 255.0, 1 / 255.0, 1 / 255.0]) with { Width = width, Height = height }, augmentation);

    private static byte[] Finish(InputTransform transform, RgbImage image, int position)
    {
        var target = new float[transform.InputLength];
        transform.Finish(image, new SampleRandom(3, 1, position), target);
        return Array.ConvertAll(target, level => (byte)level);
    }

    private static RgbImage Noise(int width, int height)
    {
        var image = new RgbImage(width, height);
        new Random(width).NextBytes(image.Pixels);
        return image;
    }

    private static RgbImage Flat(int width, int height, byte red, byte green, byte blue)
    {
        var image = new RgbImage(width, height);
        for (var i = 0; i < image.Pixels.Length; i += 3)
            (image.Pixels[i], image.Pixels[i + 1], image.Pixels[i + 2]) = (red, green, blue);
        return image;
    }
}
