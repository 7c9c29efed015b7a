using Vertebra.Kernels;
using Vertebra.Ops;
using static Vertebra.Graphs.Pattern;

namespace Vertebra.Graphs;

/// <summary>
/// Rules for inference that let a convolution, a linear layer or a norm do what follows it while its results are in registers or
/// in the cache: add a residual, then apply an activation.
/// </summary>
public static class EpilogueRules
{
    /// <summary>A kernel as large as its image has one place: the convolution is a linear layer of all the image's numbers (VGG's first classifier).</summary>
    public static RewriteRule WholeImage { get; } = RewriteRule.Define("convolution of a whole image is linear", () =>
    {
        var (x, weight, bias) = (Any(), Constant(), Constant().Optional());
        var conv = Op<Conv2d>(x, weight, bias).Where(op => op is { Groups: 1, DilationH: 1, DilationW: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 });
        return (conv, (m, write) =>
        {
            var (image, kernel) = (m[x].Shape, m[weight].Shape);
            if (kernel[2] != image[1] || kernel[3] != image[2] || kernel[2] * kernel[3] == 1)
                return null;
            // The image is put in the order of the weights, not they in its: they are many, and as they lie need no copy.
            var matrix = write.Constant(m[weight].Name, m[weight].Data!.Reshape([kernel[0], -1]));
            var numbers = write.Apply(new Reshape([image[0], kernel[1] * kernel[2] * kernel[3]]), write.Apply(new Permute([0, 3, 1, 2]), m[x]));
            var sums = m.Find(bias) is { } shift ? write.Apply(new Linear(), numbers, matrix, shift) : write.Apply(new Linear(), numbers, matrix);
            return write.Apply(new Reshape([image[0], 1, 1, kernel[0]]), sums);
        });
    });

    /// <summary>A convolution with constant weights, ready to take over what follows.</summary>
    public static RewriteRule Convolution { get; } = RewriteRule.Define("convolution with an epilogue", () =>
    {
        var conv = Op<Conv2d>(Any(), Constant(), Any().Optional());
        return (conv, (m, write) => write.Apply(new FusedConv2d(m.Op(conv)), m[conv].Inputs));
    });

    /// <summary>A linear layer with constant weights, ready to take over what follows.</summary>
    public static RewriteRule Linear { get; } = RewriteRule.Define("linear layer with an epilogue", () =>
    {
        var linear = Op<Linear>(Any(), Constant(), Any().Optional());
        return (linear, (m, write) => write.Apply(new FusedLinear(null, false), m[linear].Inputs));
    });

    /// <summary>Convolution, then addition of something of the same shape.</summary>
    public static RewriteRule ConvolutionResidual { get; } =
        Residual<FusedConv2d>("residual into convolution", static op => op is { Activation: null, AddsResidual: false }, static op => op with { AddsResidual = true });

    /// <summary>Linear layer, then addition of something of the same shape.</summary>
    public static RewriteRule LinearResidual { get; } =
        Residual<FusedLinear>("residual into linear", static op => op is { Activation: null, AddsResidual: false }, static op => op with { AddsResidual = true });

    /// <summary>Batch norm, then addition of something of the same shape.</summary>
    public static RewriteRule BatchNormResidual { get; } =
        Residual<BatchNorm>("residual into batch norm", static op => op is { Activation: Activation.None, AddsResidual: false }, static op => op with { AddsResidual = true });

    /// <summary>Convolution, then an activation.</summary>
    public static RewriteRule ConvolutionActivation { get; } =
        Activated<FusedConv2d>("activation into convolution", static op => op.Activation is null, static (op, activation) => op with { Activation = activation });

    /// <summary>Linear layer, then an activation.</summary>
    public static RewriteRule LinearActivation { get; } =
        Activated<FusedLinear>("activation into linear", static op => op.Activation is null, static (op, activation) => op with { Activation = activation });

    /// <summary>Batch norm, then ReLU or ReLU6.</summary>
    public static RewriteRule BatchNormActivation { get; } = Activated<BatchNorm>("activation into batch norm", static op => op.Activation == Activation.None,
        static (op, activation) => Limit(activation) is { } limit ? op with { Activation = limit } : null);

    /// <summary>Group norm, then ReLU or ReLU6.</summary>
    public static RewriteRule GroupNormActivation { get; } = Activated<GroupNorm>("activation into group norm", static op => op.Activation == Activation.None,
        static (op, activation) => Limit(activation) is { } limit ? op with { Activation = limit } : null);

    /// <summary>All rules of this class.</summary>
    public static IReadOnlyList<RewriteRule> All { get; } =
    [
        WholeImage, Convolution, Linear, ConvolutionResidual, LinearResidual, BatchNormResidual, ConvolutionActivation, LinearActivation, BatchNormActivation, GroupNormActivation,
    ];

    private static RewriteRule Residual<TOp>(string name, Func<TOp, bool> isOpen, Func<TOp, TOp> close) where TOp : Op => RewriteRule.Define(name, () =>
    {
        var (layer, residual) = (Layer<TOp>().Where(isOpen), Any());
        return (Op<Add>(layer, residual), (m, write) => m[residual].Spec != m[layer].Outputs[0].Spec ? null
            : write.Apply(close(m.Op(layer)), [.. m[layer].Inputs, m[residual]]));
    });

    private static RewriteRule Activated<TOp>(string name, Func<TOp, bool> isOpen, Func<TOp, ActivationOp, TOp?> close) where TOp : Op => RewriteRule.Define(name, () =>
    {
        var layer = Layer<TOp>().Where(isOpen);
        var activation = Op<ActivationOp>(layer);
        return (activation, (m, write) => close(m.Op(layer), m.Op(activation)) is { } op ? write.Apply(op, m[layer].Inputs) : null);
    });

    // Whatever operands it has.
    private static OpPattern<TOp> Layer<TOp>() where TOp : Op =>
        Op<TOp>(Any(), Any().Optional(), Any().Optional(), Any().Optional(), Any().Optional(), Any().Optional());

    private static Activation? Limit(ActivationOp activation) => activation switch
    {
        Relu => Activation.Relu,
        Relu6 => Activation.Relu6,
        _ => null,
    };
}
