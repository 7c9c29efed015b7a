using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>The elementwise non-linearities that networks name.</summary>
public enum ActivationKind
{
    /// <summary>The value itself.</summary>
    Identity,
    Relu,
    Relu6,

    /// <summary>Slope 0.01 below zero.</summary>
    LeakyRelu,

    /// <summary>Slope 0.001 below zero.</summary>
    LeakyReluThousandth,

    /// <summary>Exact: x · Φ(x).</summary>
    Gelu,

    /// <summary>The tanh approximation.</summary>
    GeluTanh,

    /// <summary>The approximation x · sigmoid(1.702 · x).</summary>
    QuickGelu,

    /// <summary>x · sigmoid(x), also called swish.</summary>
    Silu,
    HardSwish,
    HardSigmoid,
    Sigmoid,
    Tanh,
    Softplus,
    Mish,

    /// <summary>α = 1.</summary>
    Elu,
}

/// <summary>Names of <see cref="ActivationKind"/> and their functions.</summary>
public static class Activations
{
    private static readonly (string Name, ActivationKind Kind)[] s_names =
    [
        ("identity", ActivationKind.Identity), ("relu", ActivationKind.Relu), ("relu6", ActivationKind.Relu6), ("leaky_relu", ActivationKind.LeakyRelu), ("leaky_relu_0.001", ActivationKind.LeakyReluThousandth),
        ("gelu", ActivationKind.Gelu), ("gelu_tanh", ActivationKind.GeluTanh), ("quick_gelu", ActivationKind.QuickGelu), ("silu", ActivationKind.Silu), ("swish", ActivationKind.Silu),
        ("hard_swish", ActivationKind.HardSwish), ("hard_sigmoid", ActivationKind.HardSigmoid), ("sigmoid", ActivationKind.Sigmoid),
        ("tanh", ActivationKind.Tanh), ("softplus", ActivationKind.Softplus), ("mish", ActivationKind.Mish), ("elu", ActivationKind.Elu),
    ];

    /// <summary>The activation of a name, as timm spells it: <c>relu</c>, <c>gelu_tanh</c>, <c>hard_swish</c> ...</summary>
    /// <exception cref="VertebraException">There is none; the message lists the names.</exception>
    public static ActivationKind Parse(string name)
    {
        foreach (var entry in s_names)
        {
            if (entry.Name == name)
                return entry.Kind;
        }
        throw new VertebraException($"no activation is named '{name}'; there are {string.Join(", ", s_names.Select(n => n.Name))}");
    }

    /// <summary>Applies an activation to every element.</summary>
    public static Tensor Activate(this Tensor x, ActivationKind kind) => kind switch
    {
        ActivationKind.Identity => x,
        ActivationKind.Relu => x.Relu(),
        ActivationKind.Relu6 => x.Relu6(),
        ActivationKind.LeakyRelu => x.LeakyRelu(0.01f),
        ActivationKind.LeakyReluThousandth => x.LeakyRelu(0.001f),
        ActivationKind.Gelu => x.Gelu(),
        ActivationKind.GeluTanh => x.Gelu(approximate: true),
        ActivationKind.QuickGelu => x * (x * 1.702f).Sigmoid(),
        ActivationKind.Silu => x.Silu(),
        ActivationKind.HardSwish => x.HardSwish(),
        ActivationKind.HardSigmoid => x.HardSigmoid(),
        ActivationKind.Sigmoid => x.Sigmoid(),
        ActivationKind.Tanh => x.Tanh(),
        ActivationKind.Softplus => x.Softplus(),
        ActivationKind.Mish => x.Mish(),
        ActivationKind.Elu => x.Elu(1),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <summary>True when the derivative is continuous: where it is not, rounding near a kink moves whole gradient entries.</summary>
    public static bool IsSmooth(this ActivationKind kind) => kind is ActivationKind.Identity or ActivationKind.Gelu or ActivationKind.GeluTanh or ActivationKind.QuickGelu
        or ActivationKind.Silu or ActivationKind.Sigmoid or ActivationKind.Tanh or ActivationKind.Softplus or ActivationKind.Mish or ActivationKind.Elu;
}

/// <summary>An activation as a module.</summary>
public sealed class ActivationLayer(ActivationKind kind) : Module
{
    /// <summary>Which; another one takes its place only to compare gradients with those of the same network without kinks.</summary>
    public ActivationKind Kind { get; internal set; } = kind;

    protected override Tensor OnForward(Tensor x) => x.Activate(Kind);
}
