using System.Diagnostics;
using Vertebra.Autograd;

namespace Vertebra.Graphs.Profiling;

/// <summary>Measures how long every node of a graph takes, in runs of the whole graph.</summary>
public static class NodeTimer
{
    private const int WarmUps = 2;
    private const int LeastRuns = 5;
    private const int MostRuns = 100;
    private static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The median milliseconds of each node, over at least 5 runs and a second after a warm-up, on the threads that
    /// <see cref="Kernels.Workers.Count"/> says. Nodes run one after the other in their order, so operands are as warm in
    /// the cache as they are in use.
    /// </summary>
    /// <returns>Milliseconds by node, in the order of <see cref="Graph.Nodes"/>, and the median of a whole run.</returns>
    public static (double[] Nodes, double Total) Measure(Graph graph, params Tensor[] inputs)
    {
        using var off = GradMode.Off();
        return Medians(graph.Nodes.Count, times =>
        {
            var index = 0;
            graph.Run(inputs, (node, operands) =>
            {
                var start = Stopwatch.GetTimestamp();
                var results = node.Op.ApplyAll(operands);
                times[index++] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                return results;
            });
        });
    }

    /// <summary>The same for the nodes of a compiled graph, at the shapes it was traced with; views take no time.</summary>
    public static (double[] Nodes, double Total) Measure(CompiledGraph graph, params Tensor[] inputs) => Medians(graph.Graph.Nodes.Count, times =>
    {
        long last = 0;
        graph.Run(inputs, index =>
        {
            var now = Stopwatch.GetTimestamp();
            if (index >= 0)
                times[index] = Stopwatch.GetElapsedTime(last, now).TotalMilliseconds;
            last = now;
        });
    });

    /// <summary>Medians of many runs that each fill an array of times, and the median of their sums.</summary>
    internal static (double[] Parts, double Total) Medians(int parts, Action<double[]> run)
    {
        for (var i = 0; i < WarmUps; i++)
            run(new double[parts]);
        var runs = new List<double[]>();
        var clock = Stopwatch.StartNew();
        while (runs.Count < LeastRuns || (clock.Elapsed < LeastTime && runs.Count < MostRuns))
        {
            var times = new double[parts];
            run(times);
            runs.Add(times);
        }
        var medians = new double[parts];
        for (var n = 0; n < parts; n++)
            medians[n] = Median(runs.Select(r => r[n]));
        return (medians, Median(runs.Select(r => r.Sum())));
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
