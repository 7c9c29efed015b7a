using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Sequencer: long short-term memories that run along the rows and the columns of the map in place of attention (Tatsunami and Taki
/// 2022). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class Sequencer2d : PooledBackbone
{
    private const int UsualLevels = 3;
    private static readonly IntList s_widths = [192, 384, 384, 384];
    private static readonly IntList s_hidden = [48, 96, 96, 96];
    private static readonly IntList s_patches = [7, 2, 1, 1];
    private readonly PatchEmbed _stem;
    private readonly Sequential _stages;
    private readonly NormLayer _norm;

    internal Sequencer2d(IntList depths, ModelOptions options) : base(options, "stem.proj", "head.fc")
    {
        if (options.OutputStride is not null)
            throw new VertebraException("output_stride cannot be chosen for Sequencer: its pyramid is fixed at 7 and 14");
        _stem = Child("stem", new PatchEmbed(InChans, s_widths[0], s_patches[0], flatten: false));
        var stages = new Module[4];
        var reduction = 1;
        for (var i = 0; i < 4; i++)
        {
            reduction *= s_patches[i];
            Module downsample = i == 0 ? new Identity() : new Sequential([("down", new Conv2d(s_widths[i - 1], s_widths[i], s_patches[i], s_patches[i]))]);
            var blocks = Enumerable.Range(0, depths[i]).Select(_ => new Sequencer2dBlock(s_widths[i], s_hidden[i], options.DropPathRate));
            stages[i] = new Sequential([("downsample", downsample), ("blocks", new Sequential(blocks))]);
            AddFeature(s_widths[i], reduction, $"stages.{i}");
        }
        _stages = Child("stages", new Sequential(stages));
        _norm = Child("norm", new LayerNorm(s_widths[3], Sequencer2dBlock.Epsilon));
        AddHead(s_widths[3], options, initialiser: Init.Zeros);
    }

    public static Family Family { get; } = new(
        "sequencer",
        "Tatsunami and Taki: Sequencer: deep LSTM for image classification, NeurIPS 2022, arXiv:2205.01972",
        [Row("sequencer2d_s", [4, 3, 8, 3]), Row("sequencer2d_m", [4, 3, 14, 3]), Row("sequencer2d_l", [8, 8, 16, 4])],
        new Dictionary<string, string>())
    {
        Idea = "Tokens are mixed by long short-term memories that run over rows and columns in both directions, instead of by attention. Memory scales well with resolution, and the bias of sequences suffices for images.",
    };

    public override IReadOnlyList<FeatureInfo> FeatureInfo => [.. AllFeatureInfo.Take(UsualLevels)];

    public override IReadOnlyList<FeatureInfo> AllFeatureInfo => base.FeatureInfo;

    protected override Tensor OnForwardFeatures(Tensor x) => _norm.Forward(_stages.Forward(_stem.Forward(x)));

    private static ModelInfo Row(string name, IntList depths) => ModelInfo.Row(
        name, "sequencer", [("in1k", new() { FixedInputSize = true, PoolSize = [], License = "apache-2.0" })], "head.fc", "stem.proj", options => new Sequencer2d(depths, options));
}

/// <summary>Memories along rows and columns, and an MLP, each normalised before and added to a shortcut.</summary>
internal sealed class Sequencer2dBlock : Module
{
    public const float Epsilon = 1e-6f;
    private readonly NormLayer _norm1;
    private readonly PlaneLstm _tokens;
    private readonly DropPath? _dropPath;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;

    public Sequencer2dBlock(int width, int hidden, float dropPathRate)
    {
        _norm1 = Child("norm1", new LayerNorm(width, Epsilon));
        _tokens = Child("rnn_tokens", new PlaneLstm(width, hidden));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(width, Epsilon));
        _mlp = Child("mlp_channels", new TokenMlp(width, 3 * width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _tokens.Forward(_norm1.Forward(x));
        x += _dropPath?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPath?.Forward(branch) ?? branch);
    }
}

/// <summary>What the columns of a map and its rows remember, in both directions, side by side, through one layer <c>fc</c>.</summary>
internal sealed class PlaneLstm : Module
{
    private readonly Linear _fc;
    private readonly BidirectionalLstm _vertical;
    private readonly BidirectionalLstm _horizontal;

    public PlaneLstm(int width, int hidden)
    {
        _fc = Child("fc", new Linear(4 * hidden, width, initialiser: Init.XavierUniform, biasInitialiser: Init.Zeros));
        _vertical = Child("rnn_v", new BidirectionalLstm(width, hidden));
        _horizontal = Child("rnn_h", new BidirectionalLstm(width, hidden));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, h, w, c) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
        var columns = _vertical.Forward(x.Permute([0, 2, 1, 3]).Reshape([n * w, h, c]));
        var rows = _horizontal.Forward(x.Reshape([n * h, w, c]));
        var vertical = columns.Reshape([n, w, h, columns.Shape[2]]).Permute([0, 2, 1, 3]);
        return _fc.Forward(Tensor.Concat([vertical, rows.Reshape([n, h, w, rows.Shape[2]])], -1));
    }
}
