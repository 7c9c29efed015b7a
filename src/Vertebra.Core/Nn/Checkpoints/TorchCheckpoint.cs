using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Numerics;

namespace Vertebra.Nn;

/// <summary>
/// Reads checkpoints written by <c>torch.save</c>: the zip archive of PyTorch 1.6 and later, and the older stream of pickles.
/// The pickle inside is read by an allow-list: it can build tensors, dictionaries and numbers, and nothing else. A file that
/// names any other callable is refused with that name.
/// </summary>
internal static class TorchCheckpoint
{
    private const long LargestPickle = 256L << 20;
    private static readonly BigInteger LegacyMagic = BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    /// <summary>Reads a zip archive.</summary>
    public static object? ReadZip(string path, Stream stream)
    {
        try
        {
            using var zip = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
            var pickle = zip.Entries.FirstOrDefault(e => e.FullName.EndsWith("/data.pkl", StringComparison.Ordinal) || e.FullName == "data.pkl")
                ?? throw Bad(path, zip.Entries.Any(e => e.FullName.EndsWith("constants.pkl", StringComparison.Ordinal))
                    ? "a TorchScript program holds code, not a checkpoint; save its state_dict()" : "the archive has no data.pkl");
            var root = pickle.FullName[..^"data.pkl".Length];
            if (zip.GetEntry(root + "byteorder") is { } order && ReadEntry(path, order, 16) is var text && !text.AsSpan().SequenceEqual("little"u8))
                throw Bad(path, "it was written on a big-endian machine");
            var host = new Host(path, (key, bytes) =>
            {
                var entry = zip.GetEntry($"{root}data/{key}") ?? throw Bad(path, $"storage '{key}' is missing from the archive");
                if (entry.Length < bytes)
                    throw Bad(path, $"storage '{key}' has {entry.Length} bytes where {bytes} are announced");
                return ReadEntry(path, entry, bytes);
            });
            return new PickleReader(ReadEntry(path, pickle, LargestPickle), 0, path, host).Read();
        }
        catch (InvalidDataException e)
        {
            throw new FileFormatException($"{path}: damaged zip archive: {e.Message}", e);
        }
    }

    /// <summary>Reads the stream of pickles that PyTorch wrote before version 1.6.</summary>
    public static object? ReadLegacy(string path, byte[] bytes)
    {
        var host = new Host(path, null);
        var reader = new PickleReader(bytes, 0, path, host);
        if (reader.Read() is not BigInteger magic || magic != LegacyMagic)
            throw Bad(path, "a pickle, but not one that torch.save has written");
        if (reader.Read() is not 1001L)
            throw Bad(path, "unknown version of the old torch format");
        reader.Read(); // sizes and byte order of the machine
        var result = reader.Read();
        if (reader.Read() is not List<object?> keys)
            throw Bad(path, "the list of storages is missing");
        FillLegacyStorages(path, bytes, reader.Position, keys, host);
        return result;
    }

    private static void FillLegacyStorages(string path, byte[] bytes, int position, List<object?> keys, Host host)
    {
        foreach (var key in keys)
        {
            if (key is not string name || !host.Storages.TryGetValue(name, out var storage))
                throw Bad(path, $"storage '{key}' is listed and not used");
            if (bytes.Length - position < 8)
                throw Bad(path, $"the file ends before storage '{name}' (truncated download?)");
            var count = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(position));
            position += 8;
            if (count != storage.Count || storage.Bytes > bytes.Length - position)
                throw Bad(path, $"storage '{name}' has {count} elements and {bytes.Length - position} bytes left for the announced {storage.Count} (truncated download?)");
            storage.Data = bytes.AsMemory(position, (int)storage.Bytes);
            position += (int)storage.Bytes;
        }
        foreach (var view in host.Views)
            view.Fill(path);
    }

    private static byte[] ReadEntry(string path, ZipArchiveEntry entry, long largest)
    {
        // torch.save never compresses, and an archive that does could unfold to any size.
        if (entry.CompressedLength != entry.Length || entry.Length > Math.Min(largest, Array.MaxLength))
            throw Bad(path, $"entry '{entry.FullName}' is compressed or too large ({entry.Length} bytes)");
        var bytes = new byte[entry.Length];
        using var stream = entry.Open();
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static FileFormatException Bad(string path, string what) => new($"{path}: not a readable torch checkpoint: {what}");

    private sealed class Host(string path, Func<string, long, byte[]>? load) : IPickleHost
    {
        public Dictionary<string, TorchStorage> Storages { get; } = new(StringComparer.Ordinal);

        /// <summary>Tensors whose bytes come only after the pickle (old format).</summary>
        public List<PendingTensor> Views { get; } = [];

        public object? PersistentLoad(object? id)
        {
            if (id is not object?[] { Length: >= 5 } parts || parts[0] is not "storage" || parts[1] is not PickleGlobal type
                || parts[2] is not string key || parts[4] is not long count || count < 0)
                throw Bad(path, "a persistent id is not a storage");
            if (parts.Length > 5 && parts[5] is not null)
                throw Bad(path, "views of storages, as very old PyTorch wrote them, are not read; load and save the file again with a newer PyTorch");
            if (Storages.TryGetValue(key, out var known))
                return known;
            var dtype = TypeOf(type) ?? throw Bad(path, $"unknown storage type {type}");
            if (count > long.MaxValue / 8)
                throw Bad(path, $"storage '{key}' announces {count} elements");
            var storage = new TorchStorage(key, dtype, count);
            if (load is not null)
                storage.Data = load(key, storage.Bytes);
            return Storages[key] = storage;
        }

        public object? Reduce(PickleGlobal callable, object?[] arguments)
        {
            switch (callable.ToString())
            {
                case "collections.OrderedDict" or "argparse.Namespace":
                    return new PickleDictionary();
                case "torch._utils._rebuild_tensor_v2" or "torch._utils._rebuild_tensor":
                    return Tensor(arguments);
                case "torch._utils._rebuild_parameter":
                    return arguments is [{ } data, ..] ? data : throw Bad(path, "a parameter without data");
                case "torch.Size":
                    return arguments is [{ } sizes] ? sizes : Array.Empty<object?>();
                default:
                    throw new FileFormatException($"{path}: refused: its pickle would call {callable}; a checkpoint of plain tensors is needed (in Python: torch.save(model.state_dict(), ...))");
            }
        }

        private object Tensor(object?[] arguments)
        {
            if (arguments is not [TorchStorage storage, long offset, object?[] sizes, object?[] strides, ..] || sizes.Length != strides.Length || sizes.Length > 16)
                throw Bad(path, "a tensor is described in an unknown way");
            var tensor = new PendingTensor(storage, offset, Array.ConvertAll(sizes, s => checked((int)(long)s!)), Array.ConvertAll(strides, s => (long)s!));
            tensor.Check(path);
            if (load is null)
                Views.Add(tensor);
            else
                tensor.Fill(path);
            return tensor;
        }

        private static DType? TypeOf(PickleGlobal type) => type.Module != "torch" ? null : type.Name switch
        {
            "FloatStorage" => DType.Float32,
            "HalfStorage" => DType.Float16,
            "BFloat16Storage" => DType.BFloat16,
            "DoubleStorage" => DType.Float64,
            "CharStorage" => DType.Int8,
            "ByteStorage" => DType.UInt8,
            "IntStorage" => DType.Int32,
            "LongStorage" => DType.Int64,
            "BoolStorage" => DType.Bool,
            _ => null,
        };
    }
}

