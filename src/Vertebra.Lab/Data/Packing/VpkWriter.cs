using System.Text;

namespace Vertebra.Lab.Data.Packing;

/// <summary>An image as it goes into a pack.</summary>
/// <param name="Kind">What the bytes are.</param>
/// <param name="Width">Pixels per row.</param>
/// <param name="Height">Rows.</param>
/// <param name="Data">The bytes.</param>
internal sealed record VpkRecord(VpkKind Kind, int Width, int Height, byte[] Data);

/// <summary>Writes a pack: records one after the other, then the tables, and last the header that points to them.</summary>
internal sealed class VpkWriter
{
    private readonly Stream _stream;
    private readonly List<VpkEntry> _entries = [];
    private readonly MemoryStream _names = new();

    /// <param name="stream">Empty, and can be written to at any position.</param>
    public VpkWriter(Stream stream)
    {
        _stream = stream;
        // Zeros, which are no magic: nothing takes a file that was not finished for a pack.
        stream.Write(new byte[VpkHeader.Bytes]);
    }

    public int Count => _entries.Count;

    public void Add(VpkRecord record, int label, string name, bool isValidation)
    {
        var text = Encoding.UTF8.GetBytes(name);
        if (text.Length > ushort.MaxValue)
            throw new VertebraException($"{name[..60]}...: a name of {text.Length} bytes is too long for a pack; {ushort.MaxValue} are possible");
        if (_names.Length + text.Length > Array.MaxLength)
            throw new VertebraException($"the names of {Count} images are too long for a pack; make several");
        _entries.Add(new(
            _stream.Position, record.Data.Length, record.Width, record.Height, label, Crc32C.Compute(record.Data),
            (uint)_names.Length, (ushort)text.Length, record.Kind, isValidation));
        _stream.Write(record.Data);
        _names.Write(text);
    }

    /// <summary>Completes the file.</summary>
    public void Finish(VpkFacts facts)
    {
        var indexOffset = _stream.Position;
        uint checksum = 0;
        var line = new byte[VpkEntry.Bytes];
        foreach (var entry in _entries)
        {
            entry.Write(line);
            Append(line);
        }
        var namesOffset = _stream.Position;
        Append(_names.GetBuffer().AsSpan(0, (int)_names.Length));
        var factsOffset = _stream.Position;
        Append(facts.ToBytes());
        var length = _stream.Position;
        _stream.Position = 0;
        _stream.Write(new VpkHeader(length, Count, indexOffset, namesOffset, factsOffset, checksum).ToBytes());

        void Append(ReadOnlySpan<byte> bytes)
        {
            checksum = Crc32C.Append(checksum, bytes);
            _stream.Write(bytes);
        }
    }
}
