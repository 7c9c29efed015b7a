using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>Where a block stands.</summary>
/// <param name="InChannels">Channels that come in.</param>
/// <param name="OutChannels">Channels that go out.</param>
/// <param name="Stride">1 or 2.</param>
/// <param name="Map">Side of the map after the block.</param>
/// <param name="Window">Side of windows and grids.</param>
/// <param name="DropPathRate">Stochastic depth.</param>
internal readonly record struct MaxxVitPlace(int InChannels, int OutChannels, int Stride, int Map, int Window, float DropPathRate);

/// <summary>Block kinds and their modules.</summary>
internal static class MaxxVitBlocks
{
    public static Module Create(MaxxVitBlockKind kind, MaxxVitSpec spec, MaxxVitPlace place) => kind switch
    {
        MaxxVitBlockKind.Convolution => Convolution(spec, place),
        MaxxVitBlockKind.Transformer => new MapTransformer(spec, place),
        MaxxVitBlockKind.Maxx => Maxx(spec, place),
        MaxxVitBlockKind.ParallelMaxx => ParallelMaxx(spec, place),
        _ => throw new InvalidOperationException($"block {kind} has no module"),
    };

    private static Module Convolution(MaxxVitSpec spec, MaxxVitPlace place) => spec.IsConvNeXt ? new ScaledConvBlock(spec, place) : new InvertedBlock(spec, place);

    private static Sequential Maxx(MaxxVitSpec spec, MaxxVitPlace place)
    {
        List<(string, Module)> parts = [("conv", Convolution(spec, place))];
        if (!spec.OnlyGrid)
            parts.Add(("attn_block", new PartitionTransformer(spec, place, [PartitionKind.Window])));
        parts.Add(("attn_grid", new PartitionTransformer(spec, place, [PartitionKind.Grid])));
        return new(parts);
    }

    private static Sequential ParallelMaxx(MaxxVitSpec spec, MaxxVitPlace place)
    {
        var second = place with { InChannels = place.OutChannels, Stride = 1 };
        return new(
        [
            ("conv", new Sequential(Convolution(spec, place), Convolution(spec, second))),
            ("attn", new PartitionTransformer(spec, place, [PartitionKind.Window, PartitionKind.Grid])),
        ]);
    }

    /// <summary>Halving by a pool, and a 1x1 convolution where the width changes.</summary>
    public static Module Halve(MaxxVitSpec spec, int inChannels, int outChannels, bool max, bool bias)
    {
        Module pool = max ? new MaxPool2d(3, 2, 1) : new AvgPool2d(2, 2, spec.SamePadding ? WindowPadding.Same : 0);
        Module expand = inChannels == outChannels ? new Identity() : new Conv2d(inChannels, outChannels, 1, bias: bias);
        return new Sequential([("pool", pool), ("expand", expand)]);
    }
}

/// <summary>Two 3x3 convolutions, the first of them striding.</summary>
internal sealed class MaxxVitStem : Module
{
    private readonly Conv2d _conv1;
    private readonly NormLayer _norm1;
    private readonly Conv2d _conv2;

    public MaxxVitStem(int inChannels, MaxxVitSpec spec)
    {
        _conv1 = Child("conv1", spec.Conv(inChannels, spec.StemWidths[0], 3, 2, bias: spec.StemBias));
        _norm1 = Child("norm1", spec.MakeConvNorm(spec.StemWidths[0]));
        _conv2 = Child("conv2", spec.Conv(spec.StemWidths[0], spec.StemWidths[1], 3, bias: spec.StemBias));
    }

    protected override Tensor OnForward(Tensor x) => _conv2.Forward(_norm1.Forward(_conv1.Forward(x)));
}

/// <summary>MobileNetV2's block with a norm before it and squeeze-and-excitation in it.</summary>
internal sealed class InvertedBlock : Module
{
    private readonly Module? _shortcut;
    private readonly NormLayer _preNorm;
    private readonly Module? _down;
    private readonly Conv2d _conv1;
    private readonly NormLayer _norm1;
    private readonly Conv2d _conv2;
    private readonly SqueezeExcite? _early;
    private readonly NormLayer _norm2;
    private readonly SqueezeExcite? _late;
    private readonly Conv2d _conv3;
    private readonly DropPath? _dropPath;

