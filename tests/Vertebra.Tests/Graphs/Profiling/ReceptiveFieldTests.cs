using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Graphs.Profiling;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Graphs.Profiling;

public class ReceptiveFieldTests
{
    private const int Height = 72;
    private const int Width = 60;

    // By hand for resnet50: 7 and 11 after the stem (stride 4), + 3·8 in layer1, + 8 + 3·16 in layer2, + 16 + 5·32 in layer3,
    // + 32 + 2·64 in layer4. (The 483, 1027 and 1507 of Distill's table are for networks that stride in a stage's last unit.)
    [Theory]
    [InlineData("resnet50", "layer4", 427, 32)]
    [InlineData("resnet101", "layer4", 971, 32)]
    [InlineData("resnet152", "layer4", 1451, 32)]
    [InlineData("resnet18", "layer4", 435, 32)]
    public void Sizes_of_residual_networks(string name, string module, int size, int stride)
    {
        var (graph, fields) = Trace(name);
        var field = fields[graph.OutputOf(module)]!;
        Assert.Equal((size, stride), (field.Height!.Value.Size, field.Height.Value.Stride));
        Assert.Equal(field.Height, field.Width);
        Assert.Equal("global", fields[graph.Outputs[0]]!.ToString());
    }

    [Fact]
    public void Squeeze_and_excitation_sees_the_whole_image()
    {
        var (graph, fields) = Trace("seresnet50");
        Assert.Equal("11", fields[graph.OutputOf("maxpool")]!.ToString());
        Assert.Equal("global", fields[graph.OutputOf("layer1.0")]!.ToString());
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Random_networks_of_windows_agree_with_impulses(int seed)
    {
        var net = new RandomNet(seed);
        var graph = Graph.Trace(net, [1, Height, Width, 1]);
        var field = ReceptiveFields.Of(graph)[graph.Outputs[0]]!;
        Check(net, field.Height!.Value, isRow: true);
        Check(net, field.Width!.Value, isRow: false);
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    [Fact]
    public void Upsampling_makes_steps_finer_and_bounds_hold_for_every_phase()
    {
        using var off = GradMode.Off();
        var kernel = Tensor.Ones([1, 1, 3, 3]);
        var net = new Lambda(x => new ConvTranspose2d { StrideH = 2, StrideW = 2, PadTop = 1, PadBottom = 1, PadLeft = 1, PadRight = 1 }.Apply(x.MaxPool2d(2), kernel));
        var graph = Graph.Trace(net, [1, Height, Width, 1]);
        var field = ReceptiveFields.Of(graph)[graph.Outputs[0]]!.Height!.Value;
        Assert.Equal(1, field.Stride);
        var reached = Reached(net, isRow: true);
        for (var i = 4; i < reached.Length - 4; i++)
            Assert.True(reached[i].First >= field.First + i - 1e-9 && reached[i].Last <= field.Last + i + 1e-9, $"{i}: {reached[i]} is not in {field}");
    }

    [Fact]
    public void Tokens_keep_their_patch_until_attention_mixes_them()
    {
        var weight = Tensor.Ones([8, 1, 12, 12]);
        Value? patches = null, scaled = null;
        var net = new Lambda(x =>
        {
            var tokens = x.Conv2d(weight, stride: 12).Reshape([1, -1, 8]).MultiplyScalarByTwo();
            var heads = tokens.Reshape([1, -1, 2, 4]).Permute([0, 2, 1, 3]);
            return new Attention(0.5f).Apply(heads, heads, heads);
        });
        var graph = Graph.Trace(net, [1, Height, Width, 1]);
        var fields = ReceptiveFields.Of(graph);
        patches = graph.Nodes[0].Outputs[0];
        scaled = graph.Nodes.Single(n => n.Op is Permute).Outputs[0];
        Assert.Equal((12d, 12d), (fields[patches]!.Height!.Value.Size, fields[patches]!.Width!.Value.Stride));
        Assert.Equal(fields[patches], fields[scaled]);
        Assert.Equal("global", fields[graph.Outputs[0]]!.ToString());
    }

    [Fact]
    public void A_window_over_a_part_of_a_cut_axis_is_not_known_and_says_so()
    {
        var net = new Lambda(x => x.Reshape([1, Height / 6, 6, Width, 1]).Mean([2], keepAxes: false));
        var graph = Graph.Trace(net, [1, Height, Width, 1]);
        var field = ReceptiveFields.Of(graph)[graph.Outputs[0]]!;
        Assert.Null(field.Height);
        Assert.Equal(AxisField.Pixel, field.Width);
        Assert.Equal("?x1", field.ToString());
    }

    [Fact]
    public void What_does_not_depend_on_the_image_has_no_field()
    {
        var table = Tensor.Ones([1, Height, Width, 1]);
        var net = new Lambda(x => x + (table * table));
        var graph = Graph.Trace(net, [1, Height, Width, 1]);
        var fields = ReceptiveFields.Of(graph);
        Assert.Null(fields[graph.Nodes[0].Outputs[0]]);
        Assert.Equal("1", fields[graph.Outputs[0]]!.ToString());
    }

    private static (Graph Graph, ReceptiveFields Fields) Trace(string name)
    {
        using var meta = Construction.Meta();
        var graph = Graph.Trace(Models.Create(name), [1, 224, 224, 3]);
        return (graph, ReceptiveFields.Of(graph));
    }

    private static void Check(Module net, AxisField field, bool isRow)
    {
        var size = isRow ? Height : Width;
        var compared = 0;
        foreach (var (i, (first, last)) in Reached(net, isRow).Index())
        {
            var (from, to) = (field.First + (i * field.Stride), field.Last + (i * field.Stride));
            if (from < 0 || to > size - 1)
                continue;
            Assert.Equal((from, to), ((double)first, last));
            compared++;
        }
        Assert.True(compared > 0, $"{field} does not fit into {size} positions: nothing was compared");
    }

    // By lighting up one row (or column) at a time: which of them reach each position of the result.
    private static (int First, int Last)[] Reached(Module net, bool isRow)
    {
        using var off = GradMode.Off();
        (int First, int Last)[]? reached = null;
        for (var lit = 0; lit < (isRow ? Height : Width); lit++)
        {
            var pixels = new float[Height * Width];
            for (var other = 0; other < (isRow ? Width : Height); other++)
                pixels[isRow ? (lit * Width) + other : (other * Width) + lit] = 1;
            var result = net.Forward(Tensor.From(pixels, [1, Height, Width, 1]));
            var (rows, columns, channels) = (result.Shape[1], result.Shape[2], result.Shape[3]);
            var values = result.ToArray<float>();
            reached ??= [.. Enumerable.Repeat((int.MaxValue, -1), isRow ? rows : columns)];
            var largest = values.Max();
            for (var n = 0; n < values.Length; n++)
            {
                var place = isRow ? n / (columns * channels) : n / channels % columns;
                if (values[n] > 1e-5f * largest) // below it stands the rounding of fast convolutions
                    reached[place] = (Math.Min(reached[place].First, lit), Math.Max(reached[place].Last, lit));
            }
        }
        return reached!;
    }

    private sealed class Lambda(Func<Tensor, Tensor> forward) : Module
    {
        protected override Tensor OnForward(Tensor x) => forward(x);
    }

    // Weights are positive, so nothing cancels and everything that can reach a result does.
    private sealed class RandomNet : Module
    {
        private readonly List<Func<Tensor, Tensor>> _steps = [];

        public RandomNet(int seed)
        {
            var random = new Random(seed);
            for (var n = 0; n < 4; n++)
                _steps.Add(Step(random));
        }

        protected override Tensor OnForward(Tensor x) => _steps.Aggregate(x, (v, step) => step(v));

        private static Func<Tensor, Tensor> Step(Random random)
        {
            var (kh, kw, dilation, stride) = (random.Next(1, 4), random.Next(1, 5), random.Next(1, 3), random.Next(1, 3));
            var padding = (random.Next(0, kh), random.Next(0, kw), random.Next(0, kh), random.Next(0, kw));
            var weight = Ones(kh, kw);
            return random.Next(6) switch
            {
                0 => x => x.Conv2d(weight, stride: (stride, 1), padding: padding, dilation: dilation),
                1 => x => x.MaxPool2d((kh + 1, kw + 1), stride: (1, stride), padding: (kh / 2, kw / 2)),
                2 => x => x.AvgPool2d((kh, kw), stride: stride),
                3 => x => x + x.Conv2d(Ones(3, 5), padding: (1, 2)),
                4 => x => x.Conv2d(Ones(1, 1), stride: stride) + x.Conv2d(Ones(3, 3), padding: 1, stride: stride),
                _ => x => Concat(x.Conv2d(Ones(3, 1), padding: (1, 0)), x.Pad([0, 2, 1, 0], [0, 0, 0, 0]).Conv2d(Ones(3, 2))).Conv2d(Tensor.Full([1, 2, 1, 1], 0.5f)),
            };
        }

        private static Tensor Concat(Tensor a, Tensor b) => new Concat(-1).Apply(a, b);

        private static Tensor Ones(int height, int width) => Tensor.Full([1, 1, height, width], 1f / (height * width));
    }
}

file static class Steps
{
    public static Tensor MultiplyScalarByTwo(this Tensor x) => new MultiplyScalar(2).Apply(x);
}
