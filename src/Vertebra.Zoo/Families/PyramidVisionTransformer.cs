using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// PVT: a pyramid of transformers without convolutions but those that cut patches; keys and values come from a smaller map, and a class
/// token joins the last stage (Wang et al. 2021). The networks are not in timm: names, state-dict keys and defaults follow the authors'
/// code. Published positions of another image size are resampled as theirs are: bilinear.
/// </summary>
public sealed class PyramidVisionTransformer : TokenBackbone
{
    private const float Epsilon = 1e-6f;
    private static readonly IntList s_widths = [64, 128, 320, 512];
    private static readonly IntList s_heads = [1, 2, 5, 8];
    private static readonly IntList s_ratios = [8, 8, 4, 4];
    private static readonly IntList s_reductions = [8, 4, 2, 1];
    private readonly int _side;
    private readonly Tensor[] _positions = new Tensor[4];
    private readonly Tensor _classToken;
    private readonly PatchEmbed[] _embeds = new PatchEmbed[4];
    private readonly ModuleList<PvtBlock>[] _blocks = new ModuleList<PvtBlock>[4];
    private readonly NormLayer _norm;
    private readonly Dropout _drop;
    private Module _head;
    private GlobalPool _pool;

    internal PyramidVisionTransformer(IntList depths, ModelOptions options) : base(options, s_widths[3], LevelsOf(depths))
    {
        _side = options.ImgSize ?? 224;
        if (_side % 32 != 0)
            throw new VertebraException($"img_size is {_side}; for PVT it must be a multiple of 32: patches of 4 pixels, halved three times");
        for (var i = 0; i < 4; i++)
            _positions[i] = Parameter($"pos_embed{i + 1}", [1, (SideOf(i) * SideOf(i)) + PrefixOf(i), s_widths[i]], Init.TruncatedNormal(0.02f));
        _classToken = Parameter("cls_token", [1, 1, s_widths[3]], Init.TruncatedNormal(0.02f));
        var (index, count) = (0, depths.Sum());
        for (var i = 0; i < 4; i++)
        {
            _embeds[i] = Child($"patch_embed{i + 1}", new PatchEmbed(i == 0 ? InChans : s_widths[i - 1], s_widths[i], i == 0 ? 4 : 2, norm: new LayerNorm(s_widths[i])));
            var rates = Enumerable.Range(index, depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, count));
            _blocks[i] = Child($"block{i + 1}", new ModuleList<PvtBlock>(rates.Select(rate => new PvtBlock(s_widths[i], s_heads[i], s_ratios[i], s_reductions[i], Epsilon, rate))));
            index += depths[i];
        }
        _norm = Child("norm", new LayerNorm(s_widths[3], Epsilon));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(NumFeatures, NumClasses));
        _pool = CheckedPool(options.GlobalPool ?? GlobalPool.Token);
    }

    public static Family Family { get; } = new(
        "pvt",
        "Wang et al.: Pyramid vision transformer: a versatile backbone for dense prediction without convolutions, ICCV 2021, arXiv:2102.12122",
        [Row("pvt_tiny", [2, 2, 2, 2]), Row("pvt_small", [3, 4, 6, 3]), Row("pvt_medium", [3, 4, 18, 3]), Row("pvt_large", [3, 8, 27, 3])],
        new Dictionary<string, string>())
    {
        Idea = "The first transformer with a pyramid: four stages of shrinking maps serve detection and segmentation as a ResNet does. Keys and values are taken from a reduced map, which makes attention at high resolution affordable.",
        FollowsTimm = false,
    };

    public override IReadOnlyList<FeatureInfo> FeatureInfo => AllFeatureInfo;

    public override string FirstConv => "patch_embed1.proj";

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        for (var i = 0; i < 4; i++)
        {
            var name = $"pos_embed{i + 1}";
            if (!state.TryGetValue(name, out var given) || given.Shape == _positions[i].Shape || PositionEmbedding.SquareOf(given, PrefixOf(i)) is not { } from)
                continue;
            given = given.To(DType.Float32);
            var grid = given.Slice(1, PrefixOf(i)).ToMap(from.H, from.W).Interpolate(SideOf(i), Kernels.InterpolationMode.Bilinear).ToTokens();
            state[name] = PrefixOf(i) == 0 ? grid : Tensor.Concat([given.Slice(1, 0, PrefixOf(i)), grid], 1);
            notes.Add($"{name}: resampled from {from.H}x{from.W} to {SideOf(i)}x{SideOf(i)} patches");
        }
    }

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        if (x.Shape[1] != _side || x.Shape[2] != _side)
            throw new VertebraException($"positions are learned for images of {_side}x{_side}, got {x.Shape[1]}x{x.Shape[2]}; build the network for the image size (img_size)");
        for (var i = 0; i < 4; i++)
        {
            var tokens = _embeds[i].Forward(x);
            tokens = (PrefixOf(i) == 0 ? tokens : tokens.Prepend(_classToken)) + _positions[i];
            x = PrefixOf(i) == 0 ? tokens.ToMap(SideOf(i), SideOf(i)) : tokens;
            foreach (var block in _blocks[i].Modules)
                x = block.Forward(x);
        }
        return _norm.Forward(x);
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(PoolTokens(features, _pool, prefix: 1));
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = pool is { } changed ? CheckedPool(changed) : _pool;
        _head = Replace("head", TokenLinear.Classifier(NumFeatures, numClasses));
    }

    private static int PrefixOf(int stage) => stage == 3 ? 1 : 0;

    private int SideOf(int stage) => _side / (4 << stage);

    private static IEnumerable<FeatureInfo> LevelsOf(IntList depths) =>
        Enumerable.Range(0, 4).Select(i => new FeatureInfo(i, s_widths[i], 4 << i, $"block{i + 1}.{depths[i] - 1}", PrefixOf(i) == 0 ? null : PrefixOf(i)));

    private static ModelInfo Row(string name, IntList depths) => ModelInfo.Row(
        name, "pvt", [("in1k", new() { FixedInputSize = true, PoolSize = [], HubId = "", License = "apache-2.0" })], "head", "patch_embed1.proj",
        options => new PyramidVisionTransformer(depths, options));
}

/// <summary>Attention to a smaller map and MLP over a map [N, H, W, C], or over tokens [N, L, C], each normalised before and added to a shortcut.</summary>
internal sealed class PvtBlock : Module
{
    private readonly NormLayer _norm1;
    private readonly ReducedAttention _attn;
    private readonly DropPath? _dropPath;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;

    public PvtBlock(int width, int heads, int ratio, int reduction, float epsilon, float dropPathRate)
    {
        _norm1 = Child("norm1", new LayerNorm(width, epsilon));
        _attn = Child("attn", new ReducedAttention(width, heads, reduction));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(width, epsilon));
        _mlp = Child("mlp", new TokenMlp(width, ratio * width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = Attend(_norm1.Forward(x));
        x += _dropPath?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPath?.Forward(branch) ?? branch);
    }

    // Where no map is made smaller, nothing depends on where pixels lie, and tokens are a map of one row.
    private Tensor Attend(Tensor x) => x.Rank == 4 ? _attn.Forward(x) : _attn.Forward(x.ToMap(1, x.Shape[1])).ToTokens();
}
