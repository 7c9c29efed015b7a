using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>Attention and MLP, each after a normaliser and beside a shortcut.</summary>
internal sealed class VitBlock : Module
{
    private readonly Module _norm1;
    private readonly Module _attention;
    private readonly Module? _scale1;
    private readonly DropPath? _dropPath1;
    private readonly Module _norm2;
    private readonly Module _mlp;
    private readonly Module? _scale2;
    private readonly DropPath? _dropPath2;

    public VitBlock(VitSpec spec, int index, float dropPathRate)
    {
        // One factor for both branches, where there is one.
        var factor = Parameterisation.Factor(spec.Parameterisation, 2 * spec.Depth);
        var hasNorms = factor is not ReZeroFactor;
        _norm1 = Child("norm1", hasNorms ? spec.Norm(spec.Width) : new Identity());
        _attention = Child("attn", spec.Attention(index));
        _scale1 = spec.LayerScale is { } first ? Child("ls1", new LayerScale(spec.Width, first)) : factor;
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", hasNorms ? spec.Norm(spec.Width) : new Identity());
        _mlp = Child("mlp", spec.Mlp());
        _scale2 = spec.LayerScale is { } second ? Child("ls2", new LayerScale(spec.Width, second)) : factor;
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
        if (factor is not null)
            Child("factor", factor);
    }

    /// <summary>Tokens [N, L, C] with numbers [1, heads, L, L] added to the scores.</summary>
    public Tensor Forward(Tensor x, Tensor mask) => Forward(() => Apply(x, mask));

    protected override Tensor OnForward(Tensor x) => Apply(x, null);

    private Tensor Apply(Tensor x, Tensor? mask)
    {
        var y = _norm1.Forward(x);
        y = mask is null ? _attention.Forward(y) : ((TokenAttention)_attention).Forward(y, mask);
        y = _scale1?.Forward(y) ?? y;
        x += _dropPath1?.Forward(y) ?? y;
        y = _mlp.Forward(_norm2.Forward(x));
        y = _scale2?.Forward(y) ?? y;
        return x + (_dropPath2?.Forward(y) ?? y);
    }
}

/// <summary>Attention and MLP, each before a normaliser and beside a shortcut; the layer scale is the normalisers' first weight.</summary>
internal sealed class PostNormVitBlock : Module
{
    private readonly Module _attention;
    private readonly Module _norm1;
    private readonly DropPath? _dropPath1;
    private readonly Module _mlp;
    private readonly Module _norm2;
    private readonly DropPath? _dropPath2;

    public PostNormVitBlock(VitSpec spec, int index, float dropPathRate)
    {
        _attention = Child("attn", spec.Attention(index));
        _norm1 = Child("norm1", spec.Norm(spec.Width));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _mlp = Child("mlp", spec.Mlp());
        _norm2 = Child("norm2", spec.Norm(spec.Width));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _norm1.Forward(_attention.Forward(x));
        x += _dropPath1?.Forward(y) ?? y;
        y = _norm2.Forward(_mlp.Forward(x));
        return x + (_dropPath2?.Forward(y) ?? y);
    }
}

/// <summary>
/// Attention and MLP side by side: one layer <c>in_proj</c> makes the MLP's hidden channels and queries, keys and values (Dehghani
/// et al. 2023, "Scaling vision transformers to 22 billion parameters"). With differential attention the two share their last layer too.
/// </summary>
internal sealed class JointVitBlock : Module
{
    private readonly int _heads;
    private readonly int _hidden;
    private readonly Tensor? _mlpBias;
    private readonly Module _norm;
    private readonly Linear _in;
    private readonly Module? _qNorm;
    private readonly Module? _kNorm;
    private readonly DifferentialScores? _difference;
    private readonly RmsNorm? _subNorm;
    private readonly ActivationLayer _act;
    private readonly Linear? _out;
    private readonly Linear? _attentionOut;
    private readonly Linear? _mlpOut;
    private readonly LayerScale? _scale;
    private readonly DropPath? _dropPath;

    public JointVitBlock(VitSpec spec, int index, float dropPathRate)
    {
        (_heads, _hidden) = (spec.Heads, spec.Hidden);
        var (width, headWidth) = (spec.Width, spec.Width / spec.Heads);
        _mlpBias = spec.HasQkvBias ? null : Parameter("mlp_bias", [_hidden], Init.Zeros);
        if (spec.IsDifferential)
        {
            headWidth /= 2;
            _difference = new(headWidth, index, (name, shape, initialiser) => Parameter(name, shape, initialiser));
        }
        _norm = Child("in_norm", spec.Norm(width));
        _in = Child("in_proj", TokenLinear.Create(width, _hidden + (3 * width), spec.HasQkvBias));
        if (spec.NormsHeads)
        {
            _qNorm = Child("q_norm", spec.Norm(headWidth));
            _kNorm = Child("k_norm", spec.Norm(headWidth));
        }
        _subNorm = spec.IsDifferential ? Child("sub_norm", new RmsNorm(2 * headWidth, 1e-5f)) : null;
        _act = Child("mlp_act", new ActivationLayer(spec.Activation));
        if (spec.IsDifferential)
        {
            _out = Child("out_proj", TokenLinear.Create(width + _hidden, width, spec.HasBias));
        }
        else
        {
            _attentionOut = Child("attn_out_proj", TokenLinear.Create(width, width, spec.HasBias));
            _mlpOut = Child("mlp_out_proj", TokenLinear.Create(_hidden, width, spec.HasBias));
        }
        _scale = spec.LayerScale is { } scale ? Child("ls", new LayerScale(width, scale)) : null;
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var width = x.Shape[2];
        var parts = _in.Forward(_norm.Forward(x)).Split([_hidden, width, width, width], 2);
        var hidden = _act.Forward(_mlpBias is null ? parts[0] : parts[0] + _mlpBias);
        var attended = Attend(parts[1], parts[2], parts[3]);
        var y = _out?.Forward(Tensor.Concat([attended, hidden], 2)) ?? (_attentionOut!.Forward(attended) + _mlpOut!.Forward(hidden));
        y = _scale?.Forward(y) ?? y;
        return x + (_dropPath?.Forward(y) ?? y);
    }

