using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;
using Vertebra.Lab.Reports;

namespace Vertebra.Lab.Training;

/// <summary>One input as a picture.</summary>
/// <param name="Image">The input, its normalisation undone.</param>
/// <param name="Operations">What a policy did to it, in order.</param>
public sealed record AugmentedSample(RgbImage Image, IReadOnlyList<string> Operations);

/// <summary>What a recipe makes of images: rows of pictures, the first of each as evaluation sees it.</summary>
public sealed class AugmentationGrid
{
    private const int Gap = 4;
    private const int SmallestTile = 96;
    private const int LargestTile = 224;

    private readonly List<(string Name, AugmentedSample[] Samples)> _rows = [];
    private readonly string _policy;

    /// <summary>Draws the samples that training would take from these places of its first epoch.</summary>
    /// <param name="images">Images with their names.</param>
    /// <param name="kind">Kind of set they are from (<see cref="IImageDataset.Kind"/>).</param>
    /// <param name="preprocessing">How they are prepared, where the options leave it open.</param>
    /// <param name="options">What is varied.</param>
    /// <param name="samples">Samples of each image, at least 1.</param>
    /// <exception cref="VertebraException">An option is out of range.</exception>
    public AugmentationGrid(IReadOnlyList<(string Name, RgbImage Image)> images, string kind, Preprocessing preprocessing, TrainingOptions options, int samples)
    {
        options.Validate();
        preprocessing = TrainingRun.Override(preprocessing.WithChannels(options.InChans ?? preprocessing.Channels), options);
        _policy = options.Aa ?? "no policy";
        var evaluation = new InputTransform(preprocessing);
        var training = new InputTransform(preprocessing, AugmentationOptions.Of(options, kind, preprocessing)?.Validate());
        foreach (var (name, image) in images)
        {
            var row = Make(evaluation, image, default);
            for (var i = 0; i < samples; i++)
                row.AddRange(Make(training, image, new((ulong)options.Seed, 0, (_rows.Count * samples) + i)));
            _rows.Add((name, [.. row]));
        }
    }

    /// <summary>The pictures in their rows.</summary>
    public IReadOnlyList<(string Name, AugmentedSample[] Samples)> Rows => _rows;

    /// <summary>One picture of all of them; small ones are magnified.</summary>
    public RgbImage ToImage()
    {
        var first = _rows[0].Samples[0].Image;
        var factor = Math.Max(1, SmallestTile / Math.Max(first.Width, first.Height));
        var (width, height) = ((first.Width * factor) + Gap, (first.Height * factor) + Gap);
        var grid = new RgbImage((width * _rows.Max(r => r.Samples.Length)) + Gap, (height * _rows.Count) + Gap);
        grid.Pixels.AsSpan().Fill(255);
        for (var row = 0; row < _rows.Count; row++)
        {
            for (var column = 0; column < _rows[row].Samples.Length; column++)
            {
                var image = Resampler.Resize(_rows[row].Samples[column].Image, width - Gap, height - Gap, ResampleFilter.Nearest);
                for (var y = 0; y < image.Height; y++)
                    image.Row(y).CopyTo(grid.Row(Gap + (row * height) + y)[((Gap + (column * width)) * 3)..]);
            }
        }
        return grid;
    }

    /// <summary>A page with the operations below each picture.</summary>
    public string ToHtml() => ReportPage.Write(
        $"Augmentation: {_policy}",
        Markup.Of($"<p class=\"faint\">Samples as training takes them; the first picture of each row is what evaluation sees.</p>"),
        Markup.Join(_rows.Select(row => ReportPage.Section(row.Name, Markup.Of($"<div class=\"gallery\">\n{row.Samples.Select(Figure)}</div>")))));

    private static Markup Figure(AugmentedSample sample)
    {
        var image = sample.Image;
        var isTiny = Math.Max(image.Width, image.Height) < 96;
        return Markup.Of($"""
            <figure>
            <img class="{(isTiny ? "tiny" : "")}" width="{Math.Min(image.Width, LargestTile)}" alt="" src="data:image/png;base64,{Convert.ToBase64String(PngWriter.Encode(image))}">
            {sample.Operations.Select(o => Markup.Of($"{o}<br>"))}</figure>

            """);
    }

    private static List<AugmentedSample> Make(InputTransform transform, RgbImage image, SampleRandom random)
    {
        var values = new float[transform.Views * transform.InputLength];
        var log = new List<string>();
        transform.Finish(transform.Prepare(image), random, values, log);
        var samples = new List<AugmentedSample>();
        for (var view = 0; view < transform.Views; view++)
        {
            var operations = transform.Views == 1 ? log : log.SkipWhile(l => l != InputTransform.NameOfView(view)).Skip(1).TakeWhile(l => l != InputTransform.NameOfView(view + 1));
            samples.Add(new(Picture(transform.Preprocessing, values.AsSpan(view * transform.InputLength, transform.InputLength)), [.. operations]));
        }
        return samples;
    }

    private static RgbImage Picture(Preprocessing form, ReadOnlySpan<float> values)
    {
        var image = new RgbImage(form.Width, form.Height);
        for (var i = 0; i < image.Pixels.Length; i++)
        {
            var channel = i % 3 % form.Channels;
            var value = values[(i / 3 * form.Channels) + channel];
            image.Pixels[i] = (byte)Math.Clamp(Math.Round(255 * ((value * form.Std[channel]) + form.Mean[channel])), 0, 255);
        }
        return image;
    }
}
