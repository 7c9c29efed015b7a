using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;

namespace Vertebra.Zoo.Families;

/// <summary>
/// PiT (Heo et al. 2021): three transformers over maps whose side halves from one to the next while the heads double, as in a
/// convolutional network. Names, state-dict keys and defaults follow timm's pit. Positions belong to one image size.
/// </summary>
public sealed class Pit : TokenBackbone
{
    private readonly PitSpec _spec;
    private readonly int _imgSize;
    private readonly Tensor _positions;
    private readonly Tensor _classTokens;
    private readonly PitEmbed _patchEmbed;
    private readonly ModuleList<PitStage> _stages;
    private readonly LayerNorm _norm;
    private readonly Dropout _drop;
    private Module _head;
    private Module? _distillationHead;

    private Pit(PitSpec spec, ModelOptions options) : base(options, spec.WidthOf(2), Levels(spec))
    {
        (_spec, _imgSize) = (spec, options.ImgSize!.Value);
        if (_imgSize < spec.Patch)
            throw new VertebraException($"img_size {_imgSize} is smaller than a patch of this network, {spec.Patch} pixels");
        CheckPool(options.GlobalPool);
        var side = ((_imgSize - spec.Patch) / spec.Stride) + 1;
        _positions = Parameter("pos_embed", [1, spec.WidthOf(0), side, side], Init.TruncatedNormal(0.02f));
        _classTokens = Parameter("cls_token", [1, spec.IsDistilled ? 2 : 1, spec.WidthOf(0)], Init.TruncatedNormal(0.02f));
        _patchEmbed = Child("patch_embed", new PitEmbed(InChans, spec));
        _stages = Child("transformers", new ModuleList<PitStage>(Enumerable.Range(0, 3).Select(i => new PitStage(spec, i, options.DropPathRate))));
        _norm = Child("norm", new LayerNorm(NumFeatures, 1e-6f));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", MakeHead(NumClasses));
        _distillationHead = spec.IsDistilled ? Child("head_dist", MakeHead(NumClasses)) : null;
    }

    public static Family Family { get; } = new(
        "pit",
        "Heo, Yun, Han, Chun, Choe, Oh: Rethinking spatial dimensions of vision transformers, ICCV 2021, arXiv:2103.16302",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "pit", [("in1k", ImageNet)], r.Spec.Classifier, "patch_embed.conv", options => new Pit(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "A vision transformer is given the pyramid of convolutional networks: tokens are pooled by strided depthwise convolutions and their channels doubled between stages. Spatial reduction proves to help transformers as it does convolutions.",
    };

    public override string Classifier => _spec.Classifier;

    public override string FirstConv => "patch_embed.conv";

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        if (x.Shape[1] != _imgSize || x.Shape[2] != _imgSize)
            throw new VertebraException($"this network is built for images of {_imgSize}x{_imgSize}, not {x.Shape[1]}x{x.Shape[2]}: its positions belong to that size; build it with img_size");
        x = _patchEmbed.Forward(x) + _positions.Permute([0, 2, 3, 1]);
        var classTokens = _classTokens.Expand([x.Shape[0], _classTokens.Shape[1], x.Shape[3]]);
        foreach (var stage in _stages.Modules)
            (x, classTokens) = stage.Forward(x, classTokens);
        return _norm.Forward(classTokens);
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(features.TokenAt(0));
        x = preLogits ? x : _head.Forward(x);
        if (_distillationHead is null)
            return x;
        // Both heads answer, and their mean counts.
        var distilled = _drop.Forward(features.TokenAt(1));
        return (x + (preLogits ? distilled : _distillationHead.Forward(distilled))) * 0.5f;
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        CheckPool(pool);
        _head = Replace("head", MakeHead(numClasses));
        if (_distillationHead is not null)
            _distillationHead = Replace("head_dist", MakeHead(numClasses));
    }

    private static void CheckPool(GlobalPool? pool)
    {
        if (pool is not (null or GlobalPool.Token))
            throw new VertebraException($"global_pool '{pool.Value.NameOf()}' is not for PiT, which classifies its class token; use token");
    }

    private static IEnumerable<FeatureInfo> Levels(PitSpec spec) =>
        Enumerable.Range(0, 3).Select(i => new FeatureInfo(i, spec.WidthOf(i), (spec.Stride - 1) << i, $"transformers.{i}"));

