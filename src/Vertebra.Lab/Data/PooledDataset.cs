using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>
/// Labelled and unlabelled images as one set: first all labelled ones, then the others, whose label is <see cref="NoLabel"/>. An epoch draws
/// its order over both.
/// </summary>
/// <param name="labelled">Images with labels, which decide classes and preprocessing.</param>
/// <param name="unlabelled">Images whose labels are not looked at.</param>
public sealed class PooledDataset(IImageDataset labelled, IImageDataset unlabelled) : IImageDataset
{
    /// <summary>The label of an image that has none.</summary>
    public const int NoLabel = -1;

    public string Identity { get; } = $"{labelled.Identity}, and without labels {unlabelled.Identity}";

    public string Kind => labelled.Kind;

    public int Count { get; } = checked(labelled.Count + unlabelled.Count);

    public IReadOnlyList<string> ClassNames => labelled.ClassNames;

    public Preprocessing Preprocessing => labelled.Preprocessing;

    public bool IsInMemory => labelled.IsInMemory && unlabelled.IsInMemory;

    /// <summary>Class of an image, or <see cref="NoLabel"/>.</summary>
    public int Label(int index) => index < labelled.Count ? labelled.Label(index) : NoLabel;

    public IReadOnlyList<int> LabelsOf(int index) => index < labelled.Count ? labelled.LabelsOf(index) : [];

    public string NameOf(int index) => index < labelled.Count ? labelled.NameOf(index) : unlabelled.NameOf(index - labelled.Count);

    public RgbImage Load(int index) => index < labelled.Count ? labelled.Load(index) : unlabelled.Load(index - labelled.Count);

    public StoredImage? Borrow(int index) => index < labelled.Count ? labelled.Borrow(index) : unlabelled.Borrow(index - labelled.Count);
}
