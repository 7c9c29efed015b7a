using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Graphs.Profiling;

/// <summary>A choice between kernels that a network makes, and that can be measured.</summary>
/// <param name="Text">What is to be computed, as it stands in the file of tuned choices.</param>
/// <param name="Estimated">The way that is taken without measuring.</param>
/// <param name="Measure">Measures all ways with <see cref="Workers.Count"/> threads, for a tenth of a second or so.</param>
public sealed record TuningProblem(string Text, string Estimated, Func<TunedChoice> Measure);

/// <summary>
/// Finds the choices that kernels make in a network, for <see cref="Tuning"/>. A kernel that has a choice gives its problem a text that
/// says all sizes, asks <see cref="Tuning"/> for that before it estimates, and is listed here with a way to measure it.
/// </summary>
public static class KernelTuner
{
    /// <summary>The choices in a network, each once.</summary>
    /// <param name="graph">Its traced graph; the weights may be meta.</param>
    /// <param name="inference">Those of the compiled graph.</param>
    /// <param name="training">Those of forward passes in training and of gradients.</param>
    public static IReadOnlyList<TuningProblem> ProblemsOf(Graph graph, bool inference, bool training)
    {
        var problems = new HashSet<ConvProblem>();
        if (inference)
        {
            // Compiling moves padding into convolutions.
            foreach (var (_, sizes) in Convolutions(graph.Rewrite([FoldingRules.PadConvolution])))
                problems.Add(new(sizes, ConvUse.Forward, Packs: false));
        }
        if (training)
        {
            foreach (var (node, sizes) in Convolutions(graph))
            {
                problems.Add(new(sizes, ConvUse.Forward, Packs: true));
                if (!graph.Inputs.Contains(node.Inputs[0])) // images need no gradient
                    problems.Add(new(sizes, ConvUse.InputGradient, Packs: true));
            }
        }
        return [.. problems.Where(p => ConvMethods.HasWinograd(p.Shape)).Select(p =>
            new TuningProblem(p.Text, ConvMethods.Fastest(p.Shape, p.Use, p.Packs).ToString(), () => ConvTuner.Measure(p)))];
    }

    private static IEnumerable<(Node Node, ConvShape Sizes)> Convolutions(Graph graph) =>
        graph.Nodes.Where(n => n.Op is Conv2d).Select(n => (n, ((Conv2d)n.Op).SizesFor(n.Inputs[0].Shape, n.Inputs[1].Shape)));
}
