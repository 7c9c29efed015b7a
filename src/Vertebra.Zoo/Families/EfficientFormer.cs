using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// EfficientFormer: blocks that average pixels, then a few at the end that attend (Li et al. 2022). Names, state-dict keys and defaults
/// follow timm.
/// </summary>
public sealed class EfficientFormer : TwoHeadBackbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly NormLayer _norm;

    internal EfficientFormer(EfficientFormerSpec spec, ModelOptions options) : base(options, "stem.conv1", "head,head_dist")
    {
        var width = spec.Widths[0];
        _stem = Child("stem", new Sequential(
        [
            ("conv1", new Conv2d(InChans, width / 2, 3, 2, 1)), ("norm1", new BatchNorm2d(width / 2)), ("act1", new ActivationLayer(ActivationKind.Relu)),
            ("conv2", new Conv2d(width / 2, width, 3, 2, 1)), ("norm2", new BatchNorm2d(width)), ("act2", new ActivationLayer(ActivationKind.Relu)),
        ]));
        var (index, count, stages) = (0, spec.Depths.Sum(), new List<Module>());
        for (var i = 0; i < spec.Widths.Count; i++)
        {
            Module downsample = i == 0 ? new Identity()
                : new Sequential([("conv", new Conv2d(width, spec.Widths[i], 3, 2, 1)), ("norm", new BatchNorm2d(spec.Widths[i]))]);
            width = spec.Widths[i];
            var rates = Enumerable.Range(index, spec.Depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, count)).ToArray();
            var attending = i == spec.Widths.Count - 1 ? spec.Attending : 0;
            stages.Add(new Sequential([("downsample", downsample), ("blocks", new Sequential(Blocks(width, rates, attending, ((options.ImgSize ?? 224) + 31) / 32)))]));
            AddFeature(width, 4 << i, $"stages.{i}");
            index += spec.Depths[i];
        }
        _stages = Child("stages", new Sequential(stages));
        _norm = Child("norm", new LayerNorm(width));
        AddHeads(options, options.DropRate);
    }

    public static Family Family { get; } = MakeFamily();

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        base.AdaptState(state, notes);
        foreach (var (name, own) in NamedBuffers().Where(b => b.Name.EndsWith("attention_bias_idxs", StringComparison.Ordinal)))
        {
            if (state.TryGetValue(name, out var index) && index.Shape != own.Shape)
                state[name] = own;
        }
    }

    protected override Tensor OnForwardFeatures(Tensor x) => _norm.Forward(_stages.Forward(_stem.Forward(x)));

    private static IEnumerable<Module> Blocks(int width, float[] dropPathRates, int attending, int map)
    {
        var pooling = Math.Max(0, dropPathRates.Length - attending);
        for (var i = 0; i < dropPathRates.Length; i++)
        {
            // Where a map becomes tokens the weights count one module more; here it stays a map.
            if (i == pooling)
                yield return new Identity();
            yield return i < pooling ? new PoolingBlock(width, dropPathRates[i]) : new OffsetTransformerBlock(width, map, dropPathRates[i]);
        }
    }

    private static Family MakeFamily()
    {
        (string Name, EfficientFormerSpec Spec)[] rows =
        [
            ("efficientformer_l1", new([48, 96, 224, 448], [3, 2, 6, 4], 1)),
            ("efficientformer_l3", new([64, 128, 320, 512], [4, 4, 12, 6], 4)),
            ("efficientformer_l7", new([96, 192, 384, 768], [6, 6, 18, 8], 8)),
        ];
        var config = new PretrainedConfig { FixedInputSize = true, PoolSize = [], CropPct = 0.95f, License = "apache-2.0" };
        return new(
            "efficientformer",
            "Li et al.: EfficientFormer: vision transformers at MobileNet speed, NeurIPS 2022, arXiv:2206.01191",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "efficientformer", [("snap_dist_in1k", config)], "head,head_dist", "stem.conv1", options => new EfficientFormer(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Measuring phones shows that reshapes and layer norms, not attention as such, make vision transformers slow. Pooling blocks on maps therefore come first, and attention on tokens only at the end, with a single reshape between.",
        };
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">Channels by stage.</param>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="Attending">How many of the last blocks attend.</param>
internal sealed record EfficientFormerSpec(IntList Widths, IntList Depths, int Attending);

/// <summary>Averaging of neighbours and an MLP of 1x1 convolutions with batch normalisation, each scaled and beside a shortcut.</summary>
internal sealed class PoolingBlock : Module
{
    private readonly PoolingMixer _mixer;
    private readonly LayerScale _scale1;
    private readonly DropPath? _dropPath1;
    private readonly Sequential _mlp;
    private readonly LayerScale _scale2;
    private readonly DropPath? _dropPath2;

    public PoolingBlock(int width, float dropPathRate)
    {
        _mixer = Child("token_mixer", new PoolingMixer());
        _scale1 = Child("ls1", new LayerScale(width));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _mlp = Child("mlp", new Sequential(
        [
            ("fc1", new Conv2d(width, 4 * width, 1)), ("norm1", new BatchNorm2d(4 * width)), ("act", new ActivationLayer(ActivationKind.Gelu)),
            ("fc2", new Conv2d(4 * width, width, 1)), ("norm2", new BatchNorm2d(width)),
        ]));
        _scale2 = Child("ls2", new LayerScale(width));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _scale1.Forward(_mixer.Forward(x));
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _scale2.Forward(_mlp.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention with biases by offset and an MLP over a map's pixels, each normalised before, scaled, and beside a shortcut.</summary>
internal sealed class OffsetTransformerBlock : Module
{
    private const int HeadCount = 8;
    private const int KeyWidth = 32;
    private const int ValueWidth = 128;
    private readonly NormLayer _norm1;
    private readonly OffsetAttention _mixer;
    private readonly LayerScale _scale1;
    private readonly DropPath? _dropPath1;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;
    private readonly LayerScale _scale2;
    private readonly DropPath? _dropPath2;

    public OffsetTransformerBlock(int width, int map, float dropPathRate)
    {
        _norm1 = Child("norm1", new LayerNorm(width));
        _mixer = Child("token_mixer", new OffsetAttention(
            map, HeadCount, KeyWidth, ValueWidth, outputs => TokenLinear.Create(width, outputs), TokenLinear.Create(HeadCount * ValueWidth, width), savesIndex: true));
        _scale1 = Child("ls1", new LayerScale(width));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(width));
        _mlp = Child("mlp", new TokenMlp(width, 4 * width));
        _scale2 = Child("ls2", new LayerScale(width));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _scale1.Forward(_mixer.Forward(_norm1.Forward(x)));
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _scale2.Forward(_mlp.Forward(_norm2.Forward(x)));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}
