using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// HRNet (Wang et al. 2019, "Deep high-resolution representation learning"): branches of four resolutions side by side that
/// exchange their maps. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class HighResolutionNet : PooledBackbone
{
    private static readonly int[] s_headWidths = [32, 64, 128, 256];
    private readonly List<(Conv2d Conv, NormLayer Norm, ActivationLayer Act)> _stem = [];
    private readonly Identity[] _levels;
    private readonly Sequential _first;
    private readonly List<(ModuleList<Module> Transition, ModuleList<HighResolutionModule> Stage)> _stages = [];
    private readonly ModuleList<Sequential> _widening;
    private readonly ModuleList<Sequential> _shrinking;
    private readonly Sequential _last;

    internal HighResolutionNet(HighResolutionSpec spec, ModelOptions options) : base(options, "conv1", "classifier")
    {
        RefuseOutputStride(options, "HRNet");
        for (var i = 1; i <= 2; i++)
        {
            _stem.Add((
                Child($"conv{i}", ResNetSpec.Conv(i == 1 ? InChans : 64, 64, 3, 2)), Child($"bn{i}", new BatchNorm2d(64)),
                Child($"act{i}", new ActivationLayer(ActivationKind.Relu))));
        }
        // timm names the levels of its pyramid after stages, but takes them from the stem and from the head's wider maps.
        _levels = [Child("stem", new Identity()), Child("stage1", new Identity())];
        _first = Child("layer1", Blocks(BlockKind.Bottleneck, 64, spec.FirstWidth, spec.FirstDepth));
        int[] widths = [4 * spec.FirstWidth];
        for (var stage = 2; stage <= 4; stage++)
        {
            int[] next = [.. Enumerable.Range(0, stage).Select(i => spec.Width << i)];
            var transition = Child($"transition{stage - 1}", new ModuleList<Module>(Transition(widths, next)));
            var modules = Enumerable.Range(0, spec.Modules[stage - 2]).Select(_ => new HighResolutionModule(next, spec.Depth)).ToArray();
            _stages.Add((transition, Child($"stage{stage}", new ModuleList<HighResolutionModule>(modules))));
            widths = next;
        }
        _widening = Child("incre_modules", new ModuleList<Sequential>(widths.Select((w, i) => Blocks(BlockKind.Bottleneck, w, s_headWidths[i], 1))));
        _shrinking = Child("downsamp_modules", new ModuleList<Sequential>(s_headWidths.Skip(1).Select(w => HeadLayer(2 * w, 4 * w, 3, 2, spec.HeadHasBias))));
        _last = Child("final_layer", HeadLayer(4 * s_headWidths[^1], 2048, 1, 1, spec.HeadHasBias));
        AddFeature(64, 2, "stem");
        for (var i = 0; i < 4; i++)
            AddFeature(4 * s_headWidths[i], 4 << i, $"stage{i + 1}");
        AddHead(2048, options);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _levels[0].Forward(_stem[0].Norm.Forward(_stem[0].Conv.Forward(x), _stem[0].Act));
        x = _first.Forward(_stem[1].Norm.Forward(_stem[1].Conv.Forward(x), _stem[1].Act));
        Tensor[] branches = [x];
        foreach (var (transition, stage) in _stages)
        {
            branches = [.. transition.Modules.Select((t, i) => t is Identity ? branches[i] : t.Forward(branches[^1]))];
            foreach (var module in stage.Modules)
                branches = module.Forward(branches);
        }
        Tensor? merged = null;
        for (var i = 0; i < branches.Length; i++)
        {
            var wide = _widening.Modules[i].Forward(branches[i]);
            if (i == 0)
                wide = _levels[1].Forward(wide);
            else
                Ops.OpRecording.Current?.Returned(_stages[i - 1].Stage, wide);
            merged = merged is null ? wide : wide + _shrinking.Modules[i - 1].Forward(merged);
        }
        return _last.Forward(merged!);
    }

    /// <summary>Residual blocks of one width.</summary>
    internal static Sequential Blocks(BlockKind kind, int inWidth, int planes, int count)
    {
        var spec = new ResNetSpec(kind, [count]) { Channels = [planes] };
        return new(Enumerable.Range(0, count).Select(i => new ResidualBlock(spec, new(0, i, i == 0 ? inWidth : spec.OutChannels(0), 1, 1, 1, 0))));
    }

    /// <summary>Convolution and normaliser, with ReLU if wanted.</summary>
    internal static Sequential ConvNorm(int inWidth, int outWidth, int kernel, int stride, bool activates)
    {
        Module[] layers = [ResNetSpec.Conv(inWidth, outWidth, kernel, stride), new BatchNorm2d(outWidth)];
        return new(activates ? [.. layers, new ActivationLayer(ActivationKind.Relu)] : layers);
    }

    private static Sequential HeadLayer(int inWidth, int outWidth, int kernel, int stride, bool bias) => new(
        new Conv2d(inWidth, outWidth, kernel, stride, kernel / 2, bias: bias, initialiser: ResNetSpec.ConvInit), new BatchNorm2d(outWidth),
        new ActivationLayer(ActivationKind.Relu));

    /// <summary>Fits the branches to the next stage's widths and makes its new branch from the coarsest.</summary>
    private static IEnumerable<Module> Transition(int[] from, int[] to)
    {
        for (var i = 0; i < to.Length; i++)
        {
            if (i >= from.Length)
                yield return new Sequential(ConvNorm(from[^1], to[i], 3, 2, activates: true));
            else if (from[i] == to[i])
                yield return new Identity();
            else
                yield return ConvNorm(from[i], to[i], 3, 1, activates: true);
        }
    }

    private static Family MakeFamily()
    {
        HighResolutionSpec Of(int width) => new(width, 64, 4, 4, [1, 4, 3]);
        (string Name, HighResolutionSpec Spec)[] rows =
        [
            ("hrnet_w18_small", new(16, 32, 1, 2, [1, 1, 1])),
            ("hrnet_w18_small_v2", new(18, 64, 2, 2, [1, 3, 2])),
            ("hrnet_w18", Of(18)),
            ("hrnet_w30", Of(30)),
            ("hrnet_w32", Of(32)),
            ("hrnet_w40", Of(40)),
            ("hrnet_w44", Of(44)),
            ("hrnet_w48", Of(48)),
            ("hrnet_w64", Of(64)),
            ("hrnet_w18_ssld", Of(18) with { HeadHasBias = false }),
            ("hrnet_w48_ssld", Of(48) with { HeadHasBias = false }),
        ];
        var tags = HighResolutionNetWeights.Tags();
        return new(
            "hrnet",
            "Wang et al.: Deep high-resolution representation learning for visual recognition, TPAMI 2019, arXiv:1908.07919",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "hrnet", tags[r.Name], "classifier", "conv1", options => new HighResolutionNet(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "A branch at high resolution runs through the whole network, and branches of lower resolution are added beside it, stage by stage. All exchange their features again and again, which serves tasks that need exact places.",
        };
    }
}

/// <summary>Residual blocks on each branch; then every branch becomes the sum of all, brought to its size.</summary>
internal sealed class HighResolutionModule : Module
{
    private readonly ModuleList<Sequential> _branches;
    private readonly ModuleList<ModuleList<Module>> _fusions;
    private readonly ActivationLayer _act;

    public HighResolutionModule(int[] widths, int depth)
    {
        _branches = Child("branches", new ModuleList<Sequential>(widths.Select(w => HighResolutionNet.Blocks(BlockKind.Basic, w, w, depth))));
        _fusions = Child("fuse_layers", new ModuleList<ModuleList<Module>>(
            widths.Select((_, to) => new ModuleList<Module>(widths.Select((_, from) => Path(widths, from, to))))));
        _act = Child("fuse_act", new ActivationLayer(ActivationKind.Relu));
    }

    /// <summary>The branches, finest first.</summary>
    public Tensor[] Forward(Tensor[] x)
    {
        using var scope = Enter();
        Tensor[] maps = [.. x.Select((map, i) => _branches.Modules[i].Forward(map))];
        var results = new Tensor[maps.Length];
        for (var to = 0; to < maps.Length; to++)
        {
            Tensor? sum = null;
            for (var from = 0; from < maps.Length; from++)
            {
                var part = _fusions.Modules[to].Modules[from].Forward(maps[from]);
                if (from > to)
                    part = part.Interpolate((part.Shape[1] << (from - to), part.Shape[2] << (from - to)));
                sum = sum is null ? part : sum + part;
            }
            results[to] = _act.Forward(sum!);
        }
        return results;
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a module of HRNet takes all its branches at once");

    /// <summary>From one branch to another: a 1x1 convolution upwards (its result is enlarged), striding 3x3 convolutions downwards.</summary>
    private static Module Path(int[] widths, int from, int to)
    {
        if (from == to)
            return new Identity();
        if (from > to)
            return HighResolutionNet.ConvNorm(widths[from], widths[to], 1, 1, activates: false);
        return new Sequential(Enumerable.Range(from + 1, to - from).Select(i =>
            HighResolutionNet.ConvNorm(widths[from], i == to ? widths[to] : widths[from], 3, 2, activates: i < to)));
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the finest branch; each coarser one has twice as many.</param>
/// <param name="FirstWidth">Inner width of the bottlenecks before the branches.</param>
/// <param name="FirstDepth">Their number.</param>
/// <param name="Depth">Blocks of a branch between two exchanges.</param>
/// <param name="Modules">Exchanges of the stages.</param>
internal sealed record HighResolutionSpec(int Width, int FirstWidth, int FirstDepth, int Depth, IReadOnlyList<int> Modules)
{
    public bool HeadHasBias { get; init; } = true;
}
