using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Graphs.Profiling;

/// <summary>How a node of a compiled graph is computed.</summary>
/// <param name="Text">The op with its sizes, for people: <c>conv 3x3 64>64 + Relu</c>.</param>
/// <param name="Method">What computes it: <c>direct</c>, <c>Winograd F(4x4)</c>, <c>matrix product</c> ...; the op's name where there is one way only.</param>
/// <param name="Level">Instruction level of its inner loops.</param>
/// <param name="Parts">The most parts that it cuts its work into; with fewer parts than threads some have nothing to do.</param>
/// <param name="Choice">Where there are several methods, how this one was found: <c>tuned</c> (measured on this machine) or <c>estimated</c>; else null.</param>
public sealed record NodeKernel(string Text, string Method, SimdLevel Level, int Parts, string? Choice = null);

/// <summary>A compiled graph, node by node: what was chosen for each, how long it takes in the compiled plan, and what the machine could do.</summary>
public sealed class CompiledProfile
{
    private CompiledProfile(Roofline roofline, NodeKernel?[] kernels) => (Roofline, Kernels) = (roofline, kernels);

    /// <summary>
    /// Costs and times of the nodes under the ceilings of this machine. Multiply-accumulates are those of the definition: a method
    /// that does less arithmetic may stand above the ceiling.
    /// </summary>
    public Roofline Roofline { get; }

    /// <summary>How each node is computed, in the order of the graph's nodes; null for views, which are not computed.</summary>
    public IReadOnlyList<NodeKernel?> Kernels { get; }

    /// <summary>Share of the measured time that the ceilings alone would take, node by node: how close to the roofline the network runs.</summary>
    public double Fraction => Roofline.LeastMilliseconds / Roofline.Profile.TotalMilliseconds!.Value;

    /// <summary>Measures nodes and, where that was not done yet, the machine.</summary>
    /// <param name="compiled">The graph.</param>
    /// <param name="inputs">Of the traced shapes.</param>
    public static CompiledProfile Measure(CompiledGraph compiled, params Tensor[] inputs)
    {
        var kernels = new NodeKernel?[compiled.Graph.Nodes.Count];
        var watch = new WorkWatch();
        Workers.Watch = watch;
        try
        {
            compiled.Run(inputs, index =>
            {
                var parts = watch.TakeParts();
                if (index >= 0)
                    kernels[index] = KernelOf(compiled.Graph.Nodes[index], compiled.Options, parts);
            });
        }
        finally
        {
            Workers.Watch = null;
        }
        return new(new Roofline(GraphProfile.Measure(compiled, inputs), MachineSpeed.Measure()), kernels);
    }

    private static NodeKernel KernelOf(Node node, CompileOptions options, int parts)
    {
        switch (node.Op)
        {
            case FusedConv2d op:
                var sizes = op.SizesFor(node.Inputs[0].Shape, node.Inputs[1].Shape);
                return new(TextOf(sizes) + Epilogue(op.Activation, op.AddsResidual), ConvNames.Of(sizes, op.Method), ConvPacking.LevelFor(sizes.IsDepthwise ? sizes.C : sizes.GroupOC), parts, ChoiceOf(op.ProblemFor(node.Inputs[0].Shape, node.Inputs[1].Shape), options));
            case InvertedResidual op:
                return new(TextOf(op, node.Inputs[0].Shape, node.Inputs[op.Weight].Shape, node.Outputs[0].Shape), "rows in the cache", Simd.Level, parts);
            case FusedLinear op:
                var weight = node.Inputs[1].Shape;
                return new($"linear {weight[1]}>{weight[0]}" + Epilogue(op.Activation, op.AddsResidual), FusedLinear.ReadsStored(node.Inputs[0].Shape) ? "dot products" : "matrix product", Simd.Level, parts);
            default:
                return new(node.Op.Name, node.Op.Name, Simd.Level, parts);
        }
    }

    private static string? ChoiceOf(in ConvProblem problem, CompileOptions options) =>
        !options.Winograd || !ConvMethods.HasWinograd(problem.Shape) ? null
        : options.UsesTuned && ConvChoice.Tuned(problem) is not null ? "tuned" : "estimated";

    private static string TextOf(in ConvShape sizes)
    {
        var stride = (sizes.StrideH, sizes.StrideW) is (1, 1) ? "" : sizes.StrideH == sizes.StrideW ? $"/{sizes.StrideH}" : $"/{sizes.StrideH}x{sizes.StrideW}";
        var dilation = (sizes.DilationH, sizes.DilationW) is (1, 1) ? "" : $" dilated {sizes.DilationH}x{sizes.DilationW}";
        var channels = sizes.IsDepthwise && sizes.C == sizes.OC ? $"{sizes.C} depthwise" : sizes.Groups == 1 ? $"{sizes.C}>{sizes.OC}" : $"{sizes.C}>{sizes.OC} in {sizes.Groups} groups";
        return $"conv {sizes.KH}x{sizes.KW}{stride}{dilation} {channels}";
    }

    private static string TextOf(InvertedResidual op, Shape x, Shape weight, Shape y)
    {
        var expansion = op.Expands ? $"{x[3]}>{weight[0]}{Epilogue(op.Inner, false)}, " : "";
        var depthwise = TextOf(op.SizesOf(x, weight))["conv ".Length..] + Epilogue(op.Middle, false);
        return $"block {expansion}{depthwise}{(op.Projects ? $", {weight[0]}>{y[3]}{Epilogue(op.Activation, op.AddsResidual)}" : "")}";
    }

    private static string Epilogue(ActivationOp? activation, bool addsResidual) =>
        (addsResidual ? " + res" : "") + (activation is null ? "" : $" + {activation.Name}");
}
