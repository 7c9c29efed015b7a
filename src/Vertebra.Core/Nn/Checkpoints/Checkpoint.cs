using System.Globalization;

namespace Vertebra.Nn;

/// <summary>Reads weight files of every supported format, told apart by their first bytes.</summary>
public static class Checkpoint
{
    // Where training programs keep the weights among other things; averaged ones only when there are no others.
    private static readonly string[] WeightKeys = ["state_dict", "model", "model_state_dict", "module", "state_dict_ema", "model_ema"];

    /// <summary>
    /// The named tensors of a <c>.safetensors</c> file or a torch checkpoint (<c>.pth</c>, <c>.pt</c>, <c>.th</c>, zip or the older
    /// format). Of a torch checkpoint with more than weights, the weights; a <c>module.</c> prefix (DataParallel) is taken off.
    /// </summary>
    /// <exception cref="FileFormatException">The file is damaged, of another kind, or its pickle would call something.</exception>
    public static TensorFile Read(string path)
    {
        Span<byte> start = stackalloc byte[8];
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            var count = stream.ReadAtLeast(start, 8, throwOnEndOfStream: false);
            stream.Position = 0;
            if (start.StartsWith("PK\x03\x04"u8))
                return FromTorch(path, TorchCheckpoint.ReadZip(path, stream));
            if (count >= 2 && start[0] == 0x80 && start[1] <= 5)
                return FromTorch(path, TorchCheckpoint.ReadLegacy(path, ReadAll(path, stream)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot read {path}: {e.Message}", e);
        }
        // Read as a safetensors length, an ONNX file's first bytes (field 1, then others) would be astronomical.
        var isOnnx = start[0] == 8 && start[4..].ContainsAnyExcept((byte)0);
        if (isOnnx || start.StartsWith("\x89HDF"u8))
            throw new FileFormatException($"{path}: this is {(isOnnx ? "an ONNX" : "an HDF5")} file, not a checkpoint; weights come as .safetensors, .pth or .pt");
        return Safetensors.Read(path);
    }

    private static byte[] ReadAll(string path, FileStream stream)
    {
        if (stream.Length > Array.MaxLength)
            throw new FileFormatException($"{path}: {stream.Length >> 20} MiB is too large for the old torch format; save it again with a newer PyTorch or as safetensors");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static TensorFile FromTorch(string path, object? root)
    {
        if (root is not PickleDictionary dictionary)
            throw new FileFormatException($"{path}: a torch file without named tensors (its top is {(root is null ? "nothing" : "no dictionary")}); save model.state_dict()");
        var file = new TensorFile();
        var weights = dictionary.Items.Any(i => i.Value is PendingTensor) ? dictionary
            : WeightKeys.Select(k => dictionary[k]).OfType<PickleDictionary>().FirstOrDefault() ?? dictionary;
        foreach (var (key, value) in dictionary.Items)
        {
            if (key is string name && value is string or long or double or bool)
                file.Metadata[name] = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        }
        var tensors = weights.Items.Where(i => i.Key is string && i.Value is PendingTensor).Select(i => (Name: (string)i.Key, ((PendingTensor)i.Value!).Tensor)).ToList();
        if (tensors.Count == 0)
            throw new FileFormatException($"{path}: no tensors found; its top level has {string.Join(", ", dictionary.Items.Take(8).Select(i => i.Key))}");
        var prefix = tensors.All(t => t.Name.StartsWith("module.", StringComparison.Ordinal)) ? "module.".Length : 0;
        foreach (var (name, tensor) in tensors)
        {
            if (!file.TryAdd(name[prefix..], tensor))
                throw new FileFormatException($"{path}: two tensors are named '{name[prefix..]}'");
        }
        return file;
    }
}
