using System.Security.Cryptography;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Augment;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Data.Augment;

public class AugmentPolicyTests
{
    private static readonly PolicySetting Setting = new(64, new(WarpFilter.Bilinear, 1, 2, 3));
    private static readonly LevelLimits Limits = new(100, 0.45);

    /// <summary>By name: the argument at levels 0, 5 and 10 as timm states the ranges, and whether a sign is drawn.</summary>
    private static readonly Dictionary<string, (double[] Arguments, bool IsSigned)> Levels = new()
    {
        ["AutoContrast"] = ([0, 0, 0], false),
        ["Equalize"] = ([0, 0, 0], false),
        ["Invert"] = ([0, 0, 0], false),
        ["Rotate"] = ([0, 15, 30], true),
        ["Posterize"] = ([0, 2, 4], false),
        ["PosterizeIncreasing"] = ([4, 2, 0], false),
        ["PosterizeOriginal"] = ([4, 6, 8], false),
        ["Solarize"] = ([0, 128, 256], false),
        ["SolarizeIncreasing"] = ([256, 128, 0], false),
        ["SolarizeAdd"] = ([0, 55, 110], false),
        ["Color"] = ([0.1, 1, 1.9], false),
        ["Contrast"] = ([0.1, 1, 1.9], false),
        ["Brightness"] = ([0.1, 1, 1.9], false),
        ["Sharpness"] = ([0.1, 1, 1.9], false),
        ["ColorIncreasing"] = ([0, 0.45, 0.9], true),
        ["ContrastIncreasing"] = ([0, 0.45, 0.9], true),
        ["BrightnessIncreasing"] = ([0, 0.45, 0.9], true),
        ["SharpnessIncreasing"] = ([0, 0.45, 0.9], true),
        ["ShearX"] = ([0, 0.15, 0.3], true),
        ["ShearY"] = ([0, 0.15, 0.3], true),
        ["TranslateX"] = ([0, 50, 100], true),
        ["TranslateY"] = ([0, 50, 100], true),
        ["TranslateXRel"] = ([0, 0.225, 0.45], true),
        ["TranslateYRel"] = ([0, 0.225, 0.45], true),
        ["Desaturate"] = ([0.5, 0.25, 0], false),
        ["GaussianBlur"] = ([0.1, 1.05, 2], false),
    };

    [Fact]
    public void Every_level_means_what_timm_says()
    {
        Assert.Equal(LeveledOperation.All.Keys.Except(["GaussianBlurRand"]).Order(), Levels.Keys.Order());
        foreach (var (name, (arguments, isSigned)) in Levels)
        {
            // Those that grow to both sides of 1 are counted from there.
            var middle = name is "ColorIncreasing" or "ContrastIncreasing" or "BrightnessIncreasing" or "SharpnessIncreasing" ? 1 : 0;
            for (var i = 0; i < 3; i++)
            {
                var signs = Enumerable.Range(0, 100).Select(position => Argument(name, 5 * i, position) - middle).Distinct().ToArray();
                Assert.All(signs, argument => Assert.Equal(arguments[i], isSigned ? Math.Abs(argument) : argument, 1e-12));
                Assert.Equal(isSigned && i > 0 ? 2 : 1, signs.Length);
            }
        }
        var radii = Enumerable.Range(0, 4000).Select(position => Argument("GaussianBlurRand", 10, position)).ToArray();
        Assert.InRange(radii.Min(), 0.1, 0.11);
        Assert.InRange(radii.Max(), 1.99, 2);
        Assert.Equal(1.05, radii.Average(), 0.05);
    }

    [Fact]
    public void RandAugment_takes_every_operation_of_its_list_equally_often()
    {
        const int Draws = 6000;
        foreach (var (text, list) in new[] { ("rand-m5-n3-p0.4", RandAugment.Plain), ("rand-m5-n3-p0.4-inc1", RandAugment.Increasing) })
        {
            var counts = Count(text, Draws);
            var operations = list.Select(name => LeveledOperation.All[name].Operation).ToArray();
            Assert.Equal(operations.Order(), counts.Keys.Order());
            // n · p / 15 of each, within five deviations.
            var expected = Draws * 3 * 0.4 / 15;
            Assert.All(counts.Values, count => Assert.InRange(count, expected - (5 * Math.Sqrt(expected)), expected + (5 * Math.Sqrt(expected))));
        }
    }

