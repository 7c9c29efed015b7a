using Vertebra.Ops;

namespace Vertebra.Graphs.Profiling;

/// <summary>
/// The receptive field of every value of a graph, exactly, by following windows (kernel, stride, padding, dilation), reshapes and
/// permutations from the input; where paths meet, their fields are united. Global pooling, attention and products over positions
/// see everything. Statistics that normalisers take over an image (group norm) are left out, as is usual: with them every
/// field would be the whole image. Arithmetic of fields: Araujo, Norris and Sim, "Computing receptive fields of
/// convolutional neural networks", Distill 2019.
/// </summary>
public sealed class ReceptiveFields
{
    private readonly Dictionary<Value, FieldState> _states = new(ReferenceEqualityComparer.Instance);

    private ReceptiveFields() { }

    /// <summary>Follows the first input of rank 4, an image [N, H, W, C].</summary>
    public static ReceptiveFields Of(Graph graph)
    {
        var fields = new ReceptiveFields();
        if (graph.Inputs.FirstOrDefault(v => v.Shape.Rank == 4) is { } image)
            fields._states[image] = FieldState.Image();
        foreach (var node in graph.Nodes)
            fields.Visit(node);
        return fields;
    }

    /// <summary>The field of a value; null when it does not depend on the image.</summary>
    public ReceptiveField? this[Value value] => _states.TryGetValue(value, out var state) ? new(state.Rows, state.Columns) : null;

    private void Visit(Node node)
    {
        var states = node.Inputs.Select(v => _states.GetValueOrDefault(v)).ToArray();
        if (states.All(s => s is null))
            return;
        for (var i = 0; i < node.Outputs.Count; i++)
        {
            var state = After(node, states, i);
            // A rule that gives another rank than the value has does not know this case: better to say nothing.
            _states[node.Outputs[i]] = state.Axes.Length == node.Outputs[i].Shape.Rank ? state : FieldState.Unknown(node.Outputs[i].Shape.Rank);
        }
    }

    private static FieldState After(Node node, FieldState?[] states, int output) => states[0] is { } x
        ? AfterFirst(node, states, x, output)
        : node.Op switch
        {
            MatMul product => FieldRules.Product(product, node, states),
            Attention => FieldRules.Attend(node, states, output),
            _ when FieldRules.IsElementwise(node.Op) => FieldRules.Broadcast(node, states),
            Concat => FieldRules.Join(node, states),
            _ => FieldState.Unknown(node.Outputs[output].Shape.Rank),
        };

    private static FieldState AfterFirst(Node node, FieldState?[] states, FieldState x, int output)
    {
        var (before, after) = (node.Inputs[0].Shape, node.Outputs[output].Shape);
        return node.Op switch
        {
            Conv2d op => FieldRules.Slide(x, op, node.Inputs[1].Shape[2], node.Inputs[1].Shape[3], op.DilationH, op.DilationW),
            FusedConv2d op => WithResidual(node, states, FieldRules.Slide(x, op, node.Inputs[1].Shape[2], node.Inputs[1].Shape[3], op.DilationH, op.DilationW), op.AddsResidual),
            InvertedResidual op => WithResidual(node, states, FieldRules.Slide(x, op, node.Inputs[op.Weight].Shape[2], node.Inputs[op.Weight].Shape[3], op.DilationH, op.DilationW), op.AddsResidual),
            PerImageConv2d op => FieldRules.Slide(x, op, node.Inputs[1].Shape[3], node.Inputs[1].Shape[4], op.DilationH, op.DilationW),
            ConvTranspose2d op => FieldRules.SlideTransposed(x, op, node.Inputs[1].Shape[2], node.Inputs[1].Shape[3]),
            Pool2d op => FieldRules.Slide(x, op, op.KernelH, op.KernelW, op.DilationH, op.DilationW),
            AdaptiveAvgPool2d or AdaptiveMaxPool2d => FieldRules.Adapt(x, before, after),
            Interpolate op => FieldRules.Resample(x, op, before),
            ViewOp => x.WithAxes(FieldRules.Regroup(x.Axes, before, after)),
            Permute op => x.WithAxes(op.Order.Select(a => x.Axes[a])),
            Expand => x.WithAxes([.. new ImageAxis[after.Rank - before.Rank], .. x.Axes]),
            Slice op => x.Window(Positive(op.Axis, before), op.Step, op.Start, op.Start),
            Split op => SplitAt(x, op, Positive(op.Axis, before), output),
            Pad op => Enumerable.Range(0, before.Rank).Aggregate(x, (s, a) => s.Window(a, 1, -op.Before[a], -op.Before[a])),
            Reduction { Axes.Count: 0 } op => FieldRules.Reduce(x, [.. Enumerable.Range(0, before.Rank)], op.KeepAxes),
            Reduction op => FieldRules.Reduce(x, [.. op.Axes.Select(a => Positive(a, before))], op.KeepAxes),
            ArgMax op => FieldRules.Reduce(x, [Positive(op.Axis, before)], keepAxes: false),
            Softmax op => x.Mix([Positive(op.Axis, before)]),
            LogSoftmax op => x.Mix([Positive(op.Axis, before)]),
            Roll op => x.Mix(op.Axes.Select(a => Positive(a, before))),
            CumSum op => x.Mix([Positive(op.Axis, before)]),
            LayerNorm op => x.Mix(Enumerable.Range(before.Rank - op.Axes, op.Axes)),
            Linear => FieldRules.Project(x),
            FusedLinear op => WithResidual(node, states, FieldRules.Project(x), op.AddsResidual),
            MatMul op => FieldRules.Product(op, node, states),
            Attention => FieldRules.Attend(node, states, output),
            Concat => FieldRules.Join(node, states),
            BatchNorm or BatchNormTraining or GroupNorm when output == 0 => FieldRules.Broadcast(node, states),
            _ when FieldRules.IsElementwise(node.Op) => FieldRules.Broadcast(node, states),
            _ => FieldState.Unknown(after.Rank),
        };
    }

    private static FieldState WithResidual(Node node, FieldState?[] states, FieldState sums, bool addsResidual) =>
        addsResidual ? FieldRules.Join(node, [sums, states[^1]]) : sums;

    private static FieldState SplitAt(FieldState x, Split op, int axis, int output)
    {
        var start = op.Sizes.Take(output).Sum();
        return x.Window(axis, 1, start, start);
    }

    private static int Positive(int axis, Shape shape) => axis < 0 ? axis + shape.Rank : axis;
}
