using Vertebra.Autograd;

namespace Vertebra.Zoo.Layers;

/// <summary>
/// While training, sets whole squares of each channel of a map [N, H, W, C] to zero and scales the rest up, so that neighbours do
/// not give away what was dropped (Ghiasi, Lin and Le, "DropBlock: a regularization method for convolutional networks", NeurIPS
/// 2018); in evaluation returns its input. Squares lie wholly inside the map; the scale is one number for the batch. Rate of
/// squares, valid places and scale are timm's. A trace does not keep it: a graph trains without.
/// </summary>
/// <param name="probability">Share of the map that is dropped, about.</param>
/// <param name="blockSize">Side of a square; at most the map's is taken.</param>
/// <param name="gammaScale">Factor on the number of squares.</param>
public sealed class DropBlock2d(float probability, int blockSize, float gammaScale = 1) : Module
{
    /// <summary>Share of the map that is dropped, about, when <see cref="Progress"/> is 1.</summary>
    public float Probability { get; } = probability;

    /// <summary>Side of a square.</summary>
    public int BlockSize { get; } = blockSize;

    /// <summary>Factor in [0, 1] on the probability: a schedule may let it grow from 0 while training goes on.</summary>
    public float Progress { get; set; } = 1;

    protected override Tensor OnForward(Tensor x) => IsTraining && !x.IsMeta && Probability * Progress > 0 ? x * Mask(x.Shape) : x;

    /// <summary>The probability that a square begins around a place: so many that, if none met, the wanted share of the map would be dropped.</summary>
    internal double Gamma(int height, int width)
    {
        var block = Math.Min(BlockSize, Math.Min(height, width));
        return gammaScale * Probability * Progress * height * width / (block * block) / ((width - block + 1) * (height - block + 1));
    }

    /// <summary>0 in the squares, and elsewhere the number of elements over the number of those kept.</summary>
    private Tensor Mask(Shape shape)
    {
        using var off = GradMode.Off();
        var (height, width) = (shape[1], shape[2]);
        var block = Math.Min(BlockSize, Math.Min(height, width));
        var (seed, stream) = TrainingRandom.Next();
        var centres = Tensor.Ones(shape).Dropout((float)Math.Min(1, Gamma(height, width)), seed, stream).EqualTo(0).To(DType.Float32) * Valid(height, width, block);
        var (before, after) = ((block - 1) / 2, block / 2);
        var kept = 1 - centres.MaxPool2d(block, 1, (before, before, after, after));
        return kept * (float)(shape.ElementCount / (kept.Sum().ToScalar() + 1e-7));
    }

    /// <summary>[1, H, W, 1]: 1 where a square around the place lies inside the map.</summary>
    private static Tensor Valid(int height, int width, int block)
    {
        var valid = new float[height * width];
        for (var y = block / 2; y < height - ((block - 1) / 2); y++)
            valid.AsSpan((y * width) + (block / 2), width - block + 1).Fill(1);
        return Tensor.From(valid, [1, height, width, 1]);
    }
}
