using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>The blocks of MobileViT and MobileViT V2 and the rows of <see cref="ByobNet"/> that are made of them. Facts as in timm's registry.</summary>
internal static class MobileVit
{
    private static readonly PretrainedConfig s_config = new PretrainedConfig { CropPct = 0.9f, License = "cvnets-license" }.At(256).Raw();

    private static readonly PretrainedConfig s_second = s_config.Crop(0.888f);

    /// <summary>Former names.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Aliases() => new[] { 150, 175, 200 }.SelectMany(size => new KeyValuePair<string, string>[]
    {
        new($"mobilevitv2_{size}_in22ft1k", $"mobilevitv2_{size}.cvnets_in22k_ft_in1k"),
        new($"mobilevitv2_{size}_384_in22ft1k", $"mobilevitv2_{size}.cvnets_in22k_ft_in1k_384"),
    });

    public static IEnumerable<ByobNetVariants.Row> Rows()
    {
        yield return First("xxs", [16, 24, 48, 64, 80], [64, 80, 96], 2, 320);
        yield return First("xs", [32, 48, 64, 80, 96], [96, 120, 144], 4, 384);
        yield return First("s", [32, 64, 96, 128, 160], [144, 192, 240], 4, 640);
        foreach (var percent in new[] { 50, 75, 100, 125, 150, 175, 200 })
            yield return Second(percent);
    }

    private static ByobNetVariants.Row First(string name, int[] widths, int[] inner, int ratio, int features) => new(
        $"mobilevit_{name}", Spec(16, widths, ratio, [1, 3, 1, 1, 1], stage => new(ByobBlockKind.MobileVit, widths[stage + 2]) { Inner = inner[stage] }) with { FinalWidth = features },
        [("cvnets_in1k", s_config)]);

    private static ByobNetVariants.Row Second(int percent)
    {
        int[] widths = [.. new[] { 64, 128, 256, 384, 512 }.Select(width => width * percent / 100)];
        (string, PretrainedConfig)[] larger = percent < 150 ? []
            : [("cvnets_in22k_ft_in1k", s_second), ("cvnets_in22k_ft_in1k_384", s_second.At(384).Crop(1))];
        var spec = Spec(32 * percent / 100, widths, 2, [1, 2, 1, 1, 1], stage => new(ByobBlockKind.MobileVitV2, widths[stage + 2]) { Inner = Widths.Divisible(widths[stage + 2] * 0.5) });
        return new($"mobilevitv2_{percent:000}", spec, [("cvnets_in1k", s_second), .. larger]);
    }

    // Two stages of inverted residuals, then three of one of them and a block that attends.
    private static ByobSpec Spec(int stem, int[] widths, int ratio, int[] depths, Func<int, ByobBlockSpec> attending)
    {
        int[] transformers = [2, 4, 3];
        var stages = widths.Select((width, i) =>
        {
            var stage = ByobNetVariants.Bottle(depths[i], width, i == 0 ? 1 : 2, 1, ratio);
            return i < 2 ? stage : stage with { Blocks = [.. stage.Blocks, attending(i - 2) with { Depth = transformers[i - 2] }] };
        });
        return new([.. stages])
        {
            Stem = [stem],
            Shortcut = ByobShortcut.None,
            Activation = ActivationKind.Silu,
            WidensInput = true,
            EndsLinearly = true,
            FirstConv = "stem.conv",
        };
    }
}

/// <summary>
/// MobileViT's block (Mehta and Rastegari 2022): a transformer between the pixels that have the same place in patches of 2x2, and a
/// convolution of what it makes and the input.
/// </summary>
internal sealed class MobileVitBlock : Module
{
    private const int Patch = 2;
    private const int HeadCount = 4;
    private readonly ConvNormAct _conv;
    private readonly Conv2d _expand;
    private readonly Sequential _transformer;
    private readonly LayerNorm _norm;
    private readonly ConvNormAct _proj;
    private readonly ConvNormAct _fusion;

