using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>All images of a folder, at any depth, sorted by path; folders mean nothing.</summary>
public sealed class UnlabelledImages : IImageDataset
{
    private readonly string _root;
    private readonly string[] _files;

    private UnlabelledImages(string root, string[] files) => (_root, _files) = (root, files);

    public string Identity => $"images in {_root}: {_files.Length}";

    public int Count => _files.Length;

    /// <summary>None.</summary>
    public IReadOnlyList<string> ClassNames => [];

    public Preprocessing Preprocessing => Preprocessing.ImageNet;

    public bool IsInMemory => false;

    /// <summary><see cref="PooledDataset.NoLabel"/>.</summary>
    public int Label(int index) => PooledDataset.NoLabel;

    /// <summary>Path of the file below the folder.</summary>
    public string NameOf(int index) => Path.GetRelativePath(_root, _files[index]);

    public RgbImage Load(int index)
    {
        using var stored = Borrow(index);
        return stored.Decode();
    }

    /// <inheritdoc cref="IImageDataset.Borrow"/>
    public StoredImage Borrow(int index) => StoredImage.ReadFile(_files[index]);

    /// <summary>Opens images to be learned without labels: a folder of images, a pack, or else the training images of a set of the named kind.</summary>
    /// <param name="path">The folder or pack.</param>
    /// <param name="dataset">What the folder is where it holds no images: one of <see cref="DatasetFactory.Names"/>.</param>
    /// <exception cref="VertebraException">There is no image.</exception>
    public static IImageDataset Open(string path, string dataset)
    {
        if (DatasetFactory.IsPack(path))
            return DatasetFactory.Open(dataset, path, DatasetSplit.Train);
        DatasetFiles.RequireFolder(path);
        var files = FolderScan.ImagesBelow(path);
        if (files.Count > 0)
            return new UnlabelledImages(path, [.. files]);
        return dataset is "folder" or "shapes" or "vpk" ? throw new VertebraException($"--unlabeled {path}: there is no image in the folder or below it")
            : DatasetFactory.Open(dataset, path, DatasetSplit.Train);
    }
}
