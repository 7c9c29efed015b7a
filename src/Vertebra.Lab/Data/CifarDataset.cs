using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>
/// CIFAR-10 and CIFAR-100 in their binary version (https://www.cs.toronto.edu/~kriz/cifar.html): records of one label
/// byte (CIFAR-100: coarse, then fine label) and 3072 bytes, red, green and blue planes of 32 rows of 32. Whichever
/// training batches lie in the folder are used. Held in memory, 3 KB an image.
/// </summary>
public sealed class CifarDataset : IImageDataset
{
    private const int Side = 32;
    private const int PlaneBytes = Side * Side;
    private const int ImageBytes = PlaneBytes * 3;
    private const long LargestFile = 1L << 30;

    private readonly List<Batch> _batches = [];

    /// <param name="directory">Folder of the .bin files, or the one that holds the unpacked archive's folder.</param>
    /// <param name="classes">10 or 100.</param>
    /// <param name="training">True for the training images, false for the test images.</param>
    /// <exception cref="VertebraException">The folder or its files are missing.</exception>
    /// <exception cref="FileFormatException">A file is cut short or is not of this format.</exception>
    public CifarDataset(string directory, int classes, bool training)
    {
        var is100 = classes == 100;
        ClassNames = is100 ? CifarClasses.Of100 : CifarClasses.Of10;
        var pattern = (is100, training) switch
        {
            (true, true) => "train.bin",
            (true, false) => "test.bin",
            (false, true) => "data_batch_*.bin",
            (false, false) => "test_batch.bin",
        };
        foreach (var file in FindFiles(directory, is100 ? "cifar-100-binary" : "cifar-10-batches-bin", pattern))
        {
            _batches.Add(ReadBatch(file, Count, labelBytes: is100 ? 2 : 1));
            Count += _batches[^1].Labels.Length;
        }
        Identity = $"cifar{classes} {(training ? "train" : "test")} in {directory}: {Count} images, {classes} classes";
    }

    public string Identity { get; }

    public string Kind => $"cifar{ClassNames.Count}";

    public int Count { get; }

    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>32 x 32 whole; mean and deviation of the training set's pixels.</summary>
    public Preprocessing Preprocessing => ClassNames.Count == 100
        ? Preprocessing.Whole(Side, [0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762])
        : Preprocessing.Whole(Side, [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]);

    public bool IsInMemory => true;

    public int Label(int index)
    {
        var batch = BatchOf(index);
        return batch.Labels[index - batch.First];
    }

    public string NameOf(int index)
    {
        var batch = BatchOf(index);
        return $"{Path.GetFileName(batch.File)} record {index - batch.First}";
    }

    public RgbImage Load(int index)
    {
        var batch = BatchOf(index);
        var image = RgbImage.Uninitialized(Side, Side);
        batch.Pixels.AsSpan((index - batch.First) * ImageBytes, ImageBytes).CopyTo(image.Pixels);
        return image;
    }

    private Batch BatchOf(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        var i = 0;
        while (index >= _batches[i].First + _batches[i].Labels.Length)
            i++;
        return _batches[i];
    }

    private static string[] FindFiles(string directory, string archiveFolder, string pattern)
    {
        DatasetFiles.RequireFolder(directory);
        foreach (var folder in new[] { directory, Path.Combine(directory, archiveFolder) })
        {
            var files = DatasetFiles.List(folder, pattern);
            if (files.Length > 0)
                return files;
        }
        throw new VertebraException($"{directory}: no {pattern} here or in {archiveFolder}/; unpack the binary version of the data set there");
    }

    private Batch ReadBatch(string file, int first, int labelBytes)
    {
        var record = labelBytes + ImageBytes;
        using var stream = DatasetFiles.OpenRead(file);
        if (stream.Length == 0 || stream.Length % record != 0)
            throw new FileFormatException($"{file}: {stream.Length} bytes are not whole records of {record}; the file is cut short or not a CIFAR-{ClassNames.Count} batch, get it again");
        if (stream.Length > LargestFile)
            throw new FileFormatException($"{file}: {stream.Length} bytes are more than a CIFAR batch has; give the files of the data set");
        var count = (int)(stream.Length / record);
        var (labels, pixels, buffer) = (new byte[count], new byte[count * ImageBytes], new byte[record]);
        for (var i = 0; i < count; i++)
        {
            DatasetFiles.ReadExactly(stream, buffer, file);
            labels[i] = buffer[labelBytes - 1];
            if (labels[i] >= ClassNames.Count)
                throw new FileFormatException($"{file}: record {i} has label {labels[i]}, but there are {ClassNames.Count} classes; the file is not a CIFAR-{ClassNames.Count} batch");
            Interleave(buffer.AsSpan(labelBytes), pixels.AsSpan(i * ImageBytes, ImageBytes));
        }
        return new(file, first, labels, pixels);
    }

    private static void Interleave(ReadOnlySpan<byte> planes, Span<byte> pixels)
    {
        for (var i = 0; i < PlaneBytes; i++)
        {
            pixels[(3 * i) + 0] = planes[i];
            pixels[(3 * i) + 1] = planes[PlaneBytes + i];
            pixels[(3 * i) + 2] = planes[(2 * PlaneBytes) + i];
        }
    }

    private sealed record Batch(string File, int First, byte[] Labels, byte[] Pixels);
}