    [Fact]
    public void Weights_choose_without_repetition()
    {
        const int Draws = 4000;
        foreach (var (text, set) in new[] { ("rand-p1-n2-tweights", "weights"), ("rand-p1-n2-t3aw", "3aw") })
        {
            var policy = PolicyText.Parse(text, Setting);
            var first = new Dictionary<PixelOperation, int>();
            for (var position = 0; position < Draws; position++)
            {
                var drawn = Operations(Log(policy, position)).ToArray();
                Assert.Equal(2, drawn.Length);
                // Two entries of 3aw change the colours.
                Assert.True(drawn[0] != drawn[1] || drawn[0] == PixelOperation.Color);
                first[drawn[0]] = first.GetValueOrDefault(drawn[0]) + 1;
            }
            var total = RandAugment.Sets[set].Sum(s => s.Weight);
            foreach (var entries in RandAugment.Sets[set].GroupBy(s => LeveledOperation.All[s.Name].Operation))
            {
                var expected = Draws * entries.Sum(s => s.Weight) / total;
                Assert.InRange(first.GetValueOrDefault(entries.Key), expected - (5 * Math.Sqrt(expected)), expected + (5 * Math.Sqrt(expected)));
            }
        }
        // timm's first weights leave two operations out.
        Assert.DoesNotContain(PixelOperation.Invert, Count("rand-p1-n2-w0", 3000).Keys);
        Assert.Equal(6000, Count("rand-p1-n2-w0", 3000).Values.Sum());
    }

    [Fact]
    public void Levels_vary_as_mstd_says()
    {
        var normal = DrawLevels(6, new() { Deviation = 0.5 });
        Assert.Equal(6, normal.Average(), 0.02);
        Assert.Equal(0.25, normal.Average(l => (l - 6) * (l - 6)), 0.01);
        var uniform = DrawLevels(6, new() { Deviation = double.PositiveInfinity });
        Assert.Equal((3, 3), (Math.Round(uniform.Average(), 1), Math.Round(uniform.Average(l => (l - 3) * (l - 3)), 1)));
        Assert.Equal(10, DrawLevels(10, new() { Deviation = 3 }).Max());
        Assert.InRange(DrawLevels(10, new() { Deviation = 3, MostLevel = 17 }).Max(), 16, 17);
        Assert.Equal(0, DrawLevels(0.5, new() { Deviation = 3 }).Min());
        Assert.All(DrawLevels(7, new()), level => Assert.Equal(7, level));
    }

    /// <summary>The paper's table as torchvision has it; only what a level says counts, and some operations have none.</summary>
    [Fact]
    public void The_original_policy_is_torchvisions()
    {
        var expected = AugmentGolden.Facts.GetProperty("imagenet").EnumerateArray().ToArray();
        Assert.Equal(expected.Length, AutoAugment.Tables["original"].Length);
        foreach (var (list, entry) in AutoAugment.Tables["original"].Zip(expected))
        {
            foreach (var ((name, probability, level), part) in list.Zip(entry.EnumerateArray()))
            {
                Assert.Equal(part[0].GetString(), name.Replace("PosterizeOriginal", "Posterize"));
                Assert.Equal(part[1].GetDouble(), probability);
                if (part[2].ValueKind == System.Text.Json.JsonValueKind.Number)
                    Assert.Equal(part[2].GetDouble(), level);
            }
        }
    }

    [Fact]
    public void Every_table_draws_its_lists_equally_and_its_steps_as_often_as_they_say()
    {
        const int Draws = 20000;
        foreach (var (name, table) in AutoAugment.Tables)
        {
            var counts = Count(name, Draws);
            var expected = table.SelectMany(list => list).GroupBy(s => LeveledOperation.All[s.Name].Operation).ToDictionary(g => g.Key, g => g.Sum(s => s.Probability) * Draws / table.Length);
            foreach (var (operation, count) in expected)
                Assert.InRange(counts.GetValueOrDefault(operation), count - (6 * Math.Sqrt(count)), count + (6 * Math.Sqrt(count)));
        }
    }

    [Fact]
    public void AugMix_has_torchvisions_operations()
    {
        var names = AugMix.Operations.Select(name => $"{LeveledOperation.All[name].Operation}".Replace("Rel", "")).Order(StringComparer.Ordinal);
        Assert.Equal(AugmentGolden.Facts.GetProperty("augmix").EnumerateArray().Select(n => n.GetString()), names);
    }

    /// <summary>With inversion as the only operation every chain is the same picture, so that the levels tell the mixture's share, which is uniform when alpha is 1.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AugMix_mixes_the_picture_with_its_chains_by_shares_that_add_up(bool isBlended)
    {
        var policy = new AugMix([new("Invert", 1, 0, new())], width: 4, depth: 1, alpha: 1, isBlended);
        var input = new RgbImage(16, 16, [.. Enumerable.Range(0, 768).Select(i => (byte)i)]);
        var shares = new List<double>();
        for (var position = 0; position < 1000; position++)
        {
            using var canvas = AugmentGolden.Canvas(input);
            var random = new SampleRandom(5, 0, position);
            policy.Apply(canvas, ref random);
            var share = canvas.Pixels[0] / 255.0;
            shares.Add(share);
            for (var i = 0; i < 768; i++)
                Assert.Equal(input.Pixels[i] + (share * (255 - (2 * input.Pixels[i]))), canvas.Pixels[i], isBlended ? 9.0 : 4.5);
        }
        Assert.Equal(0.5, shares.Average(), 0.04);
        Assert.Equal(1.0 / 12, shares.Average(s => (s - 0.5) * (s - 0.5)), 0.01);
    }

