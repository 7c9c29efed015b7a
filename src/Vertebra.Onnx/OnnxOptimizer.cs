using Vertebra.Autograd;
using Vertebra.Graphs;

namespace Vertebra.Onnx;

/// <summary>
/// Makes an ONNX file smaller and quicker without changing what it computes: constants are computed once, what nothing needs
/// goes, batch norms and scales move into weights, functions written out in steps become one operator where there is one, and
/// every shape is inferred.
/// </summary>
public static class OnnxOptimizer
{
    /// <summary>Every rule that keeps what a network computes in inference.</summary>
    public static IReadOnlyList<RewriteRule> Rules { get; } = [.. SimplifyingRules.All, .. FusingRules.All, .. FoldingRules.All];

    /// <summary>Rewrites a model and proves the result against it on random inputs before the file takes its name.</summary>
    /// <param name="model">What to optimise.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="shapes">Shapes of the inputs in ONNX's order where the file leaves sizes other than the batch open; none otherwise.</param>
    /// <param name="opset">Operator set of the new file; null for the old one's, if it lies within 13 to 21.</param>
    /// <param name="tolerance">The largest relative L2 difference of any output.</param>
    /// <exception cref="VertebraException">The model cannot be a graph, an operation cannot be written, or the results differ: then nothing is written.</exception>
    public static OnnxOptimization Optimize(OnnxModel model, string path, IReadOnlyList<Shape>? shapes = null, int? opset = null, double tolerance = 1e-4)
    {
        var before = GraphOf(model, shapes ?? []);
        var after = before.Rewrite(Rules);
        var options = new OnnxExportOptions
        {
            Opset = opset ?? (int)Math.Clamp(model.Opset, 13, 21),
            DynamicBatch = after.Inputs[0].Sizes is { Count: > 0 } sizes && !sizes[0].IsFixed,
            OutputNames = [.. model.Outputs.Select(o => o.Name)],
            Metadata = model.Metadata,
        };
        var proof = path + ".unproven";
        try
        {
            OnnxExporter.Export(after, proof, options);
            var written = OnnxModel.Load(proof);
            var error = LargestDifference(model, written, before);
            if (!(error <= tolerance))
                throw new VertebraException($"the optimised network would give other results (relative L2 difference {error:0.0e+0} of at most {tolerance:0.0e+0}); {path} is not written");
            File.Move(proof, path, overwrite: true);
            return new(model.NodeCount, written.NodeCount, error);
        }
        finally
        {
            File.Delete(proof);
        }
    }

    // The batch stays open where the file leaves it open, and the network allows it.
    private static Graph GraphOf(OnnxModel model, IReadOnlyList<Shape> shapes)
    {
        var isOpen = model.Inputs is [{ Dimensions: [{ Size: null }, ..] }];
        var graph = model.ToGraph(shapes);
        if (!isOpen)
            return graph;
        var input = graph.Inputs[0].Shape;
        return Graph.Trace(shape => shape == input ? graph : model.ToGraph([InOnnxOrder(shape)]), OpenAxes.Batch, input);
    }

    private static Shape InOnnxOrder(Shape shape) => shape.Rank == 4 ? [shape[0], shape[3], shape[1], shape[2]] : shape;

    private static double LargestDifference(OnnxModel model, OnnxModel written, Graph graph)
    {
        using var off = GradMode.Off();
        var inputs = graph.Inputs.Select((v, i) => RandomInput(InOnnxOrder(v.Shape), v.Spec.DType, (ulong)i)).ToArray();
        return model.Run(inputs).Zip(written.Run(inputs)).Max(pair => RelativeDifference(pair.First, pair.Second));
    }

    private static Tensor RandomInput(Shape shape, DType dtype, ulong stream)
    {
        var random = new Philox(1, stream);
        var values = new float[shape.ElementCount];
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)random.Uniform((ulong)i);
        // Numbers of classes and tokens start at 0: small whole numbers are fine everywhere.
        return dtype == DType.Float32 ? Tensor.From(values, shape) : Vertebra.Ops.TensorOps.To(Tensor.From(Array.ConvertAll(values, v => MathF.Floor(v * 2)), shape), dtype);
    }

    private static double RelativeDifference(Tensor expected, Tensor actual)
    {
        if (expected.Shape != actual.Shape)
            return double.PositiveInfinity;
        var (a, b) = (Numbers(expected), Numbers(actual));
        var (difference, norm) = (0.0, 0.0);
        for (var i = 0; i < a.Length; i++)
        {
            difference += (a[i] - (double)b[i]) * (a[i] - (double)b[i]);
            norm += a[i] * (double)a[i];
        }
        return difference == 0 ? 0 : Math.Sqrt(difference / norm);
    }

    private static float[] Numbers(Tensor tensor) => Vertebra.Ops.TensorOps.To(tensor, DType.Float32).ToArray<float>();
}

/// <summary>What optimising a file did.</summary>
/// <param name="NodesBefore">Nodes of the old file, constants not counted.</param>
/// <param name="NodesAfter">Nodes of the new file.</param>
/// <param name="Difference">Largest relative L2 difference of any output on random inputs.</param>
public sealed record OnnxOptimization(int NodesBefore, int NodesAfter, double Difference);
