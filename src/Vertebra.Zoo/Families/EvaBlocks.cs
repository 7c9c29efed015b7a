using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>Attention and MLP beside shortcuts, each normalised before, or after it.</summary>
internal sealed class EvaBlock : Module
{
    private readonly bool _isPostNorm;
    private readonly Tensor? _gamma1;
    private readonly Tensor? _gamma2;
    private readonly LayerNorm _norm1;
    private readonly Func<Tensor, Rotation?, Tensor> _attend;
    private readonly DropPath? _dropPath1;
    private readonly LayerNorm _norm2;
    private readonly Module _mlp;
    private readonly DropPath? _dropPath2;

    public EvaBlock(EvaSpec spec, float dropPathRate)
    {
        _isPostNorm = spec.IsPostNorm;
        if (spec.LayerScale is { } scale)
        {
            _gamma1 = Parameter("gamma_1", [spec.Width], Init.Constant(scale));
            _gamma2 = Parameter("gamma_2", [spec.Width], Init.Constant(scale));
        }
        (_norm1, _norm2, _mlp) = (spec.Norm(spec.Width), spec.Norm(spec.Width), spec.Mlp());
        if (!_isPostNorm)
            Child("norm1", _norm1);
        _attend = AddAttention(spec);
        if (_isPostNorm)
            Child("norm1", _norm1);
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        if (!_isPostNorm)
            Child("norm2", _norm2);
        Child("mlp", _mlp);
        if (_isPostNorm)
            Child("norm2", _norm2);
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    /// <summary>Tokens [N, L, C], of which queries and keys turn with their place.</summary>
    public Tensor Forward(Tensor x, Rotation? rotation) => Forward(() => Apply(x, rotation));

    protected override Tensor OnForward(Tensor x) => Apply(x, null);

    private Tensor Apply(Tensor x, Rotation? rotation)
    {
        var y = _isPostNorm ? _norm1.Forward(_attend(x, rotation)) : _attend(_norm1.Forward(x), rotation);
        y = _gamma1 is null ? y : y * _gamma1;
        x += _dropPath1?.Forward(y) ?? y;
        y = _isPostNorm ? _norm2.Forward(_mlp.Forward(x)) : _mlp.Forward(_norm2.Forward(x));
        y = _gamma2 is null ? y : y * _gamma2;
        return x + (_dropPath2?.Forward(y) ?? y);
    }

    private Func<Tensor, Rotation?, Tensor> AddAttention(EvaSpec spec)
    {
        if (spec.Projections is EvaProjections.Joint or EvaProjections.JointUnbiased)
        {
            var norm = spec.NormsAttention ? spec.Norm(spec.Width) : null;
            return Child("attn", new TokenAttention(spec.Width, spec.Heads, spec.Projections == EvaProjections.Joint, outNorm: norm)).Forward;
        }
        return Child("attn", new EvaAttention(spec)).Forward;
    }
}

/// <summary>Self-attention whose keys have no bias: their biases would add the same to all scores of a query.</summary>
internal sealed class EvaAttention : Module
{
    private readonly int _heads;
    private readonly Tensor? _qBias;
    private readonly Tensor? _kBias;
    private readonly Tensor? _vBias;
    private readonly Linear? _qkv;
    private readonly Linear? _q;
    private readonly Linear? _k;
    private readonly Linear? _v;
    private readonly LayerNorm? _norm;
    private readonly Linear _proj;

    public EvaAttention(EvaSpec spec)
    {
        _heads = spec.Heads;
        var width = spec.Width;
        if (spec.Projections == EvaProjections.Separate)
        {
            _q = Child("q_proj", TokenLinear.Create(width, width));
            _k = Child("k_proj", TokenLinear.Create(width, width, bias: false));
            _v = Child("v_proj", TokenLinear.Create(width, width));
        }
        else
        {
            _qBias = Parameter("q_bias", [width], Init.Zeros);
            _vBias = Parameter("v_bias", [width], Init.Zeros);
            _kBias = Buffer("k_bias", Construction.Zeros([width]), persistent: false);
            _qkv = Child("qkv", TokenLinear.Create(width, width * 3, bias: false));
        }
        _norm = spec.NormsAttention ? Child("norm", spec.Norm(width)) : null;
        _proj = Child("proj", TokenLinear.Create(width, width));
    }

    /// <summary>Attention of tokens [N, L, C] whose queries and keys turn with their place.</summary>
    public Tensor Forward(Tensor x, Rotation? rotation)
    {
        using var scope = Enter();
        return Attend(x, rotation);
    }

    protected override Tensor OnForward(Tensor x) => Attend(x, null);

    private Tensor Attend(Tensor x, Rotation? rotation)
    {
        var (q, k, v) = _qkv is null
            ? (Heads.Split(_q!.Forward(x), _heads), Heads.Split(_k!.Forward(x), _heads), Heads.Split(_v!.Forward(x), _heads))
            : Heads.Split3(x.Linear(_qkv.Weight, Tensor.Concat([_qBias!, _kBias!, _vBias!], 0)), _heads);
        if (rotation is not null)
            (q, k) = (rotation.Turn(q), rotation.Turn(k));
        x = q.Attention(k, v).Join();
        return _proj.Forward(_norm?.Forward(x) ?? x);
    }
}