    private Tensor Attend(Tensor queries, Tensor keys, Tensor values)
    {
        var split = _difference is null ? _heads : 2 * _heads;
        var (q, k, v) = (Heads.Split(queries, split), Heads.Split(keys, split), Heads.Split(values, _heads));
        q = _qNorm?.Forward(q) ?? q;
        k = _kNorm?.Forward(k) ?? k;
        return _difference is null ? q.Attention(k, v).Join() : (_subNorm!.Forward(_difference.Attend(q, k, v)) * _difference.Share).Join();
    }
}

/// <summary>Two attentions side by side, then two MLPs side by side (Touvron et al. 2022, "Three things everyone should know about vision transformers").</summary>
internal sealed class TwofoldVitBlock : Module
{
    private readonly ModuleList<Sequential> _attentions;
    private readonly ModuleList<Sequential> _mlps;

    public TwofoldVitBlock(VitSpec spec, int index, float dropPathRate)
    {
        _attentions = Child("attns", new ModuleList<Sequential>(Branch(spec, "attn", spec.Attention(index), dropPathRate), Branch(spec, "attn", spec.Attention(index), dropPathRate)));
        _mlps = Child("ffns", new ModuleList<Sequential>(Branch(spec, "mlp", spec.Mlp(), dropPathRate), Branch(spec, "mlp", spec.Mlp(), dropPathRate)));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x += _attentions.Modules[0].Forward(x) + _attentions.Modules[1].Forward(x);
        return x + (_mlps.Modules[0].Forward(x) + _mlps.Modules[1].Forward(x));
    }

    private static Sequential Branch(VitSpec spec, string name, Module module, float dropPathRate)
    {
        List<(string, Module)> parts = [("norm", spec.Norm(spec.Width)), (name, module)];
        if (spec.LayerScale is { } scale)
            parts.Add(("ls", new LayerScale(spec.Width, scale)));
        if (dropPathRate > 0)
            parts.Add(("drop_path", new DropPath(dropPathRate)));
        return new(parts);
    }
}

/// <summary>Differential attention over tokens [N, L, C] (Ye et al. 2024).</summary>
internal sealed class DifferentialAttention : Module
{
    private readonly int _heads;
    private readonly DifferentialScores _difference;
    private readonly Linear _qkv;
    private readonly Linear _proj;
    private readonly RmsNorm _subNorm;

    public DifferentialAttention(int width, int heads, int index, bool qkvBias)
    {
        _heads = heads;
        var headWidth = width / heads / 2;
        _difference = new(headWidth, index, (name, shape, initialiser) => Parameter(name, shape, initialiser));
        _qkv = Child("qkv", TokenLinear.Create(width, 3 * width, qkvBias));
        _proj = Child("proj", TokenLinear.Create(width, width));
        _subNorm = Child("sub_norm", new RmsNorm(2 * headWidth, 1e-5f));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var parts = _qkv.Forward(x).Chunk(3, 2);
        var y = _difference.Attend(Heads.Split(parts[0], 2 * _heads), Heads.Split(parts[1], 2 * _heads), Heads.Split(parts[2], _heads));
        return _proj.Forward((_subNorm.Forward(y) * _difference.Share).Join());
    }
}

/// <summary>
/// The difference of two attentions, the second weighted by exp(q₁·k₁) - exp(q₂·k₂) + λ of learned vectors, where λ grows with
/// depth from 0.2 towards 0.8.
/// </summary>
internal sealed class DifferentialScores
{
    private readonly float _initial;
    private readonly Tensor[] _vectors; // q1, k1, q2, k2

    public DifferentialScores(int headWidth, int index, Func<string, Shape, Initialiser, Tensor> parameter)
    {
        _initial = (float)(0.8 - (0.6 * Math.Exp(-0.3 * index)));
        _vectors = [.. new[] { "lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2" }.Select(n => parameter(n, [headWidth], Init.Normal(0.1f)))];
    }

    /// <summary>Factor of the normalised result.</summary>
    public float Share => 1 - _initial;

    /// <param name="q">Queries [N, 2 · heads, L, D], those of a head beside each other.</param>
    /// <param name="k">Keys, likewise.</param>
    /// <param name="v">Values [N, heads, L, 2 · D].</param>
    /// <returns>[N, heads, L, 2 · D].</returns>
    public Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        // The difference is taken before the values are weighted: half the work of two whole attentions.
        var scores = (q * (1 / MathF.Sqrt(q.Shape[3]))).MatMul(k, transposeB: true).Softmax();
        var (first, second) = Pairs(scores);
        var weight = (_vectors[0] * _vectors[1]).Sum().Exp() - (_vectors[2] * _vectors[3]).Sum().Exp() + _initial;
        return (first - (second * weight)).MatMul(v);
    }

    private static (Tensor First, Tensor Second) Pairs(Tensor x) => (x.Slice(1, 0, x.Shape[1], 2), x.Slice(1, 1, x.Shape[1], 2));
}
