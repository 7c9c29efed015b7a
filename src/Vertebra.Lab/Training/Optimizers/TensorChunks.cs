using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// The elements of many tensors cut into pieces of at most 32768, so that one parallel loop walks over all of a network's
/// parameters, small and large. The cut depends on the shapes alone.
/// </summary>
internal sealed class TensorChunks
{
    private const int Largest = 1 << 15;

    private readonly Chunk[] _chunks;

    public TensorChunks(IEnumerable<Tensor> tensors) => _chunks = [.. tensors.SelectMany(Cut)];

    /// <summary>Number of pieces.</summary>
    public int Count => _chunks.Length;

    /// <summary>Calls <paramref name="body"/> for every piece, on several threads, with the piece's position among all.</summary>
    public void ForEach(Action<int, Chunk> body) => Workers.Run(_chunks.Length, i => body(i, _chunks[i]));

    /// <summary>The same on the calling thread, one piece after the other.</summary>
    public void ForEachInOrder(Action<int, Chunk> body)
    {
        for (var i = 0; i < _chunks.Length; i++)
            body(i, _chunks[i]);
    }

    private static IEnumerable<Chunk> Cut(Tensor tensor, int index)
    {
        var count = checked((int)tensor.ElementCount);
        for (var start = 0; start < count; start += Largest)
            yield return new(index, start, Math.Min(Largest, count - start));
    }

    /// <summary>A piece of the tensor at position <paramref name="Tensor"/>.</summary>
    public readonly record struct Chunk(int Tensor, int Start, int Length)
    {
        public Span<float> Of(Tensor tensor) => tensor.AsSpan<float>().Slice(Start, Length);
    }
}
