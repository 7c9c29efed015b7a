using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data.Packing;

/// <summary>
/// The images of a pack (<see cref="Packer"/>), read where they lie in the mapped file. In a batch they have the bits that
/// they have out of their own files.
/// </summary>
public sealed class VpkDataset : IImageDataset
{
    private readonly VpkFile _file;
    private readonly int[] _records;

    // From the pack's labels to those of ClassNames.
    private readonly int[] _labels;

    private VpkDataset(VpkFile file, int[] records, int[] labels, IReadOnlyList<string> classNames, string split)
    {
        (_file, _records, _labels, ClassNames) = (file, records, labels, classNames);
        Identity = $"vpk {split} in {file.Path}: {records.Length} images, {classNames.Count} classes";
        IsInMemory = Array.TrueForAll(records, r => file.Entries[r].Kind == VpkKind.Raw);
    }

    public string Identity { get; }

    /// <summary>That of the data set which was packed.</summary>
    public string Kind => _file.Facts.Kind;

    public int Count => _records.Length;

    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>That of the data set which was packed.</summary>
    public Preprocessing Preprocessing => _file.Facts.Preprocessing;

    /// <summary>True when every image is stored as pixels.</summary>
    public bool IsInMemory { get; }

    public int Label(int index) => _labels[_file.Entries[_records[index]].Label];

    /// <summary>The name that the image had in the data set which was packed.</summary>
    public string NameOf(int index) => _file.NameOf(_records[index]);

    public RgbImage Load(int index)
    {
        using var stored = Borrow(index);
        return stored.Decode();
    }

    /// <summary>The record, not copied.</summary>
    /// <inheritdoc cref="IImageDataset.Borrow" path="/exception"/>
    public StoredImage Borrow(int index) => _file.Borrow(_records[index]);

    /// <summary>Opens one split of a pack: the one that was packed, or a share drawn from each class.</summary>
    /// <param name="path">The file.</param>
    /// <param name="split">Which images.</param>
    /// <param name="options">Share and seed of a drawn split; classes of a trained network.</param>
    /// <exception cref="FileFormatException">The file is no pack, or is damaged.</exception>
    /// <exception cref="VertebraException">There is no such file, or the split or the share is missing, or a class is none of the network's.</exception>
    public static VpkDataset Open(string path, DatasetSplit split, DatasetOptions options)
    {
        HeldBackShare.Require(path, options.ValidationShare);
        if (!File.Exists(path))
            throw new VertebraException(Directory.Exists(path) ? $"{path}: is a folder; give the .vpk file that 'vertebra pack' made" : $"{path}: there is no such file");
        var file = VpkFile.Open(path);
        var all = Enumerable.Range(0, file.Entries.Count).ToArray();
        var held = Array.FindAll(all, r => file.Entries[r].IsValidation);
        if (held.Length > 0 && options.ValidationShare is not null && split != DatasetSplit.Evaluation)
            throw new VertebraException($"{path}: has its own validation images; leave out the validation share");
        var training = Array.FindAll(all, r => !file.Entries[r].IsValidation);
        var (records, name) = (split, held.Length, options.ValidationShare) switch
        {
            (DatasetSplit.Train, _, null) => (training, "train"),
            (not DatasetSplit.Train, > 0, _) => (held, "validation"),
            (_, _, { } share) => (HeldBackShare.Draw(training, r => file.Entries[r].Label, file.Facts.ClassNames, share, options.Seed, split != DatasetSplit.Train), split == DatasetSplit.Train ? "training share" : "validation share"),
            (DatasetSplit.Evaluation, _, _) => (training, "all"),
            _ => throw new VertebraException($"{path}: no validation images in the pack; pack a folder that has val/, or hold back a share with --val-split 0.1"),
        };
        if (records.Length == 0)
            throw new VertebraException($"{path}: no images in the {name} part of the pack");
        var classNames = options.ClassNames ?? file.Facts.ClassNames;
        return new(file, records, LabelsIn(classNames, file, records), classNames, name);
    }

    private static int[] LabelsIn(IReadOnlyList<string> classNames, VpkFile file, int[] records)
    {
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < classNames.Count; i++)
            places.TryAdd(classNames[i], i);
        var own = file.Facts.ClassNames;
        if (ReferenceEquals(own, classNames))
            return [.. Enumerable.Range(0, own.Count)];
        foreach (var label in records.Select(r => file.Entries[r].Label).Distinct())
        {
            if (!places.ContainsKey(own[label]))
                throw new VertebraException($"{file.Path}: its class {own[label]} is none of the network's {classNames.Count}; use images of classes that the network knows");
        }
        return [.. own.Select(name => places.GetValueOrDefault(name, -1))];
    }
}
