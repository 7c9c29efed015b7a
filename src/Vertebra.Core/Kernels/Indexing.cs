namespace Vertebra.Kernels;

/// <summary>Picks and adds rows by index. Arrays are [outer, axis, inner]; indices have been checked.</summary>
internal static unsafe class Indexing
{
    private const int BytesPerPart = 1 << 18;

    /// <summary>target[o, j, :] = source[o, index[j], :], with rows of <paramref name="rowBytes"/> bytes.</summary>
    public static void Select(byte* source, int axisSize, long* index, int indexCount, byte* target, int outer, long rowBytes)
    {
        var rows = (long)outer * indexCount;
        if (rows == 0 || rowBytes == 0)
            return;
        var rowsPerPart = Math.Max(Math.Max(1, BytesPerPart / rowBytes), (rows / int.MaxValue) + 1);
        var job = (Source: (nint)source, Index: (nint)index, Target: (nint)target, axisSize, indexCount, rows, rowsPerPart, rowBytes);
        Workers.Run((int)((rows + rowsPerPart - 1) / rowsPerPart), job, static (in job, part) =>
        {
            var end = Math.Min((part + 1) * job.rowsPerPart, job.rows);
            for (var row = part * job.rowsPerPart; row < end; row++)
            {
                var (o, j) = Math.DivRem(row, job.indexCount);
                var from = (byte*)job.Source + (((o * job.axisSize) + ((long*)job.Index)[j]) * job.rowBytes);
                Buffer.MemoryCopy(from, (byte*)job.Target + (row * job.rowBytes), job.rowBytes, job.rowBytes);
            }
        });
    }

    /// <summary>target[o, index[j], :] += source[o, j, :], in the order of j.</summary>
    public static void Add(float* target, int axisSize, long* index, int indexCount, float* source, int outer, long inner)
    {
        if (outer == 0 || inner == 0)
            return;
        // Parts share no target element: one outer position each, and a band of the inner axis.
        const int Band = 1 << 12;
        var bands = (int)((inner + Band - 1) / Band);
        Workers.Run(checked(outer * bands), part =>
        {
            var (o, band) = Math.DivRem(part, bands);
            var start = (long)band * Band;
            var count = (int)Math.Min(Band, inner - start);
            for (var j = 0; j < indexCount; j++)
            {
                var to = target + ((((long)o * axisSize) + index[j]) * inner) + start;
                var from = source + ((((long)o * indexCount) + j) * inner) + start;
                for (var i = 0; i < count; i++)
                    to[i] += from[i];
            }
        });
    }

    /// <summary>target[o, j, i] = source[o, index[o, j, i], i].</summary>
    public static void Gather<T>(T* source, int axisSize, long* index, int indexCount, T* target, int outer, int inner) where T : unmanaged =>
        RunLines(outer, indexCount, inner, (o, start, end) =>
        {
            var from = source + ((long)o * axisSize * inner);
            for (var j = 0; j < indexCount; j++)
            {
                var line = (((long)o * indexCount) + j) * inner;
                for (var i = start; i < end; i++)
                    target[line + i] = from[(index[line + i] * inner) + i];
            }
        });

    /// <summary>target[o, index[o, j, i], i] += source[o, j, i], in the order of j.</summary>
    public static void ScatterAdd(float* target, int axisSize, long* index, int indexCount, float* source, int outer, int inner) =>
        RunLines(outer, indexCount, inner, (o, start, end) =>
        {
            var to = target + ((long)o * axisSize * inner);
            for (var j = 0; j < indexCount; j++)
            {
                var line = (((long)o * indexCount) + j) * inner;
                for (var i = start; i < end; i++)
                    to[(index[line + i] * inner) + i] += source[line + i];
            }
        });

    /// <summary>Calls body(o, start, end) for every outer position and bands of the inner axis: bands share no element of either array.</summary>
    private static void RunLines(int outer, int count, int inner, Action<int, int, int> body)
    {
        if (outer == 0 || inner == 0 || count == 0)
            return;
        const int Band = 1 << 10;
        var bands = (inner + Band - 1) / Band;
        var tasks = (long)outer * bands;
        var perPart = Math.Max(Math.Max(1, (1 << 14) / ((long)count * Math.Min(Band, inner))), (tasks / int.MaxValue) + 1);
        Workers.Run((int)((tasks + perPart - 1) / perPart), part =>
        {
            var end = Math.Min((part + 1) * perPart, tasks);
            for (var task = part * perPart; task < end; task++)
            {
                var (o, band) = Math.DivRem(task, bands);
                body((int)o, (int)band * Band, (int)Math.Min((band + 1) * Band, inner));
            }
        });
    }
}
