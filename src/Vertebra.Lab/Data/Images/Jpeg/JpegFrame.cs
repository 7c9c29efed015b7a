using System.Buffers;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>What the frame header (T.81, B.2.2) says, and the sizes that follow from it.</summary>
internal sealed class JpegFrame : IDisposable
{
    public JpegFrame(int width, int height, bool isProgressive, JpegComponent[] components)
    {
        Width = width;
        Height = height;
        IsProgressive = isProgressive;
        Components = components;
        MaxHorizontal = components.Max(c => c.Horizontal);
        MaxVertical = components.Max(c => c.Vertical);
        UnitColumns = CeilingDivide(width, 8 * MaxHorizontal);
        UnitRows = CeilingDivide(height, 8 * MaxVertical);
        foreach (var component in components)
            component.SetSizes(this);
    }

    public int Width { get; }

    public int Height { get; }

    public bool IsProgressive { get; }

    public JpegComponent[] Components { get; }

    /// <summary>Largest horizontal sampling factor of the components.</summary>
    public int MaxHorizontal { get; }

    /// <summary>Largest vertical sampling factor of the components.</summary>
    public int MaxVertical { get; }

    /// <summary>Minimum coded units of an interleaved scan per row.</summary>
    public int UnitColumns { get; }

    /// <summary>Rows of minimum coded units of an interleaved scan.</summary>
    public int UnitRows { get; }

    /// <summary>Blocks that the components' scans code, together.</summary>
    public long CodedBlocks => Components.Sum(c => (long)c.BlockColumns * c.BlockRows);

    public void Dispose()
    {
        foreach (var component in Components)
            component.Dispose();
    }

    internal static int CeilingDivide(int a, int b) => (a + b - 1) / b;
}

/// <summary>Some blocks in a row or column.</summary>
internal readonly record struct BlockRange(int First, int End)
{
    public bool Contains(int block) => (uint)(block - First) < (uint)(End - First);
}

/// <summary>One colour component of a frame: its sampling, its samples and, in a progressive frame, its coefficients.</summary>
internal sealed class JpegComponent(int id, int horizontal, int vertical, int quantizationIndex) : IDisposable
{
    /// <summary>Rows of the sample plane start at multiples of this.</summary>
    private const int StrideMultiple = 32;

    public int Id { get; } = id;

    /// <summary>Horizontal sampling factor, 1 to 4.</summary>
    public int Horizontal { get; } = horizontal;

    /// <summary>Vertical sampling factor, 1 to 4.</summary>
    public int Vertical { get; } = vertical;

    public int QuantizationIndex { get; } = quantizationIndex;

    /// <summary>Samples that belong to the picture, per row.</summary>
    public int Width { get; private set; }

    /// <summary>Rows of samples that belong to the picture.</summary>
    public int Height { get; private set; }

    /// <summary>Blocks with samples of the picture, per row: what a scan of this component alone codes.</summary>
    public int BlockColumns { get; private set; }

    /// <summary>Rows of such blocks.</summary>
    public int BlockRows { get; private set; }

    /// <summary>Blocks per row, filled up to whole minimum coded units.</summary>
    public int PaddedBlockColumns { get; private set; }

    /// <summary>Rows of blocks, filled up to whole minimum coded units.</summary>
    public int PaddedBlockRows { get; private set; }

    /// <summary>Columns of blocks whose samples are needed; within <see cref="PaddedBlockColumns"/>.</summary>
    public BlockRange NeededColumns { get; private set; }

    /// <summary>Rows of blocks whose samples are needed.</summary>
    public BlockRange NeededRows { get; private set; }

    /// <summary>Samples from one row of <see cref="Plane"/> to the next.</summary>
    public int Stride { get; private set; }

    /// <summary>
    /// Samples, <see cref="PaddedBlockRows"/> * 8 rows, of which those of needed blocks are filled in; rented, longer than
    /// needed by at least <see cref="ComponentUpsampler.RowSlack"/>, so that vectors may read past the last block.
    /// </summary>
    public byte[] Plane { get; private set; } = [];

    /// <summary>Quantised coefficients of a progressive frame, 64 in paired rows per block, row by row of the padded blocks; rented, longer than needed.</summary>
    public short[] Coefficients { get; private set; } = [];

    /// <summary>Progressive: by padded block, which coefficients past the first are not zero, by zigzag index; rented, longer than needed.</summary>
    public ulong[] Nonzero { get; private set; } = [];

    /// <summary>Quantisation factors in zigzag order, as they stood when the component's first scan began.</summary>
    public ushort[]? Quantization { get; set; }

    /// <summary>Difference coding of the first coefficient: its last value.</summary>
    public int DcPrediction { get; set; }

    /// <summary>Progressive: by zigzag index, the lowest bit sent so far; <see cref="NothingSent"/> before the first scan.</summary>
    public sbyte[] LowestBit { get; } = Enumerable.Repeat(NothingSent, 64).ToArray();

    public const sbyte NothingSent = -1;

    /// <summary>Sequential: the component's scan has been seen.</summary>
    public bool IsDecoded { get; set; }

    public void SetSizes(JpegFrame frame)
    {
        Width = JpegFrame.CeilingDivide(frame.Width * Horizontal, frame.MaxHorizontal);
        Height = JpegFrame.CeilingDivide(frame.Height * Vertical, frame.MaxVertical);
        BlockColumns = JpegFrame.CeilingDivide(Width, 8);
        BlockRows = JpegFrame.CeilingDivide(Height, 8);
        PaddedBlockColumns = frame.UnitColumns * Horizontal;
        PaddedBlockRows = frame.UnitRows * Vertical;
        Stride = JpegFrame.CeilingDivide(PaddedBlockColumns * 8, StrideMultiple) * StrideMultiple;
    }

    /// <summary>Says which part of the picture is wanted: the blocks under it and under the neighbours that filters see.</summary>
    public void Need(JpegFrame frame, CropBox box)
    {
        NeededColumns = Range(box.Left, box.Left + box.Width, Horizontal, frame.MaxHorizontal, PaddedBlockColumns);
        NeededRows = Range(box.Top, box.Top + box.Height, Vertical, frame.MaxVertical, PaddedBlockRows);

        static BlockRange Range(int first, int end, int factor, int maxFactor, int blocks)
        {
            var firstSample = Math.Max(0, (first * factor / maxFactor) - 1);
            var lastSample = ((end - 1) * factor / maxFactor) + 1;
            return new(firstSample / 8, Math.Min(blocks, (lastSample / 8) + 1));
        }
    }

    public void AllocatePlane() => Plane = ArrayPool<byte>.Shared.Rent(Stride * PaddedBlockRows * 8 + ComponentUpsampler.RowSlack);

    public void AllocateCoefficients()
    {
        var blocks = PaddedBlockColumns * PaddedBlockRows;
        Coefficients = ArrayPool<short>.Shared.Rent(blocks * InverseDct.BlockSize);
        Coefficients.AsSpan(0, blocks * InverseDct.BlockSize).Clear();
        Nonzero = ArrayPool<ulong>.Shared.Rent(blocks);
        Nonzero.AsSpan(0, blocks).Clear();
    }

    public void Dispose()
    {
        if (Plane.Length > 0)
            ArrayPool<byte>.Shared.Return(Plane);
        if (Coefficients.Length > 0)
            ArrayPool<short>.Shared.Return(Coefficients);
        if (Nonzero.Length > 0)
            ArrayPool<ulong>.Shared.Return(Nonzero);
        Plane = [];
        Coefficients = [];
        Nonzero = [];
    }
}