    public MobileVitBlock(ByobSpec spec, ByobBlockSpec block, ByobPlace place)
    {
        var (width, inner) = (place.InChannels, block.Inner);
        _conv = Child("conv_kxk", spec.Conv(width, width, 3));
        _expand = Child("conv_1x1", ByobSpec.BareConv(width, inner, 1, 1));
        var vit = new VitSpec(Patch, inner, block.Depth, HeadCount) { MlpRatio = 2, Activation = spec.Activation, Epsilon = 1e-5f };
        _transformer = Child("transformer", new Sequential(Enumerable.Range(0, block.Depth).Select(i => new VitBlock(vit, i, place.DropPathRate))));
        _norm = Child("norm", new LayerNorm(inner));
        _proj = Child("conv_proj", spec.Conv(inner, place.OutChannels, 1));
        _fusion = Child("conv_fusion", spec.Conv(width + place.OutChannels, place.OutChannels, 3));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var size = new Size2d(x.Shape[1], x.Shape[2]);
        var grid = new Size2d((size.H + Patch - 1) / Patch, (size.W + Patch - 1) / Patch);
        var whole = new Size2d(grid.H * Patch, grid.W * Patch);
        var y = Resized(_expand.Forward(_conv.Forward(x)), whole);
        y = _norm.Forward(_transformer.Forward(y.ToGrid(grid))).FromGrid(grid, whole.H, whole.W);
        return _fusion.Forward(Tensor.Concat([x, _proj.Forward(Resized(y, size))], -1));
    }

    private static Tensor Resized(Tensor map, Size2d size) =>
        map.Shape[1] == size.H && map.Shape[2] == size.W ? map : map.Interpolate(size, Kernels.InterpolationMode.Bilinear);
}

/// <summary>MobileViT V2's block (Mehta and Rastegari 2023): the same with attention that is linear in the pixels, and without the last convolution.</summary>
internal sealed class MobileVitV2Block : Module
{
    private const int Patch = 2;
    private readonly ConvNormAct _conv;
    private readonly Conv2d _reduce;
    private readonly Sequential _transformer;
    private readonly GroupNorm _norm;
    private readonly ConvNormAct _proj;

    public MobileVitV2Block(ByobSpec spec, ByobBlockSpec block, ByobPlace place)
    {
        var (width, inner) = (place.InChannels, block.Inner);
        _conv = Child("conv_kxk", spec.Conv(width, width, 3, groups: width));
        _reduce = Child("conv_1x1", ByobSpec.BareConv(width, inner, 1, 1));
        _transformer = Child("transformer", new Sequential(Enumerable.Range(0, block.Depth).Select(_ => new LinearTransformerBlock(inner, spec.Activation, place.DropPathRate))));
        _norm = Child("norm", new GroupNorm(1, inner));
        _proj = Child("conv_proj", spec.Conv(inner, place.OutChannels, 1, activates: false));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var grid = new Size2d((x.Shape[1] + Patch - 1) / Patch, (x.Shape[2] + Patch - 1) / Patch);
        var whole = new Size2d(grid.H * Patch, grid.W * Patch);
        if (x.Shape[1] != whole.H || x.Shape[2] != whole.W)
            x = x.Interpolate(whole, Kernels.InterpolationMode.Bilinear, alignCorners: true);
        var y = _reduce.Forward(_conv.Forward(x)).ToGrid(grid);
        // Places in a patch beside patches: [N, P, L, C].
        y = y.Reshape([-1, Patch * Patch, y.Shape[1], y.Shape[2]]);
        y = _norm.Forward(_transformer.Forward(y));
        return _proj.Forward(y.Reshape([-1, y.Shape[2], y.Shape[3]]).FromGrid(grid, whole.H, whole.W));
    }
}

/// <summary>Separable self-attention and an MLP over [N, P, L, C], each normalised before and beside a shortcut.</summary>
internal sealed class LinearTransformerBlock : Module
{
    private readonly GroupNorm _norm1;
    private readonly SeparableAttention _attn;
    private readonly DropPath? _dropPath1;
    private readonly GroupNorm _norm2;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath2;

    public LinearTransformerBlock(int width, ActivationKind activation, float dropPathRate)
    {
        _norm1 = Child("norm1", new GroupNorm(1, width));
        _attn = Child("attn", new SeparableAttention(width));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new GroupNorm(1, width));
        _mlp = Child("mlp", new TokenMlp(width, 2 * width, activation: activation, useConv: true));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _attn.Forward(_norm1.Forward(x));
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }

    /// <summary>One score per pixel weighs the keys, whose sum scales the values.</summary>
    private sealed class SeparableAttention : Module
    {
        private readonly int _width;
        private readonly Conv2d _qkv;
        private readonly Conv2d _proj;

        public SeparableAttention(int width)
        {
            _width = width;
            _qkv = Child("qkv_proj", new Conv2d(width, 1 + (2 * width), 1));
            _proj = Child("out_proj", new Conv2d(width, width, 1));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var parts = _qkv.Forward(x).Split([1, _width, _width], -1);
            var context = (parts[1] * parts[0].Softmax(2)).Sum([2], keepAxes: true);
            return _proj.Forward(parts[2].Relu() * context);
        }
    }
}