    private Module MakeHead(int numClasses) => numClasses == 0 ? new Identity() : new Linear(NumFeatures, numClasses);

    private static IEnumerable<(string Name, PitSpec Spec)> Rows()
    {
        (string, PitSpec)[] sizes =
        [
            ("b", new(14, 7, 64, 4, [3, 6, 4])), ("s", new(16, 8, 48, 3, [2, 6, 4])), ("xs", new(16, 8, 48, 2, [2, 6, 4])), ("ti", new(16, 8, 32, 2, [2, 6, 4])),
        ];
        foreach (var isDistilled in new[] { false, true })
        {
            foreach (var (size, spec) in sizes)
                yield return ($"pit_{size}_{(isDistilled ? "distilled_" : "")}224", spec with { IsDistilled = isDistilled });
        }
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Patch">Side of a patch in pixels.</param>
/// <param name="Stride">Pixels between patches, which overlap.</param>
/// <param name="HeadWidth">Channels of a head.</param>
/// <param name="Heads">Heads of the first transformer.</param>
/// <param name="Depths">Blocks of the three transformers.</param>
internal sealed record PitSpec(int Patch, int Stride, int HeadWidth, int Heads, IReadOnlyList<int> Depths)
{
    /// <summary>A second class token with a head of its own, for distillation.</summary>
    public bool IsDistilled { get; init; }

    public string Classifier => IsDistilled ? "head,head_dist" : "head";

    public int HeadsOf(int stage) => Heads << stage;

    public int WidthOf(int stage) => HeadWidth * HeadsOf(stage);
}

/// <summary>A map of overlapping patches.</summary>
internal sealed class PitEmbed : Module
{
    private readonly Conv2d _conv;

    public PitEmbed(int inChans, PitSpec spec) => _conv = Child("conv", new Conv2d(inChans, spec.WidthOf(0), spec.Patch, spec.Stride));

    protected override Tensor OnForward(Tensor x) => _conv.Forward(x);
}

/// <summary>A transformer over a map and the class tokens, after a pool of both that halves the map's side and doubles the channels.</summary>
internal sealed class PitStage : Module
{
    private readonly PitPool? _pool;
    private readonly Sequential _blocks;

    public PitStage(PitSpec spec, int stage, float dropPathRate)
    {
        _pool = stage == 0 ? null : Child("pool", new PitPool(spec.WidthOf(stage - 1), spec.WidthOf(stage)));
        var vit = new VitSpec(spec.Patch, spec.WidthOf(stage), spec.Depths[stage], spec.HeadsOf(stage));
        var (first, count) = (spec.Depths.Take(stage).Sum(), spec.Depths.Sum());
        _blocks = Child("blocks", new Sequential(Enumerable.Range(0, vit.Depth).Select(i => vit.Block(i, Widths.DropPathRate(dropPathRate, first + i, count)))));
    }

    /// <summary>A map [N, H, W, C] and class tokens [N, T, C].</summary>
    public (Tensor Map, Tensor ClassTokens) Forward(Tensor map, Tensor classTokens)
    {
        using var scope = Enter();
        if (_pool is not null)
            (map, classTokens) = _pool.Forward(map, classTokens);
        var count = classTokens.Shape[1];
        var x = _blocks.Forward(Tensor.Concat([classTokens, map.ToTokens()], 1));
        (map, classTokens) = (x.Slice(1, count).ToMap(map.Shape[1], map.Shape[2]), x.Slice(1, 0, count));
        Ops.OpRecording.Current?.Returned(this, map);
        return (map, classTokens);
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a transformer of PiT takes a map and class tokens");

    private sealed class PitPool : Module
    {
        private readonly Conv2d _conv;
        private readonly Linear _fc;

        public PitPool(int from, int to)
        {
            _conv = Child("conv", new Conv2d(from, to, 3, 2, 1, groups: from));
            _fc = Child("fc", new Linear(from, to));
        }

        public (Tensor Map, Tensor ClassTokens) Forward(Tensor map, Tensor classTokens)
        {
            using var scope = Enter();
            return (_conv.Forward(map), _fc.Forward(classTokens));
        }

        protected override Tensor OnForward(Tensor x) => throw new VertebraException("a pool of PiT takes a map and class tokens");
    }
}