    public InvertedBlock(MaxxVitSpec spec, MaxxVitPlace place)
    {
        var (from, to) = (place.InChannels, place.OutChannels);
        var inner = Widths.Divisible((spec.ExpandsOutput ? to : from) * 4);
        var pools = place.Stride == 2 && spec.Stride == StrideKind.Pool;
        if (place.Stride == 2)
            _shortcut = Child("shortcut", MaxxVitBlocks.Halve(spec, from, to, spec.MaxPools, spec.OutputBias));
        _preNorm = Child("pre_norm", spec.MakeConvNorm(from, spec.ActivatesFirst));
        if (pools)
            _down = Child("down", MaxxVitBlocks.Halve(spec, from, from, max: false, bias: true));
        _conv1 = Child("conv1_1x1", spec.Conv(from, inner, 1));
        _norm1 = Child("norm1", spec.MakeConvNorm(inner));
        _conv2 = Child("conv2_kxk", spec.Conv(inner, inner, 3, pools ? 1 : place.Stride, inner));
        var excite = new SqueezeExcite(inner, (int)(spec.ExciteRatio * (spec.ExpandsOutput ? to : inner)), spec.ExciteActivation);
        if (spec.ExcitesEarly)
            _early = Child("se_early", excite);
        _norm2 = Child("norm2", spec.MakeConvNorm(inner));
        if (!spec.ExcitesEarly)
            _late = Child("se", excite);
        _conv3 = Child("conv3_1x1", spec.Conv(inner, to, 1, bias: spec.OutputBias));
        _dropPath = place.DropPathRate > 0 ? Child("drop_path", new DropPath(place.DropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _shortcut?.Forward(x) ?? x;
        x = _preNorm.Forward(x);
        x = _down?.Forward(x) ?? x;
        x = _conv2.Forward(_norm1.Forward(_conv1.Forward(x)));
        x = _early?.Forward(x) ?? x;
        x = _norm2.Forward(x);
        x = _conv3.Forward(_late?.Forward(x) ?? x);
        return (_dropPath?.Forward(x) ?? x) + shortcut;
    }
}

/// <summary>ConvNeXt's block: depthwise 7x7 convolution, norm, MLP, scale.</summary>
internal sealed class ScaledConvBlock : Module
{
    private readonly Module? _shortcut;
    private readonly Module? _down;
    private readonly Conv2d _conv;
    private readonly NormLayer _norm;
    private readonly TokenMlp _mlp;
    private readonly LayerScale _scale;
    private readonly DropPath? _dropPath;

    public ScaledConvBlock(MaxxVitSpec spec, MaxxVitPlace place)
    {
        var (from, to) = (place.InChannels, place.OutChannels);
        var pools = place.Stride == 2 && spec.Stride == StrideKind.Pool;
        if (place.Stride == 2)
            _shortcut = Child("shortcut", MaxxVitBlocks.Halve(spec, from, to, max: false, bias: true));
        else if (from != to)
            _shortcut = Child("shortcut", new Conv2d(from, to, 1, bias: spec.OutputBias));
        if (pools)
            _down = Child("down", MaxxVitBlocks.Halve(spec, from, from, max: false, bias: true));
        _conv = Child("conv_dw", spec.Conv(from, to, 7, pools ? 1 : place.Stride, from, spec.OutputBias));
        _norm = Child("norm", spec.MakeConvNorm(to, activates: false));
        _mlp = Child("mlp", new TokenMlp(to, 4 * to, activation: spec.ConvActivation, bias: spec.OutputBias, useConv: true));
        _scale = Child("ls", new LayerScale(to, spec.ConvScale));
        _dropPath = place.DropPathRate > 0 ? Child("drop_path", new DropPath(place.DropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _shortcut?.Forward(x) ?? x;
        x = _scale.Forward(_mlp.Forward(_norm.Forward(_conv.Forward(_down?.Forward(x) ?? x))));
        return (_dropPath?.Forward(x) ?? x) + shortcut;
    }
}

/// <summary>Attention over all tokens of a window [N, L, C], or all pixels of a map [N, H, W, C], with biases by displacement.</summary>
internal sealed class BiasedAttention : Module
{
    private readonly int _heads;
    private readonly bool _headFirst;
    private readonly Module _qkv;
    private readonly RelativePositionBias _bias;
    private readonly Module _proj;

    /// <param name="spec">The variant.</param>
    /// <param name="inChannels">Channels of a token.</param>
    /// <param name="outChannels">Channels of the result.</param>
    /// <param name="window">Side of the window.</param>
    /// <param name="ofMap">The weights have the shapes of 1x1 convolutions.</param>
    public BiasedAttention(MaxxVitSpec spec, int inChannels, int outChannels, int window, bool ofMap)
    {
        var inner = spec.ExpandsFirst ? Math.Max(inChannels, outChannels) : inChannels;
        (_heads, _headFirst) = (inner / 32, spec.HeadFirst);
        _qkv = Child("qkv", Affine(inChannels, 3 * inner));
        _bias = Child("rel_pos", spec.MakeBias(window, _heads));
        _proj = Child("proj", Affine(inner, outChannels));

        Module Affine(int from, int to) => ofMap
            ? new Conv2d(from, to, 1, initialiser: Init.XavierUniform, biasInitialiser: Init.Zeros)
            : new Linear(from, to, true, Init.XavierUniform, Init.Zeros);
    }

    protected override Tensor OnForward(Tensor x)
    {
        var qkv = _qkv.Forward(x);
        var (q, k, v) = Split(qkv.Rank == 4 ? qkv.ToTokens() : qkv);
        var result = q.Attention(k, v, mask: _bias.Bias()).Join();
        return _proj.Forward(x.Rank == 4 ? result.ToMap(x.Shape[1], x.Shape[2]) : result);
    }

    private (Tensor Q, Tensor K, Tensor V) Split(Tensor qkv)
    {
        if (!_headFirst)
            return Heads.Split3(qkv, _heads);
        var parts = Heads.Split(qkv, _heads).Chunk(3, -1);
        return (parts[0], parts[1], parts[2]);
    }
}

/// <summary>The half of a transformer block that comes after attention, and the joining of both halves with their shortcuts.</summary>
internal abstract class MaxxVitTransformer : Module
{
    private LayerScale? _scale1;
    private DropPath? _dropPath1;
    private NormLayer? _norm2;
    private TokenMlp? _mlp;
    private LayerScale? _scale2;
    private DropPath? _dropPath2;

    /// <summary>Makes the children that follow attention; the state's order needs attention first.</summary>
    protected void AddMlp(MaxxVitSpec spec, MaxxVitPlace place, bool ofMap)
    {
        var width = place.OutChannels;
        _scale1 = spec.Scale is { } first ? Child("ls1", new LayerScale(width, first)) : null;
        _dropPath1 = place.DropPathRate > 0 ? Child("drop_path1", new DropPath(place.DropPathRate)) : null;
        _norm2 = Child("norm2", ofMap ? spec.MakeNorm(width) : new LayerNorm(width, spec.Epsilon));
        _mlp = Child("mlp", new TokenMlp(width, 4 * width, activation: spec.Activation, useConv: ofMap));
        _scale2 = spec.Scale is { } second ? Child("ls2", new LayerScale(width, second)) : null;
        _dropPath2 = place.DropPathRate > 0 ? Child("drop_path2", new DropPath(place.DropPathRate)) : null;
    }

    protected Tensor Join(Tensor shortcut, Tensor attended)
    {
        attended = _scale1?.Forward(attended) ?? attended;
        var x = shortcut + (_dropPath1?.Forward(attended) ?? attended);
        var branch = _mlp!.Forward(_norm2!.Forward(x));
        branch = _scale2?.Forward(branch) ?? branch;
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>CoAtNet's transformer block: attention over the whole map, perhaps on a halved one.</summary>
internal sealed class MapTransformer : MaxxVitTransformer
{
    private readonly Module? _shortcut;
    private readonly Module _norm1;
    private readonly BiasedAttention _attn;

    public MapTransformer(MaxxVitSpec spec, MaxxVitPlace place)
    {
        var (from, to) = (place.InChannels, place.OutChannels);
        Module norm = spec.MakeNorm(from);
        if (place.Stride == 2)
        {
            _shortcut = Child("shortcut", MaxxVitBlocks.Halve(spec, from, to, spec.MaxPools, spec.ShortcutBias));
            norm = new Sequential([("norm", norm), ("down", MaxxVitBlocks.Halve(spec, from, from, spec.MaxPools, bias: true))]);
        }
        _norm1 = Child("norm1", norm);
        _attn = Child("attn", new BiasedAttention(spec, from, to, place.Map, ofMap: true));
        AddMlp(spec, place, ofMap: true);
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _shortcut?.Forward(x) ?? x;
        return Join(shortcut, _attn.Forward(_norm1.Forward(x)));
    }
}

internal enum PartitionKind
{
    Window,
    Grid,
}

/// <summary>MaxViT's transformer block: attention in windows, over a grid, or both beside each other with half the channels each.</summary>
internal sealed class PartitionTransformer : MaxxVitTransformer
{
    private readonly Size2d _size;
    private readonly NormLayer _norm1;
    private readonly (PartitionKind Kind, BiasedAttention Attention)[] _attentions;

    public PartitionTransformer(MaxxVitSpec spec, MaxxVitPlace place, IReadOnlyList<PartitionKind> kinds)
    {
        var width = place.OutChannels;
        _size = place.Window;
        _norm1 = Child("norm1", new LayerNorm(width, spec.Epsilon));
        _attentions = [.. kinds.Select(kind => (kind, Child(NameOf(kind), new BiasedAttention(spec, width, width / kinds.Count, place.Window, ofMap: false))))];
        AddMlp(spec, place, ofMap: false);

        string NameOf(PartitionKind kind) => kinds.Count == 1 ? "attn" : kind == PartitionKind.Window ? "attn_block" : "attn_grid";
    }

    protected override Tensor OnForward(Tensor x)
    {
        var normed = _norm1.Forward(x);
        var results = Array.ConvertAll(_attentions, a => Attend(a.Kind, a.Attention, normed));
        return Join(x, results.Length == 1 ? results[0] : Tensor.Concat(results, -1));
    }

    private Tensor Attend(PartitionKind kind, BiasedAttention attention, Tensor map)
    {
        var (h, w) = (map.Shape[1], map.Shape[2]);
        return kind == PartitionKind.Window
            ? attention.Forward(map.ToWindows(_size)).FromWindows(_size, h, w)
            : attention.Forward(map.ToGrid(_size)).FromGrid(_size, h, w);
    }
}
