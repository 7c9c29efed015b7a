using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// RDNet (Kim et al. 2024, "DenseNets reloaded"): dense concatenation with the blocks of ConvNeXt. Names, state-dict keys and
/// defaults follow timm.
/// </summary>
public sealed class RdNet : PooledBackbone
{
    private const float Epsilon = 1e-6f;
    private const int BlocksPerStage = 3;
    private static readonly Initialiser s_init = Init.KaimingNormal(fanOut: false);
    private readonly Sequential _stem;
    private readonly Sequential _stages;

    internal RdNet(RdNetSpec spec, ModelOptions options) : base(options, "stem.0", "head.fc")
    {
        RefuseOutputStride(options, "RDNet");
        var (width, reduction, stages) = (spec.StemWidth, 4, new List<Module>());
        _stem = Child("stem", new Sequential(Conv(InChans, width, 4, stride: 4), new LayerNorm(width, Epsilon)));
        var count = BlocksPerStage * spec.Growths.Count;
        for (var stage = 0; stage < spec.Growths.Count; stage++)
        {
            var layers = new List<Module>();
            if (stage > 0)
            {
                var (compressed, stride) = (width / 2 / 8 * 8, spec.Halves(stage) ? 2 : 1);
                layers.Add(new LayerNorm(width, Epsilon));
                layers.Add(Conv(width, compressed, stride, stride));
                (width, reduction) = (compressed, reduction * stride);
            }
            var (inWidth, growth, first) = (width, spec.Growths[stage], BlocksPerStage * stage);
            layers.Add(new DenseStage(Enumerable.Range(0, BlocksPerStage).Select(i =>
                new DenseBlock(inWidth + (i * growth), growth, excites: stage > 1, Widths.DropPathRate(options.DropPathRate, first + i, count)))));
            width += BlocksPerStage * growth;
            stages.Add(new Sequential(layers));
            if (stage + 1 == spec.Growths.Count || spec.Halves(stage + 1))
                AddFeature(width, reduction, $"dense_stages.{stage}");
        }
        _stages = Child("dense_stages", new Sequential(stages));
        AddHead("head", new NormClassifierHead(new LayerNorm(width, Epsilon), width, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate), width);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    private static Conv2d Conv(int inWidth, int outWidth, int kernel, int stride = 1, int padding = 0, int groups = 1) =>
        new(inWidth, outWidth, kernel, stride, padding, groups: groups, initialiser: s_init);

    private static Family MakeFamily()
    {
        (string Name, RdNetSpec Spec)[] rows =
        [
            ("rdnet_tiny", new(64, [64, 104, 128, 128, 128, 128, 224], 6)),
            ("rdnet_small", new(72, [64, 128, .. Enumerable.Repeat(128, 7), 240, 240], 9)),
            ("rdnet_base", new(120, [96, 128, .. Enumerable.Repeat(168, 7), 336, 336], 9)),
            ("rdnet_large", new(144, [128, 192, .. Enumerable.Repeat(256, 8), 360, 360], 10)),
        ];
        (string, PretrainedConfig)[] Tags(string name)
        {
            var config = new PretrainedConfig { HubId = $"naver-ai/{name}.nv_in1k", CropPct = 0.9f, License = "apache-2.0" };
            var larger = config.At(384) with { HubId = $"naver-ai/{name}.nv_in1k_ft_in1k_384", CropPct = 1 };
            return name == "rdnet_large" ? [("nv_in1k", config), ("nv_in1k_ft_in1k_384", larger)] : [("nv_in1k", config)];
        }
        return new(
            "rdnet",
            "Kim, Heo, Han: DenseNets reloaded: Paradigm shift beyond ResNets and ViTs, ECCV 2024, arXiv:2403.19588",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "rdnet", Tags(r.Name), "head.fc", "stem.0", options => new RdNet(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "DenseNet's concatenations are revived with modern parts: wider and shallower blocks with large depthwise kernels and layer norms, and frequent transitions. Concatenated features prove as strong as added ones at today's scale.",
        };
    }

    /// <summary>Blocks that each see all that came before.</summary>
    private sealed class DenseStage : Module
    {
        private readonly DenseBlock[] _blocks;

        public DenseStage(IEnumerable<DenseBlock> blocks) => _blocks = [.. blocks.Select((block, i) => Child($"dense_block{i}", block))];

        protected override Tensor OnForward(Tensor x)
        {
            foreach (var block in _blocks)
                x = Tensor.Concat([x, block.Forward(x)], -1);
            return x;
        }
    }

    /// <summary>A ConvNeXt block that returns only the new channels, scaled by <c>gamma</c>.</summary>
    private sealed class DenseBlock : Module
    {
        private readonly Tensor _gamma;
        private readonly Module _layers;
        private readonly DropPath _dropPath;

        public DenseBlock(int inWidth, int growth, bool excites, float dropPathRate)
        {
            _gamma = Parameter("gamma", [growth], Init.Constant(1e-6f));
            _dropPath = Child("drop_path", new DropPath(dropPathRate));
            var hidden = 4 * inWidth / 8 * 8;
            List<Module> layers =
            [
                Conv(inWidth, inWidth, 7, padding: 3, groups: inWidth), new LayerNorm(inWidth, Epsilon), Conv(inWidth, hidden, 1),
                new ActivationLayer(ActivationKind.Gelu), Conv(hidden, growth, 1),
            ];
            if (excites)
                layers.Add(new EffectiveSqueezeExcite(growth));
            _layers = Child("layers", new Sequential([("layers", new Sequential(layers))]));
        }

        protected override Tensor OnForward(Tensor x) => _dropPath.Forward(_layers.Forward(x) * _gamma);
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="StemWidth">Channels of the stem.</param>
/// <param name="Growths">Channels that a block adds, by stage.</param>
/// <param name="LastHalving">The stage that halves the map for the last time; the first two stages after the stem do too.</param>
internal sealed record RdNetSpec(int StemWidth, IReadOnlyList<int> Growths, int LastHalving)
{
    /// <summary>Whether a stage begins by halving the map.</summary>
    public bool Halves(int stage) => stage is 1 or 2 || stage == LastHalving;
}
