using Vertebra.Kernels;
using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Mixing;

/// <summary>
/// Mixes each image of a batch with the one at the mirrored place, and their labels with them: mixup (Zhang, Cisse, Dauphin and
/// Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018) adds them up, CutMix (Yun et al., ICCV 2019) puts a rectangle
/// of one into the other; rules of timm's <c>Mixup</c>. Seed, epoch and number of the batch decide everything.
/// </summary>
/// <param name="options">How.</param>
/// <param name="classCount">Number of classes.</param>
/// <param name="seed">The run's seed.</param>
public sealed class BatchMixer(MixingOptions options, int classCount, ulong seed)
{
    // Upper half of the streams; the lower half is the epoch.
    private const ulong Purpose = 0x6D697875_00000000; // "mixu"

    /// <summary>The mixed batch; the given one when nothing is mixed. The middle image of an odd batch stays as it is.</summary>
    /// <param name="batch">Images and labels, one view of each image.</param>
    /// <param name="epoch">Number of the epoch.</param>
    public Batch Mix(Batch batch, int epoch)
    {
        if (options.OffEpoch > 0 && epoch >= options.OffEpoch)
            return batch;
        var mixes = Draw(batch, epoch);
        return Array.TrueForAll(mixes, m => m.Lambda == 1) ? batch : batch with { Images = Images(batch.Images, mixes), Targets = batch.Targets is { } targets ? Mixed(targets, mixes) : Targets(batch.Labels, mixes) };
    }

    // ---------------------------------------------------------------- drawing

    /// <summary>What becomes of an image: λ of it stays; the rest is the other's, everywhere or in the box.</summary>
    private readonly record struct Mixture(double Lambda, CutBox? Box);

    private Mixture[] Draw(Batch batch, int epoch)
    {
        var random = new SampleRandom(new Philox(seed, Purpose | (uint)epoch), batch.Number);
        var (count, height, width) = (batch.Count, batch.Images.Shape[1], batch.Images.Shape[2]);
        var mixes = new Mixture[count];
        if (options.Mode == MixingMode.Batch)
        {
            Array.Fill(mixes, DrawOne(ref random, height, width));
            return mixes;
        }
        var drawn = options.Mode == MixingMode.Pair ? count / 2 : count;
        Array.Fill(mixes, new(1, null));
        for (var i = 0; i < drawn; i++)
        {
            mixes[i] = DrawOne(ref random, height, width);
            if (options.Mode == MixingMode.Pair)
                mixes[count - 1 - i] = mixes[i];
        }
        return mixes;
    }

    private Mixture DrawOne(ref SampleRandom random, int height, int width)
    {
        if (random.Uniform(0, 1) >= options.Probability)
            return new(1, null);
        var cuts = options.CutmixAlpha > 0 && (options.MixupAlpha == 0 || random.Uniform(0, 1) < options.SwitchProbability);
        var lambda = BetaDistribution.Draw(ref random, cuts ? options.CutmixAlpha : options.MixupAlpha);
        if (!cuts)
            return new(lambda, null);
        var box = options.CutmixSides is { } sides
            ? CutBox.Between(ref random, height, width, sides.Least, sides.Most)
            : CutBox.Of(ref random, height, width, lambda);
        // λ is what the box, cut off at the border and of whole pixels, leaves.
        return new(1 - (box.Area / (double)(height * width)), box);
    }

    // ---------------------------------------------------------------- mixing

    private static Tensor Images(Tensor images, Mixture[] mixes)
    {
        var mixed = images.Clone();
        var length = checked((int)images.Shape.CountBetween(1, images.Rank));
        Workers.Run(mixes.Length, i =>
        {
            var other = images.AsSpan<float>().Slice((mixes.Length - 1 - i) * length, length);
            var target = mixed.AsSpan<float>().Slice(i * length, length);
            if (mixes[i].Box is { } box)
                Paste(other, target, box, images.Shape[2], images.Shape[3]);
            else
                OptimizerSteps.MoveTowards(target, other, (float)(1 - mixes[i].Lambda));
        });
        mixed.MarkWritten();
        GC.KeepAlive(images);
        return mixed;
    }

    private static void Paste(ReadOnlySpan<float> source, Span<float> target, CutBox box, int width, int channels)
    {
        for (var y = box.Top; y < box.Bottom; y++)
        {
            var row = ((y * width) + box.Left) * channels;
            var length = (box.Right - box.Left) * channels;
            source.Slice(row, length).CopyTo(target.Slice(row, length));
        }
    }

    private static Tensor Mixed(Tensor targets, Mixture[] mixes)
    {
        var (plain, classes) = (targets.ToArray<float>(), targets.Shape[1]);
        var mixed = new float[plain.Length];
        for (var k = 0; k < mixed.Length; k++)
        {
            var (row, place) = (k / classes, k % classes);
            var share = (float)mixes[row].Lambda;
            mixed[k] = (share * plain[k]) + ((1 - share) * plain[((mixes.Length - 1 - row) * classes) + place]);
        }
        return Tensor.From(mixed, targets.Shape);
    }

    private Tensor Targets(Tensor labels, Mixture[] mixes)
    {
        var classes = labels.ToArray<long>();
        var targets = new float[classes.Length * classCount];
        for (var i = 0; i < classes.Length; i++)
        {
            var row = targets.AsSpan(i * classCount, classCount);
            Add(row, classes[i], mixes[i].Lambda);
            Add(row, classes[^(i + 1)], 1 - mixes[i].Lambda);
        }
        return Tensor.From(targets, [classes.Length, classCount]);

        static void Add(Span<float> row, long label, double share)
        {
            if (label != PooledDataset.NoLabel)
                row[(int)label] += (float)share;
        }
    }
}
