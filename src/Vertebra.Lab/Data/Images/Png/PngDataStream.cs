namespace Vertebra.Lab.Data.Images.Png;

/// <summary>The bodies of a file's image data chunks, read as one stream (ISO/IEC 15948, 10.1: chunk borders mean nothing).</summary>
internal sealed class PngDataStream(IReadOnlyList<ReadOnlyMemory<byte>> chunks) : Stream
{
    private int _chunk;
    private int _offset;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        for (; _chunk < chunks.Count; _chunk++, _offset = 0)
        {
            var rest = chunks[_chunk].Span[_offset..];
            if (rest.Length == 0)
                continue;
            var count = Math.Min(rest.Length, buffer.Length);
            rest[..count].CopyTo(buffer);
            _offset += count;
            return count;
        }
        return 0;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
