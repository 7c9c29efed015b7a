using System.Buffers;
using System.IO.MemoryMappedFiles;

namespace Vertebra;

/// <summary>
/// A file mapped into memory for reading. Its parts are read where they lie, by any number of threads; the mapping ends when
/// neither it nor a part of it is reachable any more. Somebody who cuts the file short meanwhile ends the process: replace
/// such a file, do not write into it.
/// </summary>
public sealed unsafe class MappedFile
{
    private readonly string _path;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _start;

    private MappedFile(string path, long length, MemoryMappedViewAccessor view)
    {
        (_path, Length, _view) = (path, length, view);
        _start = (byte*)view.SafeMemoryMappedViewHandle.DangerousGetHandle() + view.PointerOffset;
    }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    /// <summary>Maps a file.</summary>
    /// <exception cref="FileFormatException">The file is empty.</exception>
    /// <exception cref="VertebraException">The file cannot be opened.</exception>
    public static MappedFile Open(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            var length = file.Length;
            if (length == 0)
                throw new FileFormatException($"{path}: the file is empty; make or get it again");
            using var map = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            return new(path, length, map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new VertebraException($"{path}: cannot be opened: {e.Message}", e);
        }
    }

    /// <summary>Bytes of the file, not copied.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the file.</exception>
    public ReadOnlyMemory<byte> Slice(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return new Part(this, offset, length).Memory;
    }

    public override string ToString() => _path;

    /// <summary>A part, which keeps the mapping alive.</summary>
    private sealed class Part(MappedFile file, long offset, int length) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan() => new(file._start + offset, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(file._start + offset + elementIndex, default, this);

        public override void Unpin() => GC.KeepAlive(file._view);

        protected override void Dispose(bool disposing)
        {
        }
    }
}
