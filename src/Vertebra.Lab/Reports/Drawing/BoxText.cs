using System.Globalization;
using Vertebra.Graphs;
using Vertebra.Graphs.Drawing;
using Vertebra.Ops;

namespace Vertebra.Lab.Reports.Drawing;

/// <summary>What stands in the boxes of a drawing and beside its wires.</summary>
internal sealed class BoxText(IReadOnlyDictionary<string, string> moduleTypes)
{
    /// <summary>The second line of a box: the op with its attributes, or what a module consists of.</summary>
    public string Detail(DrawnPart part) => part.Parts.Count > 0 ? DescribeModule(part)
        : Describe(part.Nodes[0].Node) is var text && text == part.Name ? "" : text;

    /// <summary>A shape as people write it: 56×56×256, without the batch of one.</summary>
    public static string Sizes(Shape shape)
    {
        var sizes = shape.Rank > 1 && shape[0] == 1 ? shape.Skip(1) : shape;
        return shape.Rank == 0 ? "scalar" : string.Join('×', sizes);
    }

    private string DescribeModule(DrawnPart part)
    {
        var own = moduleTypes.GetValueOrDefault(part.Path, "");
        var kinds = part.Parts.Where(p => p.Parts.Count > 0).Select(p => moduleTypes.GetValueOrDefault(p.Path, "")).Distinct().ToArray();
        var repeated = kinds.Length == 1 && kinds[0].Length > 0 && part.Parts.Count > 1 && part.Parts.All(p => p.Parts.Count > 0)
            ? string.Create(CultureInfo.InvariantCulture, $"{part.Parts.Count} × {kinds[0]}") : "";
        return repeated.Length > 0 ? repeated : own.Length > 0 ? own : string.Create(CultureInfo.InvariantCulture, $"{part.Nodes.Count} ops");
    }

    private static string Describe(Node node)
    {
        var inputs = node.Inputs;
        return node.Op switch
        {
            Conv2d op => $"conv {inputs[1].Shape[2]}×{inputs[1].Shape[3]}{Stride(op)}{Dilation(op)}{Groups(op, inputs)}, {inputs[0].Shape[-1]}→{inputs[1].Shape[0]}",
            PerImageConv2d op => $"conv per image {inputs[1].Shape[3]}×{inputs[1].Shape[4]}{Stride(op)}{Dilation(op)}, {inputs[0].Shape[-1]}→{inputs[1].Shape[1]}",
            ConvTranspose2d op => $"conv transposed {inputs[1].Shape[2]}×{inputs[1].Shape[3]}{Stride(op)}, {inputs[0].Shape[-1]}→{node.Outputs[0].Shape[-1]}",
            MaxPool2d op => $"max pool {op.KernelH}×{op.KernelW}{Stride(op)}",
            AvgPool2d op => $"average pool {op.KernelH}×{op.KernelW}{Stride(op)}",
            Linear => $"linear {inputs[0].Shape[-1]}→{node.Outputs[0].Shape[-1]}",
            Attention when inputs[0].Shape.Rank == 4 => $"attention, {inputs[0].Shape[1]} heads",
            Mean { Axes.Count: > 1 } => "mean over positions",
            _ => node.Op.Name,
        };
    }

    private static string Stride(SlidingWindowOp op) => op.StrideH == op.StrideW ? op.StrideH == 1 ? "" : $" /{op.StrideH}" : $" /{op.StrideH}×{op.StrideW}";

    private static string Dilation(ConvolutionOp op) => op is { DilationH: 1, DilationW: 1 } ? "" : $" dilated {op.DilationH}";

    private static string Groups(Conv2d op, IReadOnlyList<Value> inputs) =>
        op.Groups == 1 ? "" : op.Groups == inputs[0].Shape[-1] ? " depthwise" : $" {op.Groups} groups";
}
