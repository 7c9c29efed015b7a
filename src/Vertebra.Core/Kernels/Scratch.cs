namespace Vertebra.Kernels;

/// <summary>
/// Working memory of the kernels: native, 64-byte aligned, kept by each thread from call to call, so that a kernel in
/// steady state neither asks the operating system for pages nor makes garbage. Take and give back in stack order (<c>using</c>).
/// </summary>
internal static unsafe class Scratch
{
    // What a thread keeps between calls; a larger need is met, and freed as soon as it is given back.
    private const long KeptBytes = 64L << 20;
    private const long Alignment = 64;

    [ThreadStatic] private static Arena? t_arena;

    /// <summary>Uninitialised memory for <paramref name="floats"/> numbers, owned by the calling thread until disposed.</summary>
    public static Block Take(long floats)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(floats);
        var bytes = checked((floats * sizeof(float) + Alignment - 1) / Alignment * Alignment + Alignment);
        return (t_arena ??= new Arena()).Take(bytes);
    }

    /// <summary>A piece of working memory.</summary>
    public readonly ref struct Block
    {
        private readonly Arena _arena;
        private readonly long _bytes;
        private readonly bool _own;

        public Block(Arena arena, float* pointer, long bytes, bool own)
        {
            _arena = arena;
            Pointer = pointer;
            _bytes = bytes;
            _own = own;
        }

        public float* Pointer { get; }

        public void Dispose() => _arena.GiveBack(Pointer, _bytes, _own);
    }

    internal sealed class Arena
    {
        private byte* _block;
        private long _size;
        private long _used;
        private long _taken;
        private long _peak;

        // A thread's arena goes with the thread; only the finalizer sees that.
        ~Arena() => LargePages.Free(_block);

        public Block Take(long bytes)
        {
            _taken += bytes;
            _peak = Math.Max(_peak, _taken);
            if (_used == 0 && _size < _peak && _peak <= KeptBytes)
                Grow();
            if (_used + bytes > _size)
                return new Block(this, (float*)LargePages.Allocate(bytes, bytes), bytes, own: true);
            var pointer = _block + _used;
            _used += bytes;
            return new Block(this, (float*)pointer, bytes, own: false);
        }

        public void GiveBack(float* pointer, long bytes, bool own)
        {
            _taken -= bytes;
            if (own)
                LargePages.Free(pointer);
            else
                _used -= bytes;
        }

        private void Grow()
        {
            LargePages.Free(_block);
            _block = null;
            _size = 0;
            var size = Math.Max(_peak, 1 << 20);
            _block = LargePages.Allocate(size, size);
            _size = size;
        }
    }
}
