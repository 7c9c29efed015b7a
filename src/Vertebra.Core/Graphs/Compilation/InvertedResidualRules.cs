using Vertebra.Kernels;
using Vertebra.Ops;
using static Vertebra.Graphs.Pattern;

namespace Vertebra.Graphs;

/// <summary>
/// Rules for the end of compilation, when convolutions have taken over what follows them: a depthwise convolution and the pointwise ones
/// before and after it become one <see cref="InvertedResidual"/> where that is faster.
/// </summary>
public static class InvertedResidualRules
{
    /// <summary>A depthwise convolution that only a pointwise one reads.</summary>
    public static RewriteRule Projection { get; } = RewriteRule.Define("projection into depthwise convolution", () =>
    {
        var depthwise = Op<FusedConv2d>(Any(), Constant(), Constant()).Where(IsDepthwise);
        var projection = Op<FusedConv2d>(depthwise, Constant(), Constant(), Any().Optional()).Where(IsPointwise);
        return (projection, (m, write) =>
        {
            var (middle, last) = (m.Op(depthwise), m.Op(projection));
            if (!HasOneFilterEach(m[depthwise]) || !IsPointwise(m[projection]) || !DepthwiseConv.ChainPays(SizesOf(m[depthwise])))
                return null;
            return write.Apply(Of(middle) with { Projects = true, AddsResidual = last.AddsResidual, Activation = last.Activation }, [.. m[depthwise].Inputs, .. m[projection].Inputs.Skip(1)]);
        });
    });

    /// <summary>A pointwise convolution that only a depthwise one reads, which is followed by a projection.</summary>
    public static RewriteRule ExpansionOfProjected { get; } = Expansion<InvertedResidual>("expansion into projected depthwise convolution", static op => !op.Expands, static op => op);

    /// <summary>A pointwise convolution that only a depthwise one reads.</summary>
    public static RewriteRule ExpansionOfDepthwise { get; } = Expansion<FusedConv2d>("expansion into depthwise convolution", IsDepthwise, Of);

    /// <summary>All rules of this class.</summary>
    public static IReadOnlyList<RewriteRule> All { get; } = [Projection, ExpansionOfProjected, ExpansionOfDepthwise];

    private static RewriteRule Expansion<TOp>(string name, Func<TOp, bool> isOpen, Func<TOp, InvertedResidual> of) where TOp : Op => RewriteRule.Define(name, () =>
    {
        var expansion = Op<FusedConv2d>(Any(), Constant(), Constant()).Where(IsPointwise);
        var rest = Op<TOp>(expansion, Constant(), Constant(), Any().Optional(), Any().Optional(), Any().Optional()).Where(isOpen);
        return (rest, (m, write) =>
        {
            if (!IsPointwise(m[expansion]) || !HasOneFilterEach(m[rest]) || !DepthwiseConv.ChainPays(SizesOf(m[rest])))
                return null;
            return write.Apply(of(m.Op(rest)) with { Expands = true, Inner = m.Op(expansion).Activation }, [.. m[expansion].Inputs, .. m[rest].Inputs.Skip(1)]);
        });
    });

    private static InvertedResidual Of(FusedConv2d depthwise) => new(false, false, false, null, depthwise.Activation, null)
    {
        Stride = depthwise.Stride, Padding = depthwise.Padding, Dilation = depthwise.Dilation, Groups = depthwise.Groups,
    };

    private static ConvShape SizesOf(Node depthwise) => ((ConvolutionOp)depthwise.Op).SizesFor(depthwise.Inputs[0].Shape, depthwise.Inputs[1].Shape);

    private static bool IsDepthwise(FusedConv2d op) => op is { AddsResidual: false, Groups: > 1 };

    private static bool HasOneFilterEach(Node depthwise) => depthwise.Inputs[1].Shape[0] == ((ConvolutionOp)depthwise.Op).Groups && depthwise.Inputs[1].Shape[1] == 1;

    private static bool IsPointwise(FusedConv2d op) => op is { StrideH: 1, StrideW: 1, Groups: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 };

    private static bool IsPointwise(Node node) => node.Inputs[1].Shape[2] == 1 && node.Inputs[1].Shape[3] == 1;
}