/// <summary>The flat memory that tensors of a torch checkpoint lie on.</summary>
internal sealed class TorchStorage(string key, DType dtype, long count)
{
    public string Key { get; } = key;

    public DType DType { get; } = dtype;

    public long Count { get; } = count;

    public long Bytes => Count * DType.Size();

    public ReadOnlyMemory<byte> Data { get; set; }
}

/// <summary>A tensor of a torch checkpoint: a strided view of a storage, copied out once its bytes are there.</summary>
internal sealed class PendingTensor(TorchStorage storage, long offset, int[] sizes, long[] strides)
{
    private Tensor? _tensor;

    /// <summary>The tensor, row-major.</summary>
    public Tensor Tensor => _tensor ?? throw new InvalidOperationException("the tensor's bytes have not been read");

    /// <summary>The view must lie within its storage; checked before memory is taken.</summary>
    public void Check(string path)
    {
        var (last, count) = (offset, 1L);
        for (var axis = 0; axis < sizes.Length; axis++)
        {
            if (sizes[axis] < 0 || strides[axis] < 0)
                throw new FileFormatException($"{path}: a tensor of storage '{storage.Key}' has a negative size or stride");
            count = checked(count * sizes[axis]);
            last = checked(last + (Math.Max(0, sizes[axis] - 1L) * strides[axis]));
        }
        // Broadcast views (stride 0) could unfold to any size; no checkpoint needs more elements than its storage has.
        if (offset < 0 || count > storage.Count || (count > 0 && last >= storage.Count))
            throw new FileFormatException($"{path}: a tensor of shape [{string.Join(", ", sizes)}] does not lie within storage '{storage.Key}' of {storage.Count} elements");
    }

    /// <summary>Copies the elements out of the storage.</summary>
    public unsafe void Fill(string path)
    {
        if (storage.Data.Length < storage.Bytes)
            throw new FileFormatException($"{path}: storage '{storage.Key}' has no data");
        var size = storage.DType.Size();
        _tensor = Tensor.Empty(sizes, storage.DType);
        var target = new Span<byte>(_tensor.DataPointer, checked((int)_tensor.Spec.Bytes));
        var source = storage.Data.Span;
        if (target.Length > 0)
            Copy(source, (int)offset * size, target, 0, size);
        GC.KeepAlive(_tensor);
    }

    private void Copy(ReadOnlySpan<byte> source, int from, Span<byte> target, int axis, int size)
    {
        var contiguous = 1L;
        for (var a = sizes.Length - 1; a >= axis; a--)
        {
            if (sizes[a] != 1 && strides[a] != contiguous)
            {
                var piece = target.Length / sizes[axis];
                for (var i = 0; i < sizes[axis]; i++)
                    Copy(source, from + (int)(i * strides[axis] * size), target.Slice(i * piece, piece), axis + 1, size);
                return;
            }
            contiguous *= sizes[a];
        }
        source.Slice(from, target.Length).CopyTo(target);
    }
}
