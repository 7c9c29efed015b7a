using Vertebra.Kernels;
using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;

namespace Vertebra.Zoo.Families;

/// <summary>
/// CrossViT (Chen et al. 2021): two transformers over one image, one with small patches and few channels, one with larger patches of a
/// smaller copy of it; now and then each one's class token looks at the other's patches. The class scores are the mean of both. Images of
/// any size are resampled to the two that the branches are built for. Features are the tokens of the two branches, one after the other,
/// as [N, L0 · C0 + L1 · C1]: their widths differ. Names, state-dict keys and defaults follow timm's crossvit.
/// </summary>
public sealed class CrossVit : TokenBackbone
{
    private readonly CrossVitSpec _spec;
    private readonly int[] _sides;
    private readonly Tensor[] _positions = new Tensor[CrossVitSpec.Branches];
    private readonly Tensor[] _classTokens = new Tensor[CrossVitSpec.Branches];
    private readonly ModuleList<Module> _patchEmbed;
    private readonly ModuleList<CrossVitStage> _blocks;
    private readonly ModuleList<LayerNorm> _norm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private ModuleList<Module> _head;

    private CrossVit(CrossVitSpec spec, ModelOptions options) : base(options, spec.WidthOf(0) + spec.WidthOf(1), [])
    {
        (_spec, _sides, _pool) = (spec, spec.SidesOf(options.ImgSize!.Value), Checked(options.GlobalPool ?? GlobalPool.Token));
        foreach (var b in CrossVitSpec.EachBranch)
        {
            _positions[b] = Parameter($"pos_embed_{b}", [1, TokensOf(b), spec.WidthOf(b)], Init.TruncatedNormal(0.02f));
            _classTokens[b] = Parameter($"cls_token_{b}", [1, 1, spec.WidthOf(b)], Init.TruncatedNormal(0.02f));
        }
        _patchEmbed = Child("patch_embed", new ModuleList<Module>(CrossVitSpec.EachBranch.Select(b => spec.PatchEmbed(b, InChans))));
        _blocks = Child("blocks", new ModuleList<CrossVitStage>(Enumerable.Range(0, CrossVitSpec.Stages).Select(i => new CrossVitStage(spec, i, options.DropPathRate))));
        _norm = Child("norm", new ModuleList<LayerNorm>(CrossVitSpec.EachBranch.Select(b => spec.Norm(b))));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", MakeHead(NumClasses));
    }

