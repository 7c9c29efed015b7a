using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Zoo;
using Vertebra.Zoo.Layers;

namespace Vertebra.Tests.Zoo;

public class DropBlockTests
{
    private static float[] Drop(DropBlock2d layer, Shape shape, long step = 0)
    {
        layer.Train();
        using var random = TrainingRandom.Begin(5, step);
        return layer.Forward(Tensor.Ones(shape)).ToArray<float>();
    }

    /// <summary>Every zero lies in a whole square of zeros, and the scale is what keeps the sum.</summary>
    [Theory]
    [InlineData(3, 9, 9)]
    [InlineData(4, 9, 11)]
    [InlineData(7, 6, 8)]
    [InlineData(1, 5, 5)]
    public void Whole_squares_are_dropped_and_the_rest_scaled_up(int size, int height, int width)
    {
        const int Channels = 3, Images = 4;
        var values = Drop(new(0.3f, size), [Images, height, width, Channels]);
        var block = Math.Min(size, Math.Min(height, width));
        var kept = values.Count(v => v != 0);
        Assert.InRange(kept, 1, values.Length - 1);
        Assert.All(values.Where(v => v != 0), v => Assert.Equal(values.Length / (double)kept, v, 1e-5));
        for (var n = 0; n < Images; n++)
        {
            for (var c = 0; c < Channels; c++)
            {
                bool IsZero(int y, int x) => values[(((((n * height) + y) * width) + x) * Channels) + c] == 0;
                var covered = new bool[height, width];
                for (var y = 0; y + block <= height; y++)
                {
                    for (var x = 0; x + block <= width; x++)
                    {
                        var places = Enumerable.Range(0, block * block).Select(i => (Y: y + (i / block), X: x + (i % block))).ToList();
                        if (places.TrueForAll(p => IsZero(p.Y, p.X)))
                            places.ForEach(p => covered[p.Y, p.X] = true);
                    }
                }
                for (var y = 0; y < height; y++)
                {
                    for (var x = 0; x < width; x++)
                        Assert.True(!IsZero(y, x) || covered[y, x], $"a lone zero at {n} {y} {x} {c}");
                }
            }
        }
    }

    /// <summary>γ = p · H·W / (k² · (H - k + 1) · (W - k + 1)), and squares as often as it says: a share 1 - (1 - γ)^(k²) of the middle, where none is cut off by the border.</summary>
    [Fact]
    public void As_many_squares_are_drawn_as_the_papers_gamma_says()
    {
        const int Size = 3, Side = 16;
        var layer = new DropBlock2d(0.2f, Size, 0.5f);
        var gamma = 0.5 * 0.2 * Side * Side / (Size * Size) / ((Side - Size + 1) * (Side - Size + 1));
        Assert.Equal(gamma, layer.Gamma(Side, Side), 1e-7);
        var values = Drop(layer, [128, Side, Side, 64]);
        long zeros = 0, seen = 0;
        for (var i = 0; i < values.Length; i++)
        {
            var (y, x) = (i / 64 / Side % Side, i / 64 % Side);
            if (y is < 4 or >= 12 || x is < 4 or >= 12)
                continue;
            seen++;
            zeros += values[i] == 0 ? 1 : 0;
        }
        Assert.Equal(1 - Math.Pow(1 - gamma, Size * Size), zeros / (double)seen, 0.004);
        layer.Progress = 0.5f;
        Assert.Equal(gamma / 2, layer.Gamma(Side, Side), 1e-7);
    }

    [Fact]
    public void Step_and_seed_decide_and_evaluation_keeps_all()
    {
        var layer = new DropBlock2d(0.3f, 3);
        Assert.Equal(Drop(layer, [2, 8, 8, 4], 1), Drop(layer, [2, 8, 8, 4], 1));
        Assert.NotEqual(Drop(layer, [2, 8, 8, 4], 1), Drop(layer, [2, 8, 8, 4], 2));
        layer.Eval();
        Assert.All(layer.Forward(Tensor.Ones([2, 8, 8, 4])).ToArray<float>(), v => Assert.Equal(1, v));
    }

    [Fact]
    public void Resnets_have_it_in_their_last_two_stages_and_descriptions_keep_it()
    {
        var network = Models.Create("resnet50", new() { NumClasses = 3, DropBlockRate = 0.1f, DropBlockSkip = true });
        var blocks = network.NamedModules().Where(m => m.Module is DropBlock2d).ToList();
        Assert.Equal(2 * (6 + 3), blocks.Count);
        Assert.All(blocks, b => Assert.Equal(b.Path.StartsWith("layer3", StringComparison.Ordinal) ? 5 : 3, ((DropBlock2d)b.Module).BlockSize));
        Assert.Equal(0.1f, NetworkDescription.FromJson(network.Description.ToJson(), "config.json").Options.DropBlockRate);
        Assert.True(NetworkDescription.FromJson(network.Description.ToJson(), "config.json").Options.DropBlockSkip);
        Assert.Contains("takes no drop_block_rate", Assert.Throws<VertebraException>(() => Models.Create("vit_tiny_patch16_224", new() { DropBlockRate = 0.1f })).Message, StringComparison.Ordinal);
        // Same names as without: checkpoints fit.
        Assert.Equal(Models.Create("resnet50", new() { NumClasses = 3 }).State().Select(e => e.Name), network.State().Select(e => e.Name));
    }

    [Fact]
    public void The_share_grows_linearly_over_a_run()
    {
        using var meta = Construction.Meta();
        var network = Models.Create("resnet18", new() { DropBlockRate = 0.1f });
        var schedule = DropBlockSchedule.Of(network, new() { DropBlockSchedule = "linear" }, 11)!;
        var block = network.NamedModules().Select(m => m.Module).OfType<DropBlock2d>().First();
        foreach (var update in new[] { 0, 5, 10 })
        {
            schedule.MoveTo(update);
            Assert.Equal(update / 10f, block.Progress, 1e-6f);
        }
        Assert.Null(DropBlockSchedule.Of(network, new(), 11));
    }
}
