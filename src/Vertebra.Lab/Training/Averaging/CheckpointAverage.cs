using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Lab.Training;

/// <summary>The mean of several checkpoints of one network, tensor by tensor; summed up in float64, as timm's <c>avg_checkpoints.py</c> does.</summary>
public static class CheckpointAverage
{
    /// <summary>Averages checkpoints.</summary>
    /// <param name="paths">At least one file; their tensors must have the same names and shapes.</param>
    /// <returns>Tensors in the order of the first file: float32, and whole numbers (counters of batches) as the last file has them.</returns>
    /// <exception cref="VertebraException">There is no file, or they do not fit together; the message says where.</exception>
    public static IReadOnlyList<(string Name, Tensor Tensor)> Of(IReadOnlyList<string> paths)
    {
        if (paths.Count == 0)
            throw new VertebraException("name the checkpoints to average");
        var first = Checkpoint.Read(paths[0]).Tensors;
        var sums = first.Where(t => t.Value.DType.IsFloat()).ToDictionary(t => t.Key, t => new double[t.Value.ElementCount], StringComparer.Ordinal);
        var last = first;
        foreach (var path in paths)
        {
            last = path == paths[0] ? first : Checkpoint.Read(path).Tensors;
            CheckFit(first, paths[0], last, path);
            foreach (var (name, sum) in sums)
                Add(last[name], sum);
        }
        return [.. first.Select(t => (t.Key, sums.TryGetValue(t.Key, out var sum) ? Mean(sum, paths.Count, t.Value.Shape) : last[t.Key]))];
    }

    private static void CheckFit(IReadOnlyDictionary<string, Tensor> first, string firstPath, IReadOnlyDictionary<string, Tensor> other, string path)
    {
        foreach (var name in first.Keys.Concat(other.Keys))
        {
            var (a, b) = (first.GetValueOrDefault(name), other.GetValueOrDefault(name));
            if (a is null || b is null || a.Shape != b.Shape || a.DType.IsFloat() != b.DType.IsFloat())
                throw new VertebraException($"{path} does not fit {firstPath}: '{name}' is {(b is null ? "missing" : b.Spec.ToString())}, not {(a is null ? "missing" : a.Spec.ToString())}; average checkpoints of one network");
        }
    }

    private static void Add(Tensor tensor, double[] sum)
    {
        if (tensor.DType == DType.Float64)
        {
            var exact = tensor.ToArray<double>();
            for (var i = 0; i < sum.Length; i++)
                sum[i] += exact[i];
            return;
        }
        var values = tensor.DType == DType.Float32 ? tensor.AsSpan<float>() : tensor.To(DType.Float32).ToArray<float>();
        for (var i = 0; i < sum.Length; i++)
            sum[i] += values[i];
        GC.KeepAlive(tensor);
    }

    private static Tensor Mean(double[] sum, int count, Shape shape) =>
        Tensor.From(Array.ConvertAll(sum, s => (float)Math.Clamp(s / count, float.MinValue, float.MaxValue)), shape);
}
