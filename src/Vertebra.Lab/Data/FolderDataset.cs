using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>
/// Images in folders, one folder a class, at any depth inside it. Classes are sorted by ordinal comparison, images by
/// path. What is an image is told by first bytes where the name's ending does not say so; hidden files and folders and
/// files that are no images are passed over.
/// </summary>
public sealed class FolderDataset : IImageDataset
{
    private readonly string _kind;
    private readonly string _root;
    private readonly FolderScan.Item[] _items;

    private FolderDataset(string kind, string root, IReadOnlyList<string> classNames, FolderScan.Item[] items)
    {
        (_kind, _root, ClassNames, _items) = (kind, root, classNames, items);
        Identity = $"{kind} in {root}: {items.Length} images, {classNames.Count} classes";
    }

    public string Identity { get; }

    public string Kind { get; private init; } = "folder";

    public int Count => _items.Length;

    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>ImageNet's, unless the pictures have one of their own.</summary>
    public Preprocessing Preprocessing { get; private init; } = Preprocessing.ImageNet;

    public bool IsInMemory => false;

    public int Label(int index) => _items[index].Label;

    /// <summary>Path of the file below the data set's folder.</summary>
    public string NameOf(int index) => _items[index].Path;

    public RgbImage Load(int index)
    {
        using var stored = Borrow(index);
        return stored.Decode();
    }

    /// <summary>The bytes of the file.</summary>
    /// <inheritdoc cref="IImageDataset.Borrow" path="/exception"/>
    public StoredImage Borrow(int index) => StoredImage.ReadFile(Path.Combine(_root, _items[index].Path));

    /// <summary>
    /// Opens one split of a folder: <c>train/</c> against <c>val/</c>, <c>validation/</c> or <c>test/</c>, or a share drawn
    /// from each class of <c>train/</c> or of the folder itself.
    /// </summary>
    /// <param name="directory">Folder of the splits, or of the classes.</param>
    /// <param name="split">Which images.</param>
    /// <param name="options">Share and seed of a drawn split; classes of a trained network.</param>
    /// <exception cref="VertebraException">The folder, its classes or a split is missing, or a class has no image.</exception>
    public static FolderDataset Open(string directory, DatasetSplit split, DatasetOptions options)
    {
        DatasetFiles.RequireFolder(directory);
        HeldBackShare.Require(directory, options.ValidationShare);
        var training = FolderScan.SubFolder(directory, "train");
        var held = HeldFolder(directory);
        if (held is not null && training is null && split != DatasetSplit.Evaluation)
            throw new VertebraException($"{directory}: there is {Path.GetFileName(held)}/ but no train/; add it, or give the folder that holds the class folders");
        if (held is not null && options.ValidationShare is not null && split != DatasetSplit.Evaluation)
            throw new VertebraException($"{directory}: has its own {Path.GetFileName(held)}/; leave out the validation share");
        var source = training ?? directory;
        return split switch
        {
            DatasetSplit.Train when options.ValidationShare is { } share => Drawn(source, share, options, heldBack: false),
            DatasetSplit.Train => Whole("folder train", source, options, FolderScan.ClassesOf(source)),
            _ when held is not null => Whole("folder " + Path.GetFileName(held), held, options, FolderScan.ClassesOf(source == directory ? held : source)),
            _ when options.ValidationShare is { } share => Drawn(source, share, options, heldBack: true),
            DatasetSplit.Evaluation => Whole("folder", source, options, FolderScan.ClassesOf(source)),
            _ => throw new VertebraException($"{directory}: no val/, validation/ or test/ beside the training images; add one, or hold back a share with --val-split 0.1"),
        };
    }

    /// <summary>The same images as a set of another kind, with a preprocessing of its own.</summary>
    internal FolderDataset As(string kind, Preprocessing preprocessing) => new(_kind, _root, ClassNames, _items) { Kind = kind, Preprocessing = preprocessing };

    /// <summary>Whether a folder has images of its own to validate with, beside those to train on.</summary>
    public static bool HasValidation(string directory) => FolderScan.SubFolder(directory, "train") is not null && HeldFolder(directory) is not null;

    private static string? HeldFolder(string directory) =>
        FolderScan.SubFolder(directory, "val") ?? FolderScan.SubFolder(directory, "validation") ?? FolderScan.SubFolder(directory, "test");

    private static FolderDataset Whole(string kind, string root, DatasetOptions options, string[] classes)
    {
        var names = options.ClassNames ?? classes;
        return new(kind, root, names, FolderScan.Scan(root, names, mayLackClasses: options.ClassNames is not null || kind != "folder train"));
    }

    private static FolderDataset Drawn(string root, double share, DatasetOptions options, bool heldBack)
    {
        var names = options.ClassNames ?? FolderScan.ClassesOf(root);
        var items = FolderScan.Scan(root, names, mayLackClasses: options.ClassNames is not null);
        var part = HeldBackShare.Draw(items, item => item.Label, names, share, options.Seed, heldBack);
        return part.Length > 0 ? new(heldBack ? "folder validation share" : "folder training share", root, names, part)
            : throw new VertebraException($"{root}: holding back {share} of each class leaves no image to validate with; raise the share or add images");
    }
}
