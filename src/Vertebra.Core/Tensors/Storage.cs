namespace Vertebra;

/// <summary>The bytes of one or more tensors. Its finalizer gives the block back to the pool, so nobody disposes of anything.</summary>
internal sealed unsafe class Storage
{
    private readonly int _sizeClass;
    private readonly Storage? _whole;
    private byte* _pointer;

    public Storage(long bytes) => _pointer = BufferPool.Take(bytes, out _sizeClass);

    /// <summary>A part of other storage, which it keeps alive.</summary>
    public Storage(Storage whole, long offset)
    {
        GC.SuppressFinalize(this);
        _whole = whole;
        _pointer = whole.Pointer + offset;
    }

    ~Storage()
    {
        if (_pointer is not null)
            BufferPool.Return(_pointer, _sizeClass);
    }

    /// <summary>The first byte, aligned to 64. Valid only while this object is reachable: see <see cref="Tensor.Pointer{T}"/>.</summary>
    public byte* Pointer => _pointer is null ? throw new ObjectDisposedException(nameof(Storage)) : _pointer;

    /// <summary>Gives the block back at once. For owners that know that no one else holds a tensor on it.</summary>
    public void Release()
    {
        if (_pointer is null || _whole is not null)
            return;
        GC.SuppressFinalize(this);
        BufferPool.Return(_pointer, _sizeClass);
        _pointer = null;
    }
}
