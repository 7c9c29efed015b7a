namespace Vertebra.Lab.Data.Images;

/// <summary>Words the errors of one image file alike: the file, what is wrong, at which byte, and what to do.</summary>
internal readonly record struct ImageFileErrors(string FileName, string Format)
{
    public FileFormatException Damaged(string problem, long offset) => Damaged($"{problem}, at byte {offset}");

    public FileFormatException Damaged(string problem) =>
        new($"{FileName}: damaged {Format} file: {problem}; replace the file or remove it");

    public FileFormatException Truncated(string missing, long offset) =>
        new($"{FileName}: {Format} file cut short: {missing} missing at byte {offset}; get the whole file or remove it");

    public FileFormatException Unsupported(string what) =>
        new($"{FileName}: {what} is not supported; convert it to an ordinary 8-bit JPEG or PNG");

    public FileFormatException TooLarge(long width, long height, long maxPixels) =>
        new($"{FileName}: {width}x{height} pixels is more than the limit of {maxPixels}; shrink the picture or raise the limit");
}
