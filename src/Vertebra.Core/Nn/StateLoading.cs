using System.Text;

namespace Vertebra.Nn;

/// <summary>Puts the tensors of a checkpoint into a module.</summary>
public static class StateLoading
{
    private const int NamesShown = 5;

    /// <summary>
    /// Copies tensors into the parameters and buffers of the same names. Names and shapes must match; 16-bit and float64
    /// values are converted to float32. Counters (<c>num_batches_tracked</c>) may be missing: old checkpoints have none.
    /// </summary>
    /// <param name="module">The module to fill.</param>
    /// <param name="state">Tensors by full name.</param>
    /// <param name="source">What to call the checkpoint in messages.</param>
    /// <param name="strict">False: load what matches, and return the rest in the report.</param>
    /// <exception cref="VertebraException">Strict, and names are missing, unexpected or mis-shaped: one message lists them all. Nothing has been written then.</exception>
    public static LoadReport Load(this Module module, IReadOnlyDictionary<string, Tensor> state, string source, bool strict = true)
    {
        var report = Compare(module, state);
        if (strict && !report.IsClean)
            throw new VertebraException($"{source} does not fit this network: {report}");
        foreach (var entry in module.State())
        {
            if (!state.TryGetValue(entry.Name, out var tensor) || tensor.Shape != entry.Tensor.Shape)
                continue;
            entry.Tensor.CopyFrom(tensor.DType == entry.Tensor.DType ? tensor : Convert(tensor, entry.Tensor.DType));
        }
        return report;
    }

    private static LoadReport Compare(Module module, IReadOnlyDictionary<string, Tensor> state)
    {
        var report = new LoadReport();
        var expected = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in module.State())
        {
            expected.Add(entry.Name);
            if (!state.TryGetValue(entry.Name, out var tensor))
            {
                if (!entry.Name.EndsWith("num_batches_tracked", StringComparison.Ordinal))
                    report.Missing.Add($"{entry.Name} {entry.Tensor.Shape}");
            }
            else if (tensor.Shape != entry.Tensor.Shape)
            {
                report.MisShaped.Add($"{entry.Name} is {tensor.Shape}, not {entry.Tensor.Shape}");
            }
        }
        report.Unexpected.AddRange(state.Keys.Where(k => !expected.Contains(k)));
        return report;
    }

    private static Tensor Convert(Tensor tensor, DType dtype)
    {
        if (dtype != DType.Float32)
            throw new VertebraException($"a checkpoint tensor of {tensor.DType} cannot fill one of {dtype}");
        return tensor.DType switch
        {
            DType.Float16 => Tensor.From(Array.ConvertAll(tensor.ToArray<Half>(), v => (float)v), tensor.Shape),
            DType.BFloat16 => Tensor.From(Array.ConvertAll(tensor.ToArray<ushort>(), v => BitConverter.Int32BitsToSingle(v << 16)), tensor.Shape),
            DType.Float64 => Tensor.From(Array.ConvertAll(tensor.ToArray<double>(), v => (float)v), tensor.Shape),
            _ => throw new VertebraException($"a checkpoint tensor of {tensor.DType} cannot fill one of {dtype}"),
        };
    }

    /// <summary>What did not match between a checkpoint and a module.</summary>
    public sealed class LoadReport
    {
        public List<string> Missing { get; } = [];

        public List<string> Unexpected { get; } = [];

        public List<string> MisShaped { get; } = [];

        public bool IsClean => Missing.Count == 0 && Unexpected.Count == 0 && MisShaped.Count == 0;

        public override string ToString()
        {
            var text = new StringBuilder();
            Append(text, MisShaped, "mis-shaped");
            Append(text, Missing, "missing");
            Append(text, Unexpected, "unexpected");
            return text.Length == 0 ? "everything matches" : text.ToString();
        }

        private static void Append(StringBuilder text, List<string> names, string what)
        {
            if (names.Count == 0)
                return;
            text.Append(text.Length > 0 ? "; " : "").Append($"{names.Count} {what}: ").AppendJoin(", ", names.Take(NamesShown));
            if (names.Count > NamesShown)
                text.Append(", ...");
        }
    }
}
