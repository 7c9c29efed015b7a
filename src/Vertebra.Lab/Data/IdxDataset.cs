using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>
/// MNIST and Fashion-MNIST: grey images and labels in IDX files, plain or .gz, found by their content and by "train",
/// "t10k" or "test" in their names. Held in memory; loaded as RGB with equal channels, so that one-channel
/// preprocessing gives the grey values back exactly.
/// </summary>
public sealed class IdxDataset : IImageDataset
{
    private static readonly string[] Digits = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

    private static readonly string[] Clothes =
        ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

    private readonly string _imageFile;
    private readonly IdxFile _images;
    private readonly byte[] _labels;

    /// <param name="directory">Folder of the files, or one above it as torchvision lays it out.</param>
    /// <param name="fashion">Clothes instead of digits.</param>
    /// <param name="training">True for the training images, false for the test images.</param>
    /// <exception cref="VertebraException">The folder or its files are missing, or two sets lie there.</exception>
    /// <exception cref="FileFormatException">A file is cut short or damaged, or images and labels do not belong together.</exception>
    public IdxDataset(string directory, bool fashion, bool training)
    {
        ClassNames = fashion ? Clothes : Digits;
        var (imageFile, labelFile) = FindFiles(directory, training);
        _imageFile = imageFile;
        _images = IdxFile.Read(imageFile, 3);
        _labels = IdxFile.Read(labelFile, 1).Data;
        if (_labels.Length != Count)
            throw new FileFormatException($"{labelFile}: {_labels.Length} labels for the {Count} images of {Path.GetFileName(imageFile)}; give the two files that belong together");
        var wrong = Array.FindIndex(_labels, label => label >= ClassNames.Count);
        if (wrong >= 0)
            throw new FileFormatException($"{labelFile}: label {wrong} is {_labels[wrong]}, but there are {ClassNames.Count} classes; the file does not belong to this data set");
        Preprocessing = (fashion ? Preprocessing.Whole(28, [0.2860], [0.3530]) : Preprocessing.Whole(28, [0.1307], [0.3081])) with { Height = Rows, Width = Columns };
        Identity = $"{(fashion ? "fashion-mnist" : "mnist")} {(training ? "train" : "test")} in {directory}: {Count} images, {ClassNames.Count} classes";
    }

    public string Identity { get; }

    public string Kind => ReferenceEquals(ClassNames, Clothes) ? "fashion-mnist" : "mnist";

    public int Count => _images.Sizes[0];

    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>One channel, whole; mean and deviation of the training set's pixels.</summary>
    public Preprocessing Preprocessing { get; }

    public bool IsInMemory => true;

    private int Rows => _images.Sizes[1];

    private int Columns => _images.Sizes[2];

    public int Label(int index) => _labels[index];

    public string NameOf(int index) => $"{Path.GetFileName(_imageFile)} image {index}";

    public RgbImage Load(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        var image = RgbImage.Uninitialized(Columns, Rows);
        var grey = _images.Data.AsSpan(index * Rows * Columns, Rows * Columns);
        var pixels = image.Pixels;
        for (var i = 0; i < grey.Length; i++)
            pixels[3 * i] = pixels[(3 * i) + 1] = pixels[(3 * i) + 2] = grey[i];
        return image;
    }

    private static (string Images, string Labels) FindFiles(string directory, bool training)
    {
        DatasetFiles.RequireFolder(directory);
        foreach (var folder in new[] { "", "raw", "MNIST/raw", "FashionMNIST/raw" })
        {
            var files = DatasetFiles.List(Path.Combine(directory, folder)).Where(file => IsOfSplit(Path.GetFileName(file), training)).ToLookup(IdxFile.RankOf);
            if (files[3].Any() && files[1].Any())
                return (Only(files[3], "images"), Only(files[1], "labels"));
        }
        throw new VertebraException($"{directory}: no pair of IDX files of {(training ? "training (\"train\"" : "test (\"t10k\" or \"test\"")} in their names) images and labels; put the data set's .gz files there");
    }

    private static bool IsOfSplit(string name, bool training) => training
        ? name.Contains("train", StringComparison.OrdinalIgnoreCase)
        : name.Contains("t10k", StringComparison.OrdinalIgnoreCase) || name.Contains("test", StringComparison.OrdinalIgnoreCase);

    /// <summary>The file; of a plain one and its .gz, the plain one.</summary>
    private static string Only(IEnumerable<string> files, string what)
    {
        var distinct = files.GroupBy(file => file.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? file[..^3] : file)
            .Select(group => group.MinBy(file => file.Length)!).ToArray();
        return distinct.Length == 1 ? distinct[0]
            : throw new VertebraException($"{Path.GetDirectoryName(distinct[0])}: {Path.GetFileName(distinct[0])} and {Path.GetFileName(distinct[1])} both hold {what} of this split; keep one");
    }
}
