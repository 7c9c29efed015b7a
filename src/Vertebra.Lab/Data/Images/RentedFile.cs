using System.Buffers;

namespace Vertebra.Lab.Data.Images;

/// <summary>The bytes of a file in rented memory.</summary>
internal sealed class RentedFile : IDisposable
{
    private byte[] _rented;

    private RentedFile(byte[] rented, int length) => (_rented, Data) = (rented, rented.AsMemory(0, length));

    /// <summary>What was read; not to be used once the object is disposed of.</summary>
    public ReadOnlyMemory<byte> Data { get; private set; }

    /// <summary>Reads a file, or its beginning.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">Longer files are refused, in bytes.</param>
    /// <param name="atMost">How much of it is read, in bytes.</param>
    /// <exception cref="FileFormatException">The file is longer than the limit.</exception>
    /// <exception cref="VertebraException">The file cannot be read.</exception>
    public static RentedFile Read(string path, long limit, long atMost = long.MaxValue)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            var length = RandomAccess.GetLength(handle);
            if (length > limit || Math.Min(length, atMost) > Array.MaxLength)
                throw new FileFormatException($"{path}: {length} bytes is more than the limit of {limit} for an image file; remove it or raise the limit");
            return Read(handle, (int)Math.Min(length, atMost));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new VertebraException($"{path}: cannot read the image: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        if (_rented.Length > 0)
            ArrayPool<byte>.Shared.Return(_rented);
        _rented = [];
        Data = default;
    }

    private static RentedFile Read(Microsoft.Win32.SafeHandles.SafeFileHandle handle, int wanted)
    {
        var rented = ArrayPool<byte>.Shared.Rent(wanted);
        try
        {
            var read = 0;
            while (read < wanted && RandomAccess.Read(handle, rented.AsSpan(read, wanted - read), read) is var count and > 0)
                read += count;
            return new(rented, read);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(rented);
            throw;
        }
    }
}
