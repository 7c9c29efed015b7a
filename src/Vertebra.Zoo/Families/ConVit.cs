using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;

namespace Vertebra.Zoo.Families;

/// <summary>
/// ConViT (d'Ascoli et al. 2021): in all but the last blocks each head weighs what tokens are against where they lie, and starts as a
/// convolution would. The class token joins the patches where that ends. Names, state-dict keys and defaults follow timm's convit.
/// </summary>
public sealed class ConVit : TokenBackbone
{
    private const int Patch = 16;
    private const int Depth = 12;
    private const int LocalBlocks = 10;
    private const int HeadWidth = 48;
    private readonly int _imgSize;
    private readonly Size2d _grid;
    private readonly Tensor _classToken;
    private readonly Tensor _positions;
    private readonly PatchEmbed _patchEmbed;
    private readonly ModuleList<ConVitBlock> _blocks;
    private readonly LayerNorm _norm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private Module _head;

    private ConVit(int heads, ModelOptions options) : base(options, HeadWidth * heads, [])
    {
        var width = HeadWidth * heads;
        (_imgSize, _pool) = (options.ImgSize!.Value, CheckedPool(options.GlobalPool ?? GlobalPool.Token));
        _grid = _imgSize / Patch;
        _classToken = Parameter("cls_token", [1, 1, width], Init.TruncatedNormal(0.02f));
        _positions = Parameter("pos_embed", [1, _grid.H * _grid.W, width], Init.TruncatedNormal(0.02f));
        _patchEmbed = Child("patch_embed", new PatchEmbed(InChans, width, Patch));
        var displacements = Displacements(_grid);
        _blocks = Child("blocks", new ModuleList<ConVitBlock>(Enumerable.Range(0, Depth).Select(
            i => new ConVitBlock(width, heads, i < LocalBlocks ? displacements : null, Widths.DropPathRate(options.DropPathRate, i, Depth)))));
        _norm = Child("norm", new LayerNorm(width, 1e-6f));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(width, NumClasses));
    }

    public static Family Family { get; } = new(
        "convit",
        "d'Ascoli, Touvron, Leavitt, Morcos, Biroli, Sagun: ConViT: improving vision transformers with soft convolutional inductive biases, ICML 2021, arXiv:2103.10697",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "convit", [("fb_in1k", ImageNet.Crop(0.875f))], "head", "patch_embed.proj", options => new ConVit(r.Heads, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Attention layers begin as convolutions, by positional weights that a gate may let go while training. The network has the bias of convolutions while data are few and the freedom of attention in the end.",
    };

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        if (x.Shape[1] != _imgSize || x.Shape[2] != _imgSize)
            throw new VertebraException($"this network is built for images of {_imgSize}x{_imgSize}, not {x.Shape[1]}x{x.Shape[2]}: its positions belong to that size; build it with img_size");
        x = _patchEmbed.Forward(x) + _positions;
        for (var i = 0; i < Depth; i++)
            x = _blocks.Modules[i].Forward(i == LocalBlocks ? x.Prepend(_classToken) : x);
        return _norm.Forward(x);
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(PoolTokens(features, _pool, prefix: 1));
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = CheckedPool(pool ?? _pool);
        _head = Replace("head", TokenLinear.Classifier(NumFeatures, numClasses));
    }

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes) =>
        AdaptPositions("pos_embed", _positions, _grid, 0, state, notes);

    // For every pair of patches how far the second lies to the right and below, and the square of the distance: [1, L, L, 3].
    private static Tensor Displacements(Size2d grid)
    {
        var count = grid.H * grid.W;
        return PositionTables.Make([1, count, count, 3], i =>
        {
            var (from, to) = (i / 3 / count, i / 3 % count);
            var (right, below) = ((to % grid.W) - (from % grid.W), (to / grid.W) - (from / grid.W));
            return (i % 3) switch { 0 => right, 1 => below, _ => (right * right) + (below * below) };
        });
    }

    private static (string Name, int Heads)[] Rows() => [("convit_tiny", 4), ("convit_small", 9), ("convit_base", 16)];
}

/// <summary>Attention, gated between content and place or plain, and an MLP, each after a normaliser and beside a shortcut.</summary>
internal sealed class ConVitBlock : Module
{
    private readonly LayerNorm _norm1;
    private readonly Module _attention;
    private readonly DropPath? _dropPath;
    private readonly LayerNorm _norm2;
    private readonly TokenMlp _mlp;

    public ConVitBlock(int width, int heads, Tensor? displacements, float dropPathRate)
    {
        _norm1 = Child("norm1", new LayerNorm(width, 1e-6f));
        _attention = Child<Module>("attn", displacements is null ? new TokenAttention(width, heads, qkvBias: false) : new GatedAttention(width, heads, displacements));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(width, 1e-6f));
        _mlp = Child("mlp", new TokenMlp(width, width * 4));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _attention.Forward(_norm1.Forward(x));
        x += _dropPath?.Forward(y) ?? y;
        y = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPath?.Forward(y) ?? y);
    }

    /// <summary>A gate per head weighs attention by content against attention by displacement (gated positional self-attention).</summary>
    private sealed class GatedAttention : Module
    {
        private readonly int _heads;
        private readonly Tensor _displacements;
        private readonly Tensor _gate;
        private readonly Linear _qk;
        private readonly Linear _v;
        private readonly Linear _proj;
        private readonly Linear _positions;

        public GatedAttention(int width, int heads, Tensor displacements)
        {
            _heads = heads;
            _gate = Parameter("gating_param", [heads], Init.Ones);
            _displacements = Buffer("displacements", displacements, persistent: false);
            _qk = Child("qk", TokenLinear.Create(width, width * 2, bias: false));
            _v = Child("v", new Linear(width, width, bias: false, initialiser: Identity));
            _proj = Child("proj", TokenLinear.Create(width, width));
            _positions = Child("pos_proj", new Linear(3, heads, initialiser: Neighbours, biasInitialiser: Init.Zeros));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var parts = Heads.Split(_qk.Forward(x), _heads, 2);
            var byContent = (parts[0].MatMul(parts[1], transposeB: true) * (1 / MathF.Sqrt(parts[0].Shape[3]))).Softmax();
            var byPlace = _positions.Forward(_displacements).Permute([0, 3, 1, 2]).Softmax();
            var gate = _gate.Sigmoid().Reshape([1, _heads, 1, 1]);
            var weights = (byContent * (1 - gate)) + (byPlace * gate);
            weights /= weights.Sum([-1], keepAxes: true);
            return _proj.Forward(weights.MatMul(Heads.Split(_v.Forward(x), _heads)).Join());
        }

        private static void Identity(Tensor weight, Philox random)
        {
            var values = weight.AsSpan<float>();
            var width = weight.Shape[1];
            values.Clear();
            for (var i = 0; i < width; i++)
                values[(i * width) + i] = 1;
        }

        // Each head looks at a pixel of a square neighbourhood: -|displacement - pixel|², but for a constant.
        private static void Neighbours(Tensor weight, Philox random)
        {
            Init.TruncatedNormal(0.02f)(weight, random);
            var values = weight.AsSpan<float>();
            var side = (int)Math.Sqrt(weight.Shape[0]);
            var centre = side % 2 == 0 ? (side - 1) / 2f : side / 2;
            for (var i = 0; i < side * side; i++)
            {
                values[3 * i] = 2 * ((i / side) - centre);
                values[(3 * i) + 1] = 2 * ((i % side) - centre);
                values[(3 * i) + 2] = -1;
            }
        }
    }
}
