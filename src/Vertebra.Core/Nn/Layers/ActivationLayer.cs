using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>The elementwise non-linearities that networks name.</summary>
public enum ActivationKind
{
    /// <summary>The value itself.</summary>
    Identity,
    Relu,
}

/// <summary>Names of <see cref="ActivationKind"/> and their functions.</summary>
public static class Activations
{
    private static readonly (string Name, ActivationKind Kind)[] s_names =
    [
        ("identity", ActivationKind.Identity), ("relu", ActivationKind.Relu),
    ];

    /// <summary>The activation of a name, as timm spells it: <c>relu</c> ...</summary>
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
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <summary>True when the derivative is continuous: where it is not, rounding near a kink moves whole gradient entries.</summary>
    public static bool IsSmooth(this ActivationKind kind) => kind is ActivationKind.Identity;
}

/// <summary>An activation as a module.</summary>
public sealed class ActivationLayer(ActivationKind kind) : Module
{
    public ActivationKind Kind { get; } = kind;

    protected override Tensor OnForward(Tensor x) => x.Activate(Kind);
}
