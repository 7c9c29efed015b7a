using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// SelecSLS (Mehta et al. 2020, "XNect"): blocks with few skips inside a stage, and one from the stage's first block to each of
/// its others. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class SelecSls : PooledBackbone
{
    private readonly Sequential _stem;
    private readonly ModuleList<SelecSlsBlock> _blocks;
    private readonly Sequential _last;

    internal SelecSls(SelecSlsSpec spec, ModelOptions options) : base(options, "stem.0", "fc")
    {
        RefuseOutputStride(options, "SelecSLS");
        _stem = Child("stem", ConvNormRelu(InChans, 32, 3, 2));
        AddFeature(32, 2, "stem.2");
        var (width, reduction, blocks) = (32, 2, new List<SelecSlsBlock>());
        foreach (var stage in spec.Stages)
        {
            reduction *= 2;
            var skip = stage.Widths[0];
            for (var i = 0; i < stage.Widths.Count; i++)
            {
                blocks.Add(new(width, i == 0 ? null : skip, stage.Inner, stage.Widths[i], i == 0 ? 2 : 1));
                width = stage.Widths[i];
            }
            AddFeature(width, reduction, $"features.{blocks.Count - 1}");
        }
        _blocks = Child("features", new ModuleList<SelecSlsBlock>(blocks));
        var last = new List<Module>();
        foreach (var (outWidth, kernel, stride) in spec.Last)
        {
            last.Add(ConvNormRelu(width, outWidth, kernel, stride));
            width = outWidth;
        }
        _last = Child("head", new Sequential(last));
        // There is a further level, 64 times smaller, that timm does not give by default.
        AddFeature(spec.Last[1].Width, 32, "head.1");
        AddHead(width, options);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _stem.Forward(x);
        Tensor? skip = null;
        foreach (var block in _blocks.Modules)
        {
            x = block.Forward(x, block.OpensStage ? null : skip);
            skip = block.OpensStage ? x : skip;
        }
        return _last.Forward(x);
    }

    internal static Sequential ConvNormRelu(int inWidth, int outWidth, int kernel, int stride = 1) => new(
        new Conv2d(inWidth, outWidth, kernel, stride, WindowPadding.Centred(kernel, stride, 1), bias: false, initialiser: ResNetSpec.ConvInit),
        new BatchNorm2d(outWidth), new ActivationLayer(ActivationKind.Relu));

    private static Family MakeFamily()
    {
        SelecSlsSpec s42 = new([new(64, [64, 128]), new(144, [144, 288]), new(304, [304, 480])], [(960, 3, 2), (1024, 3, 1), (1024, 3, 2), (1280, 1, 1)]);
        SelecSlsSpec s60 = new(
            [new(64, [64, 128]), new(128, [128, 128, 288]), new(288, [288, 288, 288, 416])], [(756, 3, 2), (1024, 3, 1), (1024, 3, 2), (1280, 1, 1)]);
        SelecSlsSpec s84 = new(
            [new(64, [64, 144]), new(144, [144, 144, 144, 144, 304]), new(304, [304, 304, 304, 304, 304, 512])],
            [(960, 3, 2), (1024, 3, 1), (1024, 3, 2), (1280, 3, 1)]);
        SelecSlsSpec B(SelecSlsSpec spec) => spec with { Last = [spec.Last[0], spec.Last[1], (1280, 3, 2), (1024, 1, 1)] };
        (string Name, SelecSlsSpec Spec)[] rows = [("selecsls42", s42), ("selecsls42b", B(s42)), ("selecsls60", s60), ("selecsls60b", B(s60)), ("selecsls84", s84)];
        var tags = SelecSlsWeights.Tags();
        return new(
            "selecsls",
            "Mehta et al.: XNect: Real-time multi-person 3D motion capture with a single RGB camera, SIGGRAPH 2020, arXiv:1907.00837",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "selecsls", tags[r.Name], "fc", "stem.0", options => new SelecSls(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Within each level a few short skip connections by concatenation are chosen instead of all, as dense networks have them. It was made to estimate the poses of several people in real time from one camera.",
        };
    }
}

/// <summary>Three convolutions in a row, each from the former by a 1x1; all of them and the stage's skip are merged by a 1x1.</summary>
internal sealed class SelecSlsBlock : Module
{
    private readonly Sequential[] _convs;

    public SelecSlsBlock(int inWidth, int? skipWidth, int inner, int outWidth, int stride)
    {
        OpensStage = skipWidth is null;
        (int In, int Out, int Kernel)[] plan =
        [
            (inWidth, inner, 3), (inner, inner, 1), (inner, inner / 2, 3), (inner / 2, inner, 1), (inner, inner / 2, 3), ((2 * inner) + (skipWidth ?? 0), outWidth, 1),
        ];
        _convs = [.. plan.Select((p, i) => Child($"conv{i + 1}", SelecSls.ConvNormRelu(p.In, p.Out, p.Kernel, i == 0 ? stride : 1)))];
    }

    /// <summary>Whether this is the first block of its stage, whose output the others get too.</summary>
    public bool OpensStage { get; }

    /// <summary>The block over its input and, unless it opens a stage, the output of the stage's first block.</summary>
    public Tensor Forward(Tensor x, Tensor? skip) => Forward(() => Apply(x, skip));

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a SelecSLS block takes its input and the skip of its stage");

    private Tensor Apply(Tensor x, Tensor? skip)
    {
        var first = _convs[0].Forward(x);
        var second = _convs[2].Forward(_convs[1].Forward(first));
        var third = _convs[4].Forward(_convs[3].Forward(second));
        return _convs[5].Forward(Tensor.Concat(skip is null ? [first, second, third] : [first, second, third, skip], -1));
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Stages">Their blocks.</param>
/// <param name="Last">Convolutions after the stages.</param>
internal sealed record SelecSlsSpec(IReadOnlyList<SelecSlsStage> Stages, IReadOnlyList<(int Width, int Kernel, int Stride)> Last);

/// <summary>A stage, whose first block halves the size.</summary>
/// <param name="Inner">Inner width of its blocks.</param>
/// <param name="Widths">Widths of their outputs.</param>
internal sealed record SelecSlsStage(int Inner, IReadOnlyList<int> Widths);
