using Vertebra.Nn;
using Vertebra.Zoo.Layers;
using static Vertebra.Ops.TensorOps;
using Size2d = Vertebra.Ops.Size2d;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// The cross-attention projector of ScaleKD (Fan, Li, Liu and Yao, NeurIPS 2024): a student's map, with learned positions, is what a grid
/// of queries of the teacher's size and width looks at, so that a student of any kind is seen as a teacher made of tokens sees.
/// Attention, then a norm and a two-layer MLP beside a shortcut, as in the authors' code.
/// </summary>
public sealed class CrossAttentionProjector : Module
{
    // The authors' factor on the attention scores, beside 1 / sqrt(width of a head).
    private const float Sharpness = 5;
    private const int Expansion = 4;

    private readonly int _heads;
    private readonly Size2d _grid;
    private readonly Conv2d _studentConv;
    private readonly BatchNorm2d _studentNorm;
    private readonly Tensor _positions;
    private readonly Tensor? _queries;
    private readonly Linear _queryProj;
    private readonly Linear _q;
    private readonly Linear _k;
    private readonly Linear _v;
    private readonly Linear _proj;
    private readonly LayerNorm _norm;
    private readonly TokenMlp _ffn;

    /// <param name="channels">Channels of the student's map.</param>
    /// <param name="size">Its size.</param>
    /// <param name="width">Channels of the teacher's map.</param>
    /// <param name="grid">Its size.</param>
    /// <param name="heads">Heads of the attention, a divisor of the width.</param>
    /// <param name="ownQueries">Whether the queries are learned; false: they are handed in.</param>
    public CrossAttentionProjector(int channels, Size2d size, int width, Size2d grid, int heads, bool ownQueries)
    {
        (_heads, _grid) = (heads, grid);
        _studentConv = Child("proj_student", new Conv2d(channels, channels, 3, padding: 1));
        _studentNorm = Child("norm_student", new BatchNorm2d(channels));
        _positions = Parameter("pos_embed", [1, size.H, size.W, channels], Init.TruncatedNormal(0.02f));
        _queries = ownQueries ? Parameter("query", [grid.H * grid.W, width], Init.Normal(1)) : null;
        _queryProj = Child("proj_query", new Linear(width, width));
        _q = Child("q", new Linear(width, width));
        _k = Child("k", new Linear(channels, width));
        _v = Child("v", new Linear(channels, width));
        _proj = Child("proj", new Linear(width, width));
        _norm = Child("norm", new LayerNorm(width));
        _ffn = Child("ffn", new TokenMlp(width, Expansion * width, activation: ActivationKind.Relu));
    }

    /// <summary>The student's map [N, H, W, C] as one of the teacher's form [N, h, w, width], by the learned queries.</summary>
    protected override Tensor OnForward(Tensor x) => Project(x, null);

    /// <summary>The same with queries.</summary>
    /// <param name="x">float32 [N, H, W, C].</param>
    /// <param name="queries">float32 [N, h, w, width]; null: the learned ones.</param>
    public Tensor Project(Tensor x, Tensor? queries)
    {
        var (count, width) = (x.Shape[0], _q.InFeatures);
        var tokens = (_studentNorm.Forward(_studentConv.Forward(x)).Relu() + _positions).Reshape([count, -1, x.Shape[3]]);
        queries ??= (_queries ?? throw new InvalidOperationException("a projector without queries of its own must be given some"))
            .Reshape([1, _grid.H * _grid.W, width]).Expand([count, _grid.H * _grid.W, width]);
        var q = _q.Forward(_queryProj.Forward(queries.Reshape([count, -1, width])).Relu());
        var scale = Sharpness / MathF.Sqrt(width / _heads);
        var seen = q.SplitHeads(_heads).Attention(_k.Forward(tokens).SplitHeads(_heads), _v.Forward(tokens).SplitHeads(_heads), scale).JoinHeads();
        var normed = _norm.Forward(_proj.Forward(seen));
        return (normed + _ffn.Forward(normed)).Reshape([count, _grid.H, _grid.W, width]);
    }
}
