using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>The k largest or smallest of a line of numbers.</summary>
internal static unsafe class Selection
{
    /// <summary>
    /// Lines run along the middle axis of source [outer, length, inner]. values and indices [outer, k, inner] receive the best
    /// first; of equal numbers the one with the lower index comes first; NaN counts as larger than every number.
    /// </summary>
    public static void TopK(float* source, int outer, int length, int inner, int k, bool largest, float* values, long* indices)
    {
        var lines = (long)outer * inner;
        if (k == 0 || lines == 0)
            return;
        var perPart = Math.Max(Math.Max(1, (1 << 13) / length), (lines / int.MaxValue) + 1);
        Workers.Run((int)((lines + perPart - 1) / perPart), part =>
        {
            using var scratch = Scratch.Take(2L * k);
            var best = new Span<ulong>(scratch.Pointer, k);
            var end = Math.Min((part + 1) * perPart, lines);
            for (var line = part * perPart; line < end; line++)
            {
                var (o, i) = Math.DivRem(line, inner);
                var from = source + (o * length * inner) + i;
                Select(from, length, inner, largest, best);
                for (var rank = 0; rank < k; rank++)
                {
                    var index = ~(uint)best[rank];
                    var to = (((o * k) + rank) * inner) + i;
                    values[to] = from[(long)index * inner];
                    indices[to] = index;
                }
            }
        });
    }

    /// <summary>The best keys of a line, best first; a key is the rank of the number above the complement of its index.</summary>
    private static void Select(float* line, int length, int stride, bool largest, Span<ulong> best)
    {
        // A heap whose root is the worst of the best so far.
        for (var i = 0; i < best.Length; i++)
            best[i] = Key(line[(long)i * stride], i, largest);
        for (var i = (best.Length / 2) - 1; i >= 0; i--)
            Sink(best, i);
        for (var i = best.Length; i < length; i++)
        {
            var key = Key(line[(long)i * stride], i, largest);
            if (key <= best[0])
                continue;
            best[0] = key;
            Sink(best, 0);
        }
        best.Sort();
        best.Reverse();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Key(float value, int index, bool largest)
    {
        // Float bits order like sign-magnitude integers; adding 0 turns -0 into 0, so that both tie.
        var bits = BitConverter.SingleToInt32Bits(value + 0f);
        var order = float.IsNaN(value) ? uint.MaxValue : (uint)(bits ^ ((bits >> 31) & int.MaxValue)) ^ 0x80000000;
        return ((ulong)(largest ? order : ~order) << 32) | ~(uint)index;
    }

    private static void Sink(Span<ulong> heap, int node)
    {
        var key = heap[node];
        while (true)
        {
            var child = (2 * node) + 1;
            if (child >= heap.Length)
                break;
            if (child + 1 < heap.Length && heap[child + 1] < heap[child])
                child++;
            if (heap[child] >= key)
                break;
            heap[node] = heap[child];
            node = child;
        }
        heap[node] = key;
    }
}
