using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Text;
using System.Text.Json;

namespace Vertebra.Nn;

/// <summary>
/// Hugging Face's safetensors format: 8 bytes little-endian header length, a JSON header
/// <c>{name: {dtype, shape, data_offsets}, "__metadata__": {text: text}}</c>, then the raw tensors without holes.
/// A file is data only; everything in it is checked before memory is taken.
/// </summary>
public static class Safetensors
{
    private const long LargestHeader = 100_000_000; // the format's own limit
    private const int LargestRank = 16;

    /// <summary>Reads a whole file. The file is mapped, and each tensor copied once.</summary>
    /// <exception cref="FileFormatException">The file is not of this format, damaged or inconsistent.</exception>
    public static unsafe TensorFile Read(string path)
    {
        using var file = Open(path);
        var length = file.Length;
        var header = ReadHeader(path, file, length);
        var result = new TensorFile();
        foreach (var (key, value) in header.Metadata)
            result.Metadata[key] = value;
        if (header.Entries.Count == 0)
            return result;
        using var map = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        using var view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        try
        {
            foreach (var entry in header.Entries)
            {
                var tensor = Tensor.Empty(entry.Spec.Shape, entry.Spec.DType);
                Buffer.MemoryCopy(start + header.DataStart + entry.Begin, tensor.DataPointer, entry.Spec.Bytes, entry.Spec.Bytes);
                if (!result.TryAdd(entry.Name, tensor))
                    throw Bad(path, $"tensor '{entry.Name}' stands there twice");
            }
        }
        finally
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
        return result;
    }

    /// <summary>Names, shapes and dtypes of the tensors in a file, without reading their data.</summary>
    /// <exception cref="FileFormatException">The file is not of this format, damaged or inconsistent.</exception>
    public static IReadOnlyList<(string Name, TensorSpec Spec)> ReadSpecs(string path)
    {
        using var file = Open(path);
        return [.. ReadHeader(path, file, file.Length).Entries.Select(e => (e.Name, e.Spec))];
    }

    /// <summary>Writes a file atomically: under its name stands the old or the whole new one.</summary>
    public static void Write(string path, IEnumerable<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var list = tensors.ToList();
        var header = WriteHeader(list, metadata);
        AtomicFile.Write(path, stream =>
        {
            Span<byte> prefix = stackalloc byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
            stream.Write(prefix);
            stream.Write(header);
            foreach (var (_, tensor) in list)
                WriteData(stream, tensor);
        });
    }

    private static unsafe void WriteData(Stream stream, Tensor tensor)
    {
        const int Piece = 1 << 24;
        for (long offset = 0; offset < tensor.Spec.Bytes; offset += Piece)
            stream.Write(new ReadOnlySpan<byte>(tensor.DataPointer + offset, (int)Math.Min(Piece, tensor.Spec.Bytes - offset)));
        GC.KeepAlive(tensor);
    }

    private static byte[] WriteHeader(List<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata)
                    json.WriteString(key, value);
                json.WriteEndObject();
            }
            long offset = 0;
            foreach (var (name, tensor) in tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", NameOf(tensor.DType));
                json.WriteStartArray("shape");
                foreach (var size in tensor.Shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += tensor.Spec.Bytes);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    private static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot read {path}: {e.Message}", e);
        }
    }

    private static Header ReadHeader(string path, FileStream file, long fileLength)
    {
        Span<byte> prefix = stackalloc byte[8];
        if (file.ReadAtLeast(prefix, 8, throwOnEndOfStream: false) < 8)
            throw Bad(path, "the file is shorter than its 8-byte prefix");
        var length = BinaryPrimitives.ReadInt64LittleEndian(prefix);
        if (length is < 2 or > LargestHeader || length > fileLength - 8)
            throw Bad(path, $"the header claims {length} bytes in a file of {fileLength} (truncated, or another format?)");
        var bytes = new byte[length];
        file.ReadExactly(bytes);
        var header = new Header(8 + length);
        try
        {
            using var json = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 8 });
            foreach (var property in json.RootElement.EnumerateObject())
            {
                if (property.Name == "__metadata__")
                {
                    foreach (var text in property.Value.EnumerateObject())
                        header.Metadata[text.Name] = text.Value.GetString() ?? "";
                    continue;
                }
                header.Entries.Add(ReadEntry(path, property.Name, property.Value));
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or DecoderFallbackException)
        {
            throw new FileFormatException($"{path}: not a valid safetensors file: the header is no JSON of the expected form ({e.Message})", e);
        }
        CheckLayout(path, header, fileLength - header.DataStart);
        return header;
    }

    private static Entry ReadEntry(string path, string name, JsonElement json)
    {
        var dtype = TypeOf(json.GetProperty("dtype").GetString()) ?? throw Bad(path, $"tensor '{name}' has the unknown dtype '{json.GetProperty("dtype")}'");
        var sizes = json.GetProperty("shape");
        var offsets = json.GetProperty("data_offsets");
        if (sizes.GetArrayLength() > LargestRank || offsets.GetArrayLength() != 2)
            throw Bad(path, $"tensor '{name}' has {sizes.GetArrayLength()} axes and {offsets.GetArrayLength()} offsets");
        var (begin, end) = (offsets[0].GetInt64(), offsets[1].GetInt64());
        try
        {
            var spec = new TensorSpec(sizes.EnumerateArray().Select(s => s.GetInt32()).ToArray(), dtype);
            if (begin < 0 || end - begin != spec.Bytes)
                throw Bad(path, $"tensor '{name}' of shape {spec.Shape} needs {spec.Bytes} bytes, its offsets give {end - begin}");
            return new(name, spec, begin);
        }
        catch (Exception e) when (e is OverflowException or ShapeException)
        {
            throw Bad(path, $"tensor '{name}' has an impossible shape");
        }
    }

    // The format allows neither holes nor overlaps: what the offsets cover is exactly the rest of the file.
    private static void CheckLayout(string path, Header header, long dataLength)
    {
        long position = 0;
        foreach (var entry in header.Entries.OrderBy(e => e.Begin).ThenBy(e => e.Spec.Bytes))
        {
            if (entry.Begin != position)
                throw Bad(path, $"tensor '{entry.Name}' begins at {entry.Begin} where {position} is expected (holes and overlaps are not allowed)");
            position += entry.Spec.Bytes;
            if (position > dataLength)
                throw Bad(path, $"tensor '{entry.Name}' ends at {position}, but there are only {dataLength} bytes of data (truncated download?)");
        }
        if (position != dataLength)
            throw Bad(path, $"{dataLength - position} bytes follow the last tensor");
    }

    private static FileFormatException Bad(string path, string what) => new($"{path}: not a valid safetensors file: {what}");

    private static string NameOf(DType dtype) => dtype switch
    {
        DType.Float32 => "F32",
        DType.Float16 => "F16",
        DType.BFloat16 => "BF16",
        DType.Float64 => "F64",
        DType.Int8 => "I8",
        DType.UInt8 => "U8",
        DType.Int32 => "I32",
        DType.Int64 => "I64",
        _ => "BOOL",
    };

    private static DType? TypeOf(string? name)
    {
        foreach (var dtype in Enum.GetValues<DType>())
        {
            if (NameOf(dtype) == name)
                return dtype;
        }
        return null;
    }

    private sealed record Header(long DataStart)
    {
        public List<Entry> Entries { get; } = [];

        public Dictionary<string, string> Metadata { get; } = [];
    }

    private sealed record Entry(string Name, TensorSpec Spec, long Begin);
}
