using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;

namespace Vertebra.Zoo.Families;

/// <summary>
/// VOLO (Yuan et al. 2021): every pixel of a fine map says how its neighbours mix (outlook attention), a transformer over a coarser map
/// follows, and a class token looks at its tokens; a second head classifies each of these, and the largest scores count half (Jiang et
/// al. 2021, token labelling). Names, state-dict keys and defaults follow timm's volo.
/// </summary>
public sealed class Volo : TokenBackbone
{
    private const int Patch = 8;
    private const int StemStride = 2;
    private readonly Size2d _grid;
    private readonly int _imgSize;
    private readonly Tensor _positions;
    private readonly Tensor _classToken;
    private readonly VoloPatchEmbed _patchEmbed;
    private readonly Module[] _network;
    private readonly ModuleList<VoloClassBlock> _classBlocks;
    private readonly LayerNorm _norm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private Module _tokenHead;
    private Module _head;

    private Volo(VoloSpec spec, ModelOptions options) : base(options, spec.Width, Levels(spec))
    {
        (_imgSize, _pool) = (options.ImgSize!.Value, CheckedPool(options.GlobalPool ?? GlobalPool.Token));
        _grid = _imgSize / Patch / 2;
        _positions = Parameter("pos_embed", [1, _grid.H, _grid.W, spec.Width], Init.TruncatedNormal(0.02f));
        _classToken = Parameter("cls_token", [1, 1, spec.Width], Init.TruncatedNormal(0.02f));
        _patchEmbed = Child("patch_embed", new VoloPatchEmbed(InChans, spec.StemWidth, spec.FineWidth, StemStride, Patch));
        _network = [.. Stages(spec, options.DropPathRate)];
        Child("network", new ModuleList<Module>(_network));
        _classBlocks = Child("post_network", new ModuleList<VoloClassBlock>(new VoloClassBlock(spec), new VoloClassBlock(spec)));
        _tokenHead = Child("aux_head", TokenLinear.Classifier(spec.Width, NumClasses));
        _norm = Child("norm", new LayerNorm(spec.Width));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(spec.Width, NumClasses));
    }

    public static Family Family { get; } = new(
        "volo",
        "Yuan, Hou, Jiang, Feng, Yan: VOLO: vision outlooker for visual recognition, TPAMI 2022, arXiv:2106.13112",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "volo", r.Tags, "head,aux_head", "patch_embed.conv.0", options => new Volo(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Outlook attention generates the weights for a neighbourhood from its centre alone, which encodes fine detail at moderate cost. Outlooker blocks at high resolution come first, then a plain transformer and class attention.",
    };

    public override string Classifier => "head,aux_head";

    public override string FirstConv => "patch_embed.conv.0";

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        if (x.Shape[1] != _imgSize || x.Shape[2] != _imgSize)
            throw new VertebraException($"this network is built for images of {_imgSize}x{_imgSize}, not {x.Shape[1]}x{x.Shape[2]}: its positions belong to that size; build it with img_size");
        x = _network[1].Forward(_network[0].Forward(_patchEmbed.Forward(x)));
        x += _positions;
        foreach (var stage in _network.Skip(2))
            x = stage.Forward(x);
        x = x.ToTokens().Prepend(_classToken);
        foreach (var block in _classBlocks.Modules)
            x = block.Forward(x);
        return _norm.Forward(x);
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        features = _drop.Forward(features);
        var x = PoolTokens(features, _pool, prefix: 0);
        if (preLogits || NumClasses == 0)
            return x;
        var best = _tokenHead.Forward(features.Slice(1, 1)).Max([1], keepAxes: _pool == GlobalPool.None);
        return _head.Forward(x) + (best * 0.5f);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = CheckedPool(pool ?? _pool);
        _head = Replace("head", TokenLinear.Classifier(NumFeatures, numClasses));
        _tokenHead = Replace("aux_head", TokenLinear.Classifier(NumFeatures, numClasses));
    }

    private static IEnumerable<FeatureInfo> Levels(VoloSpec spec) =>
        [new(0, spec.FineWidth, Patch, "network.0"), .. Enumerable.Range(1, 3).Select(i => new FeatureInfo(i, spec.Width, Patch * 2, $"network.{i + 1}"))];

    private static IEnumerable<Module> Stages(VoloSpec spec, float dropPathRate)
    {
        yield return new Sequential(Enumerable.Range(0, spec.Depths[0]).Select(_ => new Outlooker(spec)));
        yield return new VoloDownsample(spec.FineWidth, spec.Width);
        var (index, count) = (spec.Depths[0], spec.Depths.Sum());
        foreach (var depth in spec.Depths.Skip(1))
        {
            var first = index;
            yield return new Sequential(Enumerable.Range(0, depth).Select(i => new VoloTransformer(spec, Widths.DropPathRate(dropPathRate, first + i, count))));
            index += depth;
        }
    }

    private static (string Name, VoloSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows()
    {
        var d1 = new VoloSpec([4, 4, 8, 2], 192, 6, 384, 12);
        var d2 = new VoloSpec([6, 4, 10, 4], 256, 8, 512, 16);
        var d3 = d2 with { Depths = [8, 8, 16, 4] };
        var d4 = new VoloSpec([8, 8, 16, 4], 384, 12, 768, 16);
        var d5 = d4 with { Depths = [12, 12, 20, 4], MlpRatio = 4, StemWidth = 128 };
        var plain = ImageNet.Crop(0.96f);
        return
        [
            ("volo_d1_224", d1, [("sail_in1k", plain)]),
            ("volo_d1_384", d1, [("sail_in1k", plain.Square(384).Crop(1))]),
            ("volo_d2_224", d2, [("sail_in1k", plain)]),
            ("volo_d2_384", d2, [("sail_in1k", plain.Square(384).Crop(1))]),
            ("volo_d3_224", d3, [("sail_in1k", plain)]),
            ("volo_d3_448", d3, [("sail_in1k", plain.Square(448).Crop(1))]),
            ("volo_d4_224", d4, [("sail_in1k", plain)]),
            ("volo_d4_448", d4, [("sail_in1k", plain.Square(448).Crop(1.15f))]),
            ("volo_d5_224", d5, [("sail_in1k", plain)]),
            ("volo_d5_448", d5, [("sail_in1k", plain.Square(448).Crop(1.15f))]),
            ("volo_d5_512", d5, [("sail_in1k", plain.Square(512).Crop(1.15f))]),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Depths">Blocks of the four stages; the first looks out, the others are transformers.</param>
/// <param name="FineWidth">Channels of the first stage.</param>
/// <param name="FineHeads">Its heads.</param>
/// <param name="Width">Channels of the others.</param>
/// <param name="Heads">Their heads.</param>
internal sealed record VoloSpec(IReadOnlyList<int> Depths, int FineWidth, int FineHeads, int Width, int Heads)
{
    public double MlpRatio { get; init; } = 3;

    public int StemWidth { get; init; } = 64;
}
