using System.Runtime.InteropServices;
using Vertebra.Communication;
using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Distributed;

/// <summary>What a network says of a batch, with what is true.</summary>
/// <param name="Number">Place of the batch in the epoch.</param>
/// <param name="Logits">float32 [N, classes].</param>
/// <param name="Labels">int64 [N].</param>
/// <param name="Indices">Which images of the data set they are.</param>
internal sealed record JudgedRows(int Number, Tensor Logits, Tensor Labels, IReadOnlyList<int> Indices)
{
    /// <summary>float32 [N, classes], for images of several classes; null for others.</summary>
    public Tensor? Targets { get; init; }

    /// <summary>Runs a network over batches.</summary>
    public static IEnumerable<JudgedRows> Of(IEnumerable<Batch> batches, Func<Tensor, Tensor> infer) =>
        batches.Select(b => new JudgedRows(b.Number, infer(b.Images), b.Labels, b.Indices) { Targets = b.IsMultiLabel ? b.Targets : null });

    /// <summary>
    /// The rows of all processes, in the order in which one process would have them: after each round all know everything, so that each
    /// finds the same result.
    /// </summary>
    /// <param name="own">This process's rows; a batch of broken images only is missing.</param>
    /// <param name="rounds">Batches of an epoch.</param>
    /// <param name="processes">The processes.</param>
    public static IEnumerable<JudgedRows> Shared(IEnumerable<JudgedRows> own, int rounds, IProcessGroup processes)
    {
        using var rows = own.GetEnumerator();
        var isThere = rows.MoveNext();
        for (var round = 0; round < rounds; round++)
        {
            byte[] part = [];
            if (isThere && rows.Current.Number == round)
            {
                part = rows.Current.ToBytes();
                isThere = rows.MoveNext();
            }
            foreach (var bytes in processes.Gather(part).Where(b => b.Length > 0))
                yield return FromBytes(bytes, round);
        }
    }

    private byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        stream.Write(BitConverter.GetBytes(Indices.Count));
        stream.Write(BitConverter.GetBytes(Logits.Shape[1]));
        stream.Write(MemoryMarshal.AsBytes<int>(Indices.ToArray()));
        stream.Write(MemoryMarshal.AsBytes<long>(Labels.ToArray<long>()));
        stream.Write(MemoryMarshal.AsBytes<float>(Logits.ToArray<float>()));
        stream.Write(MemoryMarshal.AsBytes<float>(Targets?.ToArray<float>() ?? []));
        return stream.ToArray();
    }

    private static JudgedRows FromBytes(ReadOnlySpan<byte> bytes, int number)
    {
        var (count, classes) = (BitConverter.ToInt32(bytes), BitConverter.ToInt32(bytes[4..]));
        var indices = Take<int>(ref bytes, 8, count);
        var labels = Take<long>(ref bytes, 0, count);
        var logits = Tensor.From(Take<float>(ref bytes, 0, count * classes), [count, classes]);
        var targets = bytes.Length == 0 ? null : Tensor.From(Take<float>(ref bytes, 0, count * classes), [count, classes]);
        return new(number, logits, Tensor.From(labels, [count]), indices) { Targets = targets };

        static T[] Take<T>(ref ReadOnlySpan<byte> bytes, int skipped, int count) where T : unmanaged
        {
            var values = new T[count];
            var target = MemoryMarshal.AsBytes(values.AsSpan());
            bytes.Slice(skipped, target.Length).CopyTo(target);
            bytes = bytes[(skipped + target.Length)..];
            return values;
        }
    }
}
