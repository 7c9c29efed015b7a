using System.Text.RegularExpressions;
using System.Xml.Linq;
using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Studies;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Tests.Lab.Training;

namespace Vertebra.Tests.Lab.Studies;

public class OpposingSignalsTests
{
    private static readonly RedOutliers Images = new();

    private static readonly InputTransform Transform = new(Images.Preprocessing);

    /// <summary>Some steps at a rate that is short enough, so that the pattern is learned and the red images balance each other.</summary>
    private static TinyNet Trained()
    {
        var network = new TinyNet(inputs: 8 * 8 * 3, hidden: 16, outputs: 2);
        network.Initialise(4);
        var optimizer = new Sgd(ParameterGroup.Of(network, 0)) { LearningRate = 0.02 };
        var batch = new BatchLoader(Images, Transform, LoaderOptions.ForEvaluation(Images.Count)).Epoch(0).Single();
        for (var i = 0; i < 60; i++)
        {
            network.Forward(batch.Images).CrossEntropy(batch.Labels).Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
        }
        return network;
    }

    private static OpposingResult Find(Module network, double rate = 0.6, int batch = 64) =>
        new OpposingSignals(network, Images, Transform, new(rate) { Share = 0.04, BatchSize = batch }).Find();

    [Fact]
    public void A_colour_that_comes_with_both_classes_is_found_and_its_groups_pull_in_opposite_directions()
    {
        var result = Find(Trained());
        var pair = result.Pairs[0];
        Assert.NotEqual(pair.Falling.Label, pair.Rising.Label);
        foreach (var group in new[] { pair.Falling, pair.Rising })
        {
            Assert.True(group.Images.Count >= 8, $"{group.Images.Count} images");
            Assert.All(group.Images, i => Assert.True(RedOutliers.IsRed(i), $"image {i} of class {group.Label}"));
            Assert.All(group.Images, i => Assert.Equal(group.Label, Images.Label(i)));
            Assert.True(Math.Abs(group.Change) > 5 * result.MeanChange, $"{group.Change} where the mean is {result.MeanChange}");
        }
        Assert.True(pair.Falling.Change < 0 && pair.Rising.Change > 0);
        Assert.True(pair.Cosine < -0.9, $"cosine {pair.Cosine}");
        Assert.True(pair.Correlation < -0.8, $"correlation {pair.Correlation}");
    }

    [Fact]
    public void Losses_are_those_of_gradient_descent_on_all_images_and_the_network_is_as_before()
    {
        var (network, other) = (Trained(), Trained());
        var before = network.NamedParameters().SelectMany(p => p.Tensor.ToArray<float>()).ToArray();
        network.Train();
        var result = Find(network, rate: 0.05, batch: 37);
        Assert.Equal(before, network.NamedParameters().SelectMany(p => p.Tensor.ToArray<float>()));
        Assert.True(network.IsTraining);
        Assert.All(network.NamedParameters(), p => Assert.Null(p.Tensor.Grad));
        var optimizer = new Sgd(ParameterGroup.Of(other, 0)) { LearningRate = 0.05 };
        var batch = new BatchLoader(Images, Transform, LoaderOptions.ForEvaluation(Images.Count)).Epoch(0).Single();
        foreach (var expected in result.Losses)
        {
            var loss = other.Forward(batch.Images).CrossEntropy(batch.Labels);
            Assert.Equal(loss.ToScalar(), expected, 1e-4);
            loss.Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
        }
    }

    [Fact]
    public void Group_losses_are_means_over_the_members_and_csv_and_page_tell_them()
    {
        var network = Trained();
        var result = Find(network);
        var pair = result.Pairs[0];
        Assert.Equal(result.Losses.Count, pair.Rising.Losses.Count);
        Assert.Equal(pair.Rising.Losses[result.Step + 1] - pair.Rising.Losses[result.Step], pair.Rising.Change, 1e-12);
        var members = new SubsetDataset(Images, pair.Rising.Images);
        Assert.Equal(Evaluator.Run(network, new(members, Transform, LoaderOptions.ForEvaluation(16)), 2).Loss, pair.Rising.Losses[0], 1e-4);

        var page = new OpposingPage(result, Images, "Signals & <more>");
        Assert.Equal(1 + result.Pairs.Sum(p => p.Rising.Images.Count + p.Falling.Images.Count), page.ToCsv().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        var html = page.ToHtml();
        var parsed = XDocument.Parse(Regex.Replace(html["<!DOCTYPE html>".Length..], "<(meta|img|br)([^>]*)>", "<$1$2/>"));
        Assert.Equal(result.Pairs.Sum(p => Math.Min(12, p.Rising.Images.Count) + Math.Min(12, p.Falling.Images.Count)), parsed.Descendants("img").Count());
        Assert.DoesNotMatch("(?i)NaN|<more>|https?://", html);
    }

    [Fact]
    public void Steps_that_are_too_long_or_out_of_range_are_refused()
    {
        Assert.Contains("--lr is -1", Assert.Throws<VertebraException>(() => Find(Trained(), rate: -1)).Message, StringComparison.Ordinal);
        var huge = Trained();
        foreach (var (_, tensor) in huge.NamedParameters())
            tensor.CopyFrom<float>([.. tensor.ToArray<float>().Select(v => v * 1e15f)]);
        Assert.Contains("give a lower --lr", Assert.Throws<VertebraException>(() => Find(huge, rate: 9e5)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_rate_that_is_not_given_is_halved_until_the_loss_no_longer_doubles()
    {
        OpposingResult Find(bool shortens) => new OpposingSignals(Trained(), Images, Transform, new(3.0) { Share = 0.04, Shortens = shortens }).Find();
        var (given, found) = (Find(shortens: false), Find(shortens: true));
        Assert.True(given.Losses.Max() > 2 * given.Losses[0]);
        Assert.Equal(3.0, given.LearningRate);
        Assert.True(found.LearningRate < 3.0 && Math.Log2(3.0 / found.LearningRate) % 1 < 1e-9);
        Assert.True(found.Losses.Max() <= 2 * found.Losses[0]);
        Assert.Equal(7, found.Losses.Count);
    }

    /// <summary>
    /// The class is whether the left or the right half is brighter; one image in ten is red all over, without that pattern, and
    /// red comes with both classes.
    /// </summary>
    private sealed class RedOutliers : IImageDataset
    {
        private const int Side = 8;

        public static bool IsRed(int index) => index % 20 is 3 or 8;

        public string Identity => "red outliers";

        public int Count => 400;

        public IReadOnlyList<string> ClassNames { get; } = ["left", "right"];

        public Preprocessing Preprocessing => Preprocessing.Whole(Side, [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]);

        public bool IsInMemory => true;

        public int Label(int index) => index % 2;

        public string NameOf(int index) => $"image {index}";

        public RgbImage Load(int index)
        {
            var random = new Philox(3, (ulong)index);
            var image = new RgbImage(Side, Side);
            for (var i = 0; i < image.Pixels.Length; i++)
            {
                var isBright = (i / 3 % Side < Side / 2) == (Label(index) == 0);
                image.Pixels[i] = (byte)(IsRed(index) ? (i % 3 == 0 ? 240 : 10) + random.Below(10, (ulong)i) : (isBright ? 130 : 90) + random.Below(40, (ulong)i));
            }
            return image;
        }
    }
}
