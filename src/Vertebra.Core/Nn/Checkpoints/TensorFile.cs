namespace Vertebra.Nn;

/// <summary>The named tensors of a checkpoint in file order, with its free-form metadata.</summary>
public sealed class TensorFile
{
    private readonly OrderedDictionary<string, Tensor> _tensors = new(StringComparer.Ordinal);

    /// <summary>Tensors by name, in file order, in the dtype of the file.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => _tensors;

    /// <summary>Texts stored beside the tensors (safetensors' <c>__metadata__</c>, scalars of a torch checkpoint).</summary>
    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>Adds a tensor; false if the name is taken.</summary>
    public bool TryAdd(string name, Tensor tensor) => _tensors.TryAdd(name, tensor);
}