    public static Family Family { get; } = new(
        "crossvit",
        "Chen, Fan, Panda: CrossViT: cross-attention multi-scale vision transformer for image classification, ICCV 2021, arXiv:2103.14899",
        [.. Rows().Select(r => ModelInfo.Row(
            r.Name, "crossvit", [("in1k", ImageNet.Square(r.Spec.Side).Crop(r.Spec.Side > CrossVitSpec.UsualSide ? 1 : 0.875f))],
            "head.0,head.1", r.Spec.FirstConv, options => new CrossVit(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "One transformer sees small patches, another large ones, and they trade information through their class tokens alone: each attends to the other's patches. A single query per branch makes that exchange linear in the number of patches.",
    };

    public override string Classifier => "head.0,head.1";

    public override string FirstConv => _spec.FirstConv;

    // The branches need not be joined in between.
    protected override Tensor OnForward(Tensor x) => Scores(Branches(x), preLogits: false);

    protected override Tensor OnForwardFeatures(Tensor x) => Tensor.Concat([.. Branches(x).Select(b => b.Flatten())], 1);

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => Scores(Parted(features), preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = Checked(pool ?? _pool);
        _head = Replace("head", MakeHead(numClasses));
    }

    /// <summary>Weights of the authors have other names for class tokens and positions.</summary>
    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        foreach (var b in CrossVitSpec.EachBranch)
        {
            foreach (var name in new[] { "pos_embed", "cls_token" })
            {
                if (state.Remove($"{name}.{b}", out var tensor))
                    state[$"{name}_{b}"] = tensor;
            }
            AdaptPositions($"pos_embed_{b}", _positions[b], GridOf(b), 1, state, notes);
        }
    }

    /// <summary>The tokens [N, L, C] of each branch.</summary>
    private Tensor[] Branches(Tensor images)
    {
        var branches = Array.ConvertAll(CrossVitSpec.EachBranch, b => Embedded(images, b));
        foreach (var stage in _blocks.Modules)
            branches = stage.Forward(branches);
        return Array.ConvertAll(CrossVitSpec.EachBranch, b => _norm.Modules[b].Forward(branches[b]));
    }

    private Tensor Embedded(Tensor images, int branch)
    {
        var side = _sides[branch];
        if (images.Shape[1] != side || images.Shape[2] != side)
            images = images.Interpolate(side, InterpolationMode.Bicubic);
        return _patchEmbed.Modules[branch].Forward(images).Prepend(_classTokens[branch]) + _positions[branch];
    }

    private Tensor[] Parted(Tensor features)
    {
        var count = TokensOf(0) * _spec.WidthOf(0);
        Tensor[] parts = [features.Slice(1, 0, count), features.Slice(1, count)];
        return Array.ConvertAll(CrossVitSpec.EachBranch, b => parts[b].Reshape([features.Shape[0], TokensOf(b), _spec.WidthOf(b)]));
    }

    private Tensor Scores(Tensor[] branches, bool preLogits)
    {
        var pooled = Array.ConvertAll(branches, b => _drop.Forward(PoolTokens(b, _pool, prefix: 1)));
        if (preLogits || _head.Modules[0] is Identity)
            return Tensor.Concat(pooled, 1);
        return (_head.Modules[0].Forward(pooled[0]) + _head.Modules[1].Forward(pooled[1])) * 0.5f;
    }

    private Size2d GridOf(int branch) => _sides[branch] / CrossVitSpec.PatchOf(branch);

    private int TokensOf(int branch) => 1 + (GridOf(branch).H * GridOf(branch).W);

    private ModuleList<Module> MakeHead(int numClasses) => new(CrossVitSpec.EachBranch.Select(b => TokenLinear.Classifier(_spec.WidthOf(b), numClasses)));

    private static GlobalPool Checked(GlobalPool pool) => pool is GlobalPool.Token or GlobalPool.Avg ? pool
        : throw new VertebraException($"global_pool '{pool.NameOf()}' is not for CrossViT, whose branches are pooled one by one; use token or avg");

    private static (string Name, CrossVitSpec Spec)[] Rows() =>
    [
        ("crossvit_15_240", new(192, 6, 5, 3)),
        ("crossvit_15_dagger_240", new(192, 6, 5, 3) { IsDagger = true }),
        ("crossvit_15_dagger_408", new(192, 6, 5, 3) { IsDagger = true, Side = 408 }),
        ("crossvit_18_240", new(224, 7, 6, 3)),
        ("crossvit_18_dagger_240", new(224, 7, 6, 3) { IsDagger = true }),
        ("crossvit_18_dagger_408", new(224, 7, 6, 3) { IsDagger = true, Side = 408 }),
        ("crossvit_9_240", new(128, 4, 3, 3)),
        ("crossvit_9_dagger_240", new(128, 4, 3, 3) { IsDagger = true }),
        ("crossvit_base_240", new(384, 12, 4, 4)),
        ("crossvit_small_240", new(192, 6, 4, 4)),
        ("crossvit_tiny_240", new(96, 3, 4, 4)),
    ];
}

/// <summary>What distinguishes the variants. Branch 0 has the small patches; branch 1 has twice its channels.</summary>
/// <param name="Width">Channels of a token of branch 0.</param>
/// <param name="Heads">Heads, in both branches.</param>
/// <param name="Depth">Blocks of branch 1 in a stage; branch 0 has one.</param>
/// <param name="MlpRatio">Hidden channels of the MLPs per channel of a token.</param>
internal sealed record CrossVitSpec(int Width, int Heads, int Depth, double MlpRatio)
{
    public const int Branches = 2;
    public const int Stages = 3;
    public const int UsualSide = 240;

    public static int[] EachBranch { get; } = [.. Enumerable.Range(0, Branches)];

    /// <summary>Patches are embedded by three convolutions instead of one.</summary>
    public bool IsDagger { get; init; }

    /// <summary>Pixels along the side of the images the weights are made for.</summary>
    public int Side { get; init; } = UsualSide;

    public string FirstConv => IsDagger ? "patch_embed.0.proj.0,patch_embed.1.proj.0" : "patch_embed.0.proj,patch_embed.1.proj";

    /// <summary>Pixels along the side of a patch of a branch.</summary>
    public static int PatchOf(int branch) => branch == 0 ? 12 : 16;

    public int WidthOf(int branch) => Width << branch;

    /// <summary>Sides of the images that the branches see: branch 1 sees 224 pixels of 240, or 384 of 408.</summary>
    /// <exception cref="VertebraException">One of them is no multiple of the branch's patch.</exception>
    public int[] SidesOf(int imgSize)
    {
        var share = Side == UsualSide ? 224.0 / 240 : 384.0 / 408;
        int[] sides = [imgSize, (int)(imgSize * share)];
        if (sides[1] > 0 && EachBranch.All(b => sides[b] % PatchOf(b) == 0))
            return sides;
        throw new VertebraException($"img_size {imgSize} gives the branches images of {sides[0]} and {sides[1]} pixels, which do not divide into patches of 12 and 16 pixels; take {Side / 2}, {Side} or {2 * Side}");
    }

    public LayerNorm Norm(int branch) => new(WidthOf(branch), 1e-6f);

    public Module PatchEmbed(int branch, int inChans) =>
        IsDagger ? new CrossVitEmbed(inChans, WidthOf(branch), PatchOf(branch)) : new PatchEmbed(inChans, WidthOf(branch), PatchOf(branch));

    /// <summary>The blocks of a branch in a stage.</summary>
    public Sequential Blocks(int branch, int stage, float dropPathRate)
    {
        var vit = new VitSpec(PatchOf(branch), WidthOf(branch), branch == 0 ? 1 : Depth, Heads) { MlpRatio = MlpRatio };
        return new(Enumerable.Range(0, vit.Depth).Select(i => vit.Block(i, RateOf(dropPathRate, stage, i))));
    }

    /// <summary>Rate of the stochastic depth at a block of a stage.</summary>
    public float RateOf(float dropPathRate, int stage, int block) => Widths.DropPathRate(dropPathRate, (stage * Depth) + block, Stages * Depth);
}

/// <summary>Tokens of patches by three convolutions with strides 4, 3 and 1 for patches of 12 pixels, 4, 2 and 2 for those of 16.</summary>
internal sealed class CrossVitEmbed : Module
{
    private readonly Sequential _proj;

    public CrossVitEmbed(int inChans, int width, int patch) => _proj = Child("proj", new Sequential(
        new Conv2d(inChans, width / 4, 7, 4, 3),
        new ActivationLayer(ActivationKind.Relu),
        patch == 12 ? new Conv2d(width / 4, width / 2, 3, 3) : new Conv2d(width / 4, width / 2, 3, 2, 1),
        new ActivationLayer(ActivationKind.Relu),
        new Conv2d(width / 2, width, 3, patch == 12 ? 1 : 2, 1)));

    protected override Tensor OnForward(Tensor x) => _proj.Forward(x).ToTokens();
}

/// <summary>Blocks of either branch, and then the look of either class token at the patches of the other branch.</summary>
internal sealed class CrossVitStage : Module
{
    private readonly ModuleList<Sequential> _blocks;
    private readonly ModuleList<Sequential> _projs;
    private readonly ModuleList<CrossVitFusion> _fusion;
    private readonly ModuleList<Sequential> _revertProjs;

    public CrossVitStage(CrossVitSpec spec, int stage, float dropPathRate)
    {
        var branches = CrossVitSpec.EachBranch;
        _blocks = Child("blocks", new ModuleList<Sequential>(branches.Select(b => spec.Blocks(b, stage, dropPathRate))));
        _projs = Child("projs", new ModuleList<Sequential>(branches.Select(b => Translation(spec, b, Other(b)))));
        _fusion = Child("fusion", new ModuleList<CrossVitFusion>(branches.Select(b => new CrossVitFusion(spec, Other(b), spec.RateOf(dropPathRate, stage, spec.Depth - 1)))));
        _revertProjs = Child("revert_projs", new ModuleList<Sequential>(branches.Select(b => Translation(spec, Other(b), b))));
    }

    /// <summary>Tokens [N, L, C] of either branch.</summary>
    public Tensor[] Forward(Tensor[] branches)
    {
        using var scope = Enter();
        var tokens = Array.ConvertAll(CrossVitSpec.EachBranch, b => _blocks.Modules[b].Forward(branches[b]));
        var patches = Array.ConvertAll(tokens, t => t.Slice(1, 1));
        return Array.ConvertAll(CrossVitSpec.EachBranch, b =>
        {
            var visitor = _projs.Modules[b].Forward(tokens[b].Slice(1, 0, 1));
            visitor = _fusion.Modules[b].Forward(Tensor.Concat([visitor, patches[Other(b)]], 1));
            return Tensor.Concat([_revertProjs.Modules[b].Forward(visitor), patches[b]], 1);
        });
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a stage of CrossViT takes the tokens of two branches");

    private static int Other(int branch) => 1 - branch;

    // A class token in the channels of the other branch.
    private static Sequential Translation(CrossVitSpec spec, int from, int to) =>
        new(spec.Norm(from), new ActivationLayer(ActivationKind.Gelu), TokenLinear.Create(spec.WidthOf(from), spec.WidthOf(to)));
}

/// <summary>The first token [N, 1, C] of tokens [N, L, C] after a look at all of them.</summary>
internal sealed class CrossVitFusion : Module
{
    private readonly LayerNorm _norm;
    private readonly ClassAttention _attention;
    private readonly DropPath? _dropPath;

    public CrossVitFusion(CrossVitSpec spec, int branch, float dropPathRate)
    {
        _norm = Child("norm1", spec.Norm(branch));
        _attention = Child("attn", new ClassAttention(spec.WidthOf(branch), spec.Heads, "w"));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _attention.Forward(_norm.Forward(x));
        return x.Slice(1, 0, 1) + (_dropPath?.Forward(y) ?? y);
    }
}
