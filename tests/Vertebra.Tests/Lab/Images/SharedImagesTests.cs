using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Images;

/// <summary>Real photographs.</summary>
public class SharedImagesTests
{
    [SharedTheory]
    [InlineData("data/imagenet-sample/images", "*.JPEG", 100)]
    [InlineData("data/bccd/images", "*.jpg", 90)]
    [InlineData("data/oxford-pets", "*.*g", 52)]
    [InlineData("data/camvid", "*.png", 32)]
    public void All_decode(string folder, string pattern, int count)
    {
        var files = Directory.GetFiles(SharedData.PathOf(folder), pattern, SearchOption.AllDirectories);
        Assert.Equal(count, files.Length);
        foreach (var file in files)
        {
            var info = ImageDecoder.ReadInfo(file);
            var image = ImageDecoder.Decode(file);
            Assert.Equal((info.Width, info.Height), (image.Width, image.Height));
            Assert.True(image.Pixels.AsSpan().ContainsAnyExcept(image.Pixels[0]), file);
        }
    }

    [SharedFact]
    public void Photos_have_the_sizes_of_the_list()
    {
        var lines = File.ReadAllLines(SharedData.PathOf("data/imagenet-sample/labels.csv"));
        var columns = lines[0].Split(',');
        int file = Array.IndexOf(columns, "file"), width = Array.IndexOf(columns, "width"), height = Array.IndexOf(columns, "height");
        foreach (var line in lines[1..])
        {
            var fields = line.Split(',');
            var info = ImageDecoder.ReadInfo(SharedData.PathOf("data/imagenet-sample/images/" + fields[file]));
            Assert.Equal((fields[width], fields[height]), ($"{info.Width}", $"{info.Height}"));
        }
    }

    [SharedFact]
    public void Resized_and_cropped_photos_equal_the_reference_crops()
    {
        const int side = 224;
        var folder = SharedData.PathOf("data/imagenet-sample");
        var expected = File.ReadAllBytes(Path.Combine(folder, "crops224_10_rgb_u8.bin"));
        var names = File.ReadLines(Path.Combine(folder, "crops224_10.txt")).Where(l => l.Length > 0).ToArray();
        Assert.Equal(names.Length * side * side * 3, expected.Length);
        for (var i = 0; i < names.Length; i++)
        {
            var photo = ImageDecoder.Decode(Path.Combine(folder, "images", names[i]));
            var crop = ImageTransforms.CenterCrop(Resampler.ResizeShorterSide(photo, 256), side, side);
            // One level is what the reference's other JPEG library might cost; in fact the bytes are the same.
            for (var k = 0; k < crop.Pixels.Length; k++)
                Assert.InRange(crop.Pixels[k] - expected[i * crop.Pixels.Length + k], -1, 1);
        }
    }

    [SharedFact]
    public void Palette_masks_hold_the_documented_classes()
    {
        // The labels' palette is the usual segmentation one: 0 background, 1 cat, 2 dog, 255 border.
        foreach (var file in Directory.GetFiles(SharedData.PathOf("data/oxford-pets/labels")))
        {
            var mask = ImageDecoder.Decode(file);
            var photo = ImageDecoder.ReadInfo(Path.ChangeExtension(file.Replace("labels", "images", StringComparison.Ordinal), ".jpg"));
            Assert.Equal((photo.Width, photo.Height), (mask.Width, mask.Height));
            var colors = new HashSet<int>();
            for (var i = 0; i < mask.Pixels.Length; i += 3)
                colors.Add(mask.Pixels[i] << 16 | mask.Pixels[i + 1] << 8 | mask.Pixels[i + 2]);
            Assert.InRange(colors.Count, 2, 4);
        }
    }
}
