using System.Text;

namespace Vertebra.Lab.Data.Packing;

/// <summary>
/// A pack opened for reading: the file is mapped, its index checked line by line, so that every record and name that it tells
/// of lies inside the file. The records' checksums are compared when they are read for the first time.
/// </summary>
internal sealed class VpkFile
{
    private const int ChecksumStep = 1 << 30;

    private readonly MappedFile _file;
    private readonly VpkHeader _header;
    private readonly VpkEntry[] _entries;

    /// <summary>By record: whether its checksum was compared.</summary>
    private readonly bool[] _isChecked;

    private VpkFile(string path, MappedFile file, VpkHeader header, VpkFacts facts, VpkEntry[] entries)
    {
        (Path, _file, _header, Facts, _entries) = (path, file, header, facts, entries);
        _isChecked = new bool[entries.Length];
    }

    public string Path { get; }

    public VpkFacts Facts { get; }

    public IReadOnlyList<VpkEntry> Entries => _entries;

    public long Length => _header.FileLength;

    /// <summary>Opens a pack.</summary>
    /// <exception cref="FileFormatException">The file is no pack, or header, index, names or facts are damaged.</exception>
    /// <exception cref="VertebraException">The file cannot be opened.</exception>
    public static VpkFile Open(string path)
    {
        var file = MappedFile.Open(path);
        var header = VpkHeader.Read(file.Slice(0, (int)Math.Min(VpkHeader.Bytes, file.Length)).Span, file.Length, path);
        if (Checksum(file, header.IndexOffset, header.FileLength) != header.TableChecksum)
            throw new FileFormatException($"{path}: the index of the pack is damaged; get the file again");
        var factsLength = header.FileLength - header.FactsOffset;
        if (factsLength > ChecksumStep)
            throw new FileFormatException($"{path}: {factsLength} bytes of facts are too many; pack the images again");
        var facts = VpkFacts.Read(file.Slice(header.FactsOffset, (int)factsLength), path);
        return new(path, file, header, facts, ReadEntries(file, header, facts.ClassNames.Count, path));
    }

    private static VpkEntry[] ReadEntries(MappedFile file, VpkHeader header, int classes, string path)
    {
        var entries = new VpkEntry[header.Count];
        for (var i = 0; i < entries.Length; i++)
        {
            entries[i] = VpkEntry.Read(file.Slice(header.IndexOffset + ((long)i * VpkEntry.Bytes), VpkEntry.Bytes).Span);
            if (entries[i].Problem(header.IndexOffset, header.FactsOffset - header.NamesOffset, classes) is { } problem)
                throw new FileFormatException($"{path}: record {i} of the pack: {problem}; pack the images again");
        }
        GC.KeepAlive(file);
        return entries;
    }

    private static uint Checksum(MappedFile file, long begin, long end)
    {
        uint checksum = 0;
        for (; begin < end; begin += ChecksumStep)
            checksum = Crc32C.Append(checksum, file.Slice(begin, (int)Math.Min(ChecksumStep, end - begin)).Span);
        GC.KeepAlive(file);
        return checksum;
    }

    /// <summary>What a record shows, for instance the path of its file.</summary>
    public string NameOf(int record)
    {
        var entry = _entries[record];
        var name = Encoding.UTF8.GetString(_file.Slice(_header.NamesOffset + entry.NameOffset, entry.NameLength).Span);
        GC.KeepAlive(_file);
        return name;
    }

    /// <summary>A record's bytes, not copied.</summary>
    /// <exception cref="FileFormatException">They are not the bytes that were packed.</exception>
    public StoredImage Borrow(int record)
    {
        var entry = _entries[record];
        var data = _file.Slice(entry.Offset, entry.Length);
        var name = $"{Path}: {NameOf(record)}";
        if (!Volatile.Read(ref _isChecked[record]))
        {
            if (!IsWhole(record))
                throw new FileFormatException($"{name}: record {record} of the pack is damaged; pack the images again");
            Volatile.Write(ref _isChecked[record], true);
        }
        return entry.Kind == VpkKind.Raw ? StoredImage.Raw(name, data, entry.Width, entry.Height) : StoredImage.Encoded(name, data);
    }

    /// <summary>Whether a record has the checksum that it was packed with.</summary>
    public bool IsWhole(int record)
    {
        var entry = _entries[record];
        return Checksum(_file, entry.Offset, entry.Offset + entry.Length) == entry.Checksum;
    }
}