    [Fact]
    public void AugMix_draws_one_to_three_operations_a_chain()
    {
        var policy = PolicyText.Parse("augmix-m5-w4", Setting);
        var lengths = Enumerable.Range(0, 500).Select(position => Operations(Log(policy, position)).Count()).ToArray();
        Assert.Equal((4, 12), (lengths.Min(), lengths.Max()));
        Assert.All(Enumerable.Range(0, 50), position => Assert.Equal(8, Operations(Log(PolicyText.Parse("augmix-m5-w4-d2", Setting), position)).Count()));
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(1)]
    [InlineData(2.5)]
    public void Gamma_numbers_have_the_moments_of_their_distribution(double shape)
    {
        var numbers = Enumerable.Range(0, 40000).Select(position => new SampleRandom(8, 0, position).Gamma(shape)).ToArray();
        Assert.Equal(shape, numbers.Average(), 0.03);
        Assert.Equal(shape, numbers.Average(n => (n - shape) * (n - shape)), 0.1);
    }

    [Theory]
    [InlineData("rand-m9-q3", "'q3': rand has no such part")]
    [InlineData("rand-m", "'m': m takes a number from 0 to 100")]
    [InlineData("rand-n0", "'n0': n takes a number from 1 to 16")]
    [InlineData("rand-n1.5", "whole number")]
    [InlineData("rand-tnone", "t takes 3a, 3aw, weights")]
    [InlineData("rand-t3aw-n15", "none may come twice")]
    [InlineData("rand-w1", "'w1'")]
    [InlineData("rand-m9-m8", "'m8'")]
    [InlineData("randaugment", "'randaugment' is unknown")]
    [InlineData("augmix-n2", "'n2': augmix has no such part")]
    [InlineData("v0-m3", "'m3'")]
    [InlineData("ta_wide-m3", "'m3'")]
    [InlineData("", "is unknown; use rand, augmix, v0, v0r, original, originalr, 3a or ta_wide")]
    public void What_is_no_policy_is_refused_with_the_part_that_is_wrong(string text, string expected) =>
        Assert.Contains(expected, Assert.Throws<VertebraException>(() => new Augmentation { Policy = text }.Validate()).Message, StringComparison.Ordinal);

    /// <summary>What these policies made of a picture when they were written: a change of any draw or pixel shows.</summary>
    [Theory]
    [InlineData("rand-m9-mstd0.5-inc1", "9933662bed1c3583")]
    [InlineData("rand-m9-mstd0.5", "f2660006dc0067fe")]
    [InlineData("rand-m12-mmax15-n3-tweights", "e322479427ccccce")]
    [InlineData("augmix-m5-w4-d2", "c491db6aa752cf50")]
    [InlineData("augmix-m3-b1-a0.5", "80ea8049b86046c2")]
    [InlineData("v0", "1eac4d68dadeb00a")]
    [InlineData("v0r-mstd0.5", "d9e63a180157f96b")]
    [InlineData("original", "ddd6ae668b3fcfa4")]
    [InlineData("originalr", "b12bf6797ca4b6a7")]
    [InlineData("3a", "56da4b28775efae5")]
    [InlineData("ta_wide", "c9a1349f472d3dcd")]
    public void The_same_seed_gives_the_same_picture(string text, string expected)
    {
        var policy = PolicyText.Parse(text, new(19, new(null, 124, 116, 104)));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var position = 0; position < 24; position++)
        {
            using var canvas = AugmentGolden.Canvas(AugmentGolden.Inputs[0]);
            var random = new SampleRandom(42, 0, position);
            policy.Apply(canvas, ref random);
            hash.AppendData(canvas.Pixels);
        }
        Assert.Equal(expected, Convert.ToHexStringLower(hash.GetHashAndReset())[..16]);
    }

    private static double Argument(string name, double level, int position)
    {
        var random = new SampleRandom(3, 0, position);
        return LeveledOperation.All[name].ArgumentOf(level, Limits, ref random);
    }

    private static double[] DrawLevels(double level, PolicyStrength strength) => [.. Enumerable.Range(0, 10000).Select(position =>
    {
        var random = new SampleRandom(2, 0, position);
        return new PolicyStep("Rotate", 1, level, strength).DrawLevel(ref random);
    })];

    private static Dictionary<PixelOperation, int> Count(string text, int draws)
    {
        var policy = PolicyText.Parse(text, Setting);
        return Enumerable.Range(0, draws).SelectMany(position => Operations(Log(policy, position))).GroupBy(o => o).ToDictionary(g => g.Key, g => g.Count());
    }

    private static List<string> Log(AugmentPolicy policy, int position)
    {
        using var canvas = AugmentGolden.Canvas(new RgbImage(3, 3));
        canvas.Log = [];
        var random = new SampleRandom(1, 0, position);
        policy.Apply(canvas, ref random);
        return canvas.Log;
    }

    private static IEnumerable<PixelOperation> Operations(IEnumerable<string> log) =>
        log.Select(line => line.Split(' ')[0]).Where(word => Enum.TryParse<PixelOperation>(word, out _)).Select(Enum.Parse<PixelOperation>);
}
