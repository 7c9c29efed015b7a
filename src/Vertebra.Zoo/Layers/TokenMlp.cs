namespace Vertebra.Zoo.Layers;

/// <summary>Linear layers as transformers start them: truncated normal weights of deviation 0.02, zero biases.</summary>
internal static class TokenLinear
{
    public static Linear Create(int inFeatures, int outFeatures, bool bias = true) =>
        new(inFeatures, outFeatures, bias, Init.TruncatedNormal(0.02f), Init.Zeros);

    /// <summary>The classifier of a family, or nothing for no classes.</summary>
    public static Module Classifier(int features, int numClasses) => numClasses == 0 ? new Identity() : Create(features, numClasses);
}

/// <summary>
/// Two linear layers <c>fc1</c> and <c>fc2</c> with an activation between them, over the last axis of tokens [N, L, C] or maps
/// [N, H, W, C] (timm's Mlp).
/// </summary>
public sealed class TokenMlp : Module
{
    private readonly Module _fc1;
    private readonly ActivationLayer _act;
    private readonly Module? _norm;
    private readonly Module _fc2;

    /// <param name="features">Channels that come in.</param>
    /// <param name="hidden">Channels between the layers.</param>
    /// <param name="outFeatures">Channels that go out; as many as come in if null.</param>
    /// <param name="activation">Between the layers.</param>
    /// <param name="norm">Normalises the hidden channels; child <c>norm</c>.</param>
    /// <param name="bias">Whether the layers have biases.</param>
    /// <param name="useConv">1x1 convolutions, with weights [O, I, 1, 1], in place of linear layers; the input must be a map then.</param>
    public TokenMlp(
        int features, int hidden, int? outFeatures = null, ActivationKind activation = ActivationKind.Gelu, Module? norm = null, bool bias = true, bool useConv = false)
    {
        _fc1 = Child("fc1", Layer(features, hidden, bias, useConv));
        _act = Child("act", new ActivationLayer(activation));
        _norm = norm is null ? null : Child("norm", norm);
        _fc2 = Child("fc2", Layer(hidden, outFeatures ?? features, bias, useConv));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _act.Forward(_fc1.Forward(x));
        return _fc2.Forward(_norm?.Forward(x) ?? x);
    }

    private static Module Layer(int from, int to, bool bias, bool useConv) => useConv
        ? new Conv2d(from, to, 1, bias: bias, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros)
        : TokenLinear.Create(from, to, bias);
}

/// <summary>
/// A gated MLP (Shazeer 2020): one half of <c>fc1</c>'s results, activated, scales the other half before <c>fc2</c> (timm's GluMlp).
/// </summary>
public sealed class GluMlp : Module
{
    private readonly bool _gateLast;
    private readonly Linear _fc1;
    private readonly ActivationLayer _act;
    private readonly Module? _norm;
    private readonly Linear _fc2;

    /// <param name="features">Channels that come in and go out.</param>
    /// <param name="hidden">Results of the first layer, an even number: half of them are the gate.</param>
    /// <param name="activation">Of the gate.</param>
    /// <param name="gateLast">Whether the second half is the gate, or the first.</param>
    /// <param name="norm">Normalises the hidden / 2 channels before the second layer; child <c>norm</c>.</param>
    /// <param name="bias">Whether the layers have biases.</param>
    public GluMlp(int features, int hidden, ActivationKind activation = ActivationKind.Silu, bool gateLast = false, Module? norm = null, bool bias = true)
    {
        _gateLast = gateLast;
        _fc1 = Child("fc1", TokenLinear.Create(features, hidden, bias));
        _act = Child("act", new ActivationLayer(activation));
        _norm = norm is null ? null : Child("norm", norm);
        _fc2 = Child("fc2", TokenLinear.Create(hidden / 2, features, bias));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var halves = _fc1.Forward(x).Chunk(2, -1);
        x = _gateLast ? halves[0] * _act.Forward(halves[1]) : _act.Forward(halves[0]) * halves[1];
        return _fc2.Forward(_norm?.Forward(x) ?? x);
    }
}

/// <summary>A gated MLP with the gate in a layer of its own: silu(<c>fc1_g</c>) · <c>fc1_x</c>, then <c>fc2</c> (timm's SwiGLU).</summary>
public sealed class SwiGlu : Module
{
    private readonly Linear _gate;
    private readonly Linear _value;
    private readonly ActivationLayer _act;
    private readonly Module? _norm;
    private readonly Linear _fc2;

    /// <param name="features">Channels that come in and go out.</param>
    /// <param name="hidden">Channels between the layers.</param>
    /// <param name="norm">Normalises them; child <c>norm</c>.</param>
    /// <param name="bias">Whether the layers have biases.</param>
    public SwiGlu(int features, int hidden, Module? norm = null, bool bias = true)
    {
        _gate = Child("fc1_g", TokenLinear.Create(features, hidden, bias));
        _value = Child("fc1_x", TokenLinear.Create(features, hidden, bias));
        _act = Child("act", new ActivationLayer(ActivationKind.Silu));
        _norm = norm is null ? null : Child("norm", norm);
        _fc2 = Child("fc2", TokenLinear.Create(hidden, features, bias));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _act.Forward(_gate.Forward(x)) * _value.Forward(x);
        return _fc2.Forward(_norm?.Forward(y) ?? y);
    }
}
