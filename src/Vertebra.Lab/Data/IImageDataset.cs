using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>
/// A set of labelled images. An index in [0, <see cref="Count"/>) names the same image for the life of the object and in
/// every process that opens the same files. All members may be called from several threads at once.
/// </summary>
public interface IImageDataset
{
    /// <summary>What messages call it: kind, split, place and size, as in "cifar10 train in ~/cifar10: 50000 images, 10 classes".</summary>
    string Identity { get; }

    /// <summary>Which of <see cref="DatasetFactory.Names"/> it is, or is like: <c>folder</c> for photos of any size.</summary>
    string Kind => "folder";

    /// <summary>Number of images, at least 1.</summary>
    int Count { get; }

    /// <summary>Names of the classes; a label is a position in this list.</summary>
    IReadOnlyList<string> ClassNames { get; }

    /// <summary>How to feed these images to a network that brings no preprocessing of its own.</summary>
    Preprocessing Preprocessing { get; }

    /// <summary>True when <see cref="Load"/> only copies memory, so that caching its result gains nothing.</summary>
    bool IsInMemory { get; }

    /// <summary>Class of image <paramref name="index"/>, in [0, number of classes); of several the first, and -1 where it has none.</summary>
    int Label(int index);

    /// <summary>Whether an image may show several classes, or none.</summary>
    bool IsMultiLabel => false;

    /// <summary>All classes of image <paramref name="index"/>, ascending.</summary>
    IReadOnlyList<int> LabelsOf(int index) => [Label(index)];

    /// <summary>What messages call image <paramref name="index"/>: its file, or its file and record.</summary>
    string NameOf(int index);

    /// <summary>Reads image <paramref name="index"/>; the result belongs to the caller.</summary>
    /// <exception cref="VertebraException">The image is damaged, of an unsupported kind or cannot be read; the message names it.</exception>
    RgbImage Load(int index);

    /// <summary>The bytes that image <paramref name="index"/> is stored as, so that a part of it can be decoded; null where they are of no format that is decoded here.</summary>
    /// <exception cref="VertebraException">They cannot be read, or are known to be damaged; the message names the image.</exception>
    StoredImage? Borrow(int index) => null;
}
