namespace Vertebra.Lab.Data;

/// <summary>The order in which an epoch takes the samples.</summary>
internal static class SampleOrder
{
    private const ulong Purpose = 0x6F726465_00000000; // "orde"

    private const int Round = 256;

    /// <summary>0, 1, 2, ...</summary>
    public static int[] Sequential(int count)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++)
            order[i] = i;
        return order;
    }

    /// <summary>
    /// Each image of an order several times in a row, cut to the order's length: what timm's <c>RepeatAugSampler</c> gives one
    /// process. As there, the length is a multiple of 256, unless there are fewer images.
    /// </summary>
    public static int[] Repeated(int[] order, int repeats)
    {
        var repeated = new int[RepeatedLength(order.Length, repeats)];
        for (var i = 0; i < repeated.Length; i++)
            repeated[i] = order[i / repeats];
        return repeated;
    }

    /// <summary>Samples of an epoch.</summary>
    public static int RepeatedLength(int count, int repeats) => repeats == 1 || count < Round ? count : count / Round * Round;

    /// <summary>A permutation drawn by seed and epoch (Fisher and Yates).</summary>
    public static int[] Shuffled(int count, ulong seed, int epoch) => Shuffled(count, new Philox(seed, Purpose | (uint)epoch));

    /// <inheritdoc cref="Shuffled(int, ulong, int)"/>
    public static int[] Shuffled(int count, Philox random)
    {
        var order = Sequential(count);
        for (var i = count - 1; i > 0; i--)
        {
            var other = random.Below(i + 1, (ulong)i);
            (order[i], order[other]) = (order[other], order[i]);
        }
        return order;
    }
}
