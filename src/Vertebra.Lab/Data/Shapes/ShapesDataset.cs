using System.Text.Json.Nodes;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Lab.Data.Shapes;

/// <summary>What the generated set is like.</summary>
public sealed record ShapesOptions
{
    /// <summary>Decides every picture; another seed gives another set of the same kind.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Rows and columns of each picture, 8 to 1024.</summary>
    public int ImageSize { get; init; } = 32;

    /// <summary>Pictures to learn from; the classes take turns.</summary>
    public int TrainCount { get; init; } = 10000;

    /// <summary>Pictures held back.</summary>
    public int ValidationCount { get; init; } = 1000;
}

/// <summary>
/// The built-in data set: ten outlines, textured and cluttered, drawn by a program, so that it needs no download. Written
/// once as PNG files in class folders, then read like anybody's images.
/// </summary>
public static class ShapesDataset
{
    /// <summary>To be raised whenever a picture would come out differently.</summary>
    private const int Version = 1;

    private const string MarkerName = "shapes.json";
    private const int ProgressStep = 50;

    /// <summary>Names of the classes, in label order.</summary>
    public static IReadOnlyList<string> ClassNames { get; } = [.. Enum.GetNames<ShapeKind>().Select(name => name.ToLowerInvariant())];

    /// <summary>Opens a split of the set, generating the whole set first where it is not there yet.</summary>
    /// <param name="directory">Where generated sets are kept, each in a folder of its own; made when absent.</param>
    /// <param name="split">Which pictures.</param>
    /// <param name="options">What the set is like, progress and cancellation of the generation.</param>
    /// <exception cref="VertebraException">An option is out of range, the folder cannot be written, or pictures of an earlier generation were removed.</exception>
    /// <exception cref="OperationCanceledException">The generation was cancelled; nothing of it is left.</exception>
    public static FolderDataset Open(string directory, DatasetSplit split, DatasetOptions options)
    {
        var shapes = options.Shapes;
        var root = Generate(directory, shapes, options.Progress, options.Cancellation);
        var isTraining = split == DatasetSplit.Train;
        var dataset = FolderDataset.Open(root, split, options with { ValidationShare = null });
        var expected = isTraining ? shapes.TrainCount : shapes.ValidationCount;
        if (dataset.Count != expected)
            throw new VertebraException($"{root}: {dataset.Count} {(isTraining ? "training" : "validation")} pictures instead of {expected}; delete the folder to have it generated anew");
        return dataset.As("shapes", Preprocessing.Whole(shapes.ImageSize, [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]));
    }

    /// <summary>Draws one picture of the set; its class is <paramref name="index"/> modulo the number of classes.</summary>
    /// <param name="index">Training pictures come first, then those held back.</param>
    /// <param name="size">Rows and columns.</param>
    /// <param name="seed">Seed of the set.</param>
    public static RgbImage Draw(int index, int size, ulong seed) =>
        new ShapeScene((ShapeKind)(index % ClassNames.Count), seed, index).Render(size);

    /// <summary>
    /// Writes the set as <c>train/CLASS/NUMBER.png</c> and <c>val/CLASS/NUMBER.png</c>. It is written beside its place and
    /// moved there when complete, so what is found there is whole; a set that is there already is left as it is.
    /// </summary>
    /// <returns>The folder of the set.</returns>
    /// <inheritdoc cref="Open" path="/exception"/>
    public static string Generate(string directory, ShapesOptions options, Action<long, long, string>? progress = null, CancellationToken cancellation = default)
    {
        Validate(options);
        var name = $"shapes-v{Version}-seed{options.Seed}-{options.ImageSize}px-{options.TrainCount}-{options.ValidationCount}";
        var root = Path.Combine(directory, name);
        if (File.Exists(Path.Combine(root, MarkerName)))
            return root;
        try
        {
            Directory.CreateDirectory(directory);
            using var turn = WaitForTurn(Path.Combine(directory, $".{name}.lock"), cancellation);
            if (File.Exists(Path.Combine(root, MarkerName)))
                return root;
            if (Directory.Exists(root))
                throw new VertebraException($"{root}: is in the way of the generated set but has no {MarkerName}; move it elsewhere or delete it");
            var unfinished = Path.Combine(directory, $".{name}.unfinished");
            DeleteFolder(unfinished);
            try
            {
                WriteAll(unfinished, options, progress, cancellation);
                Directory.Move(unfinished, root);
            }
            catch
            {
                DeleteFolder(unfinished);
                throw;
            }
            return root;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"{directory}: cannot write the generated images: {e.Message}", e);
        }
    }

    private static void WriteAll(string root, ShapesOptions options, Action<long, long, string>? progress, CancellationToken cancellation)
    {
        foreach (var name in ClassNames)
        {
            Directory.CreateDirectory(Path.Combine(root, "train", name));
            Directory.CreateDirectory(Path.Combine(root, "val", name));
        }
        var (total, done) = (options.TrainCount + options.ValidationCount, 0);
        var gate = new Lock();
        try
        {
            Parallel.For(0, total, new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Environment.ProcessorCount }, index =>
            {
                var file = Path.Combine(root, index < options.TrainCount ? "train" : "val", ClassNames[index % ClassNames.Count], $"{index:D6}.png");
                // No flush to the disk for each file: the folder is renamed when all are there.
                File.WriteAllBytes(file, PngWriter.Encode(Draw(index, options.ImageSize, options.Seed)));
                lock (gate)
                {
                    if (++done % ProgressStep == 0 || done == total)
                        progress?.Invoke(done, total, "drawing the shapes data set");
                }
            });
        }
        catch (AggregateException e)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
        var marker = new JsonObject
        {
            ["version"] = Version,
            ["seed"] = options.Seed,
            ["image_size"] = options.ImageSize,
            ["train"] = options.TrainCount,
            ["validation"] = options.ValidationCount,
        };
        File.WriteAllText(Path.Combine(root, MarkerName), marker.ToJsonString() + "\n");
    }

    /// <summary>Opens the lock file for this process alone; another one that generates the same set goes first. The system frees it when a process dies.</summary>
    private static FileStream WaitForTurn(string file, CancellationToken cancellation)
    {
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(file))
            {
                cancellation.WaitHandle.WaitOne(200);
            }
        }
    }

    private static void DeleteFolder(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    private static void Validate(ShapesOptions options)
    {
        if (options.ImageSize is < 8 or > 1024)
            throw new VertebraException($"shapes: image size {options.ImageSize} is outside 8 to 1024");
        // Every class needs a picture in either part, and numbers have six digits.
        var least = ClassNames.Count;
        if (options.TrainCount < least || options.ValidationCount < least || (long)options.TrainCount + options.ValidationCount > 1_000_000)
            throw new VertebraException($"shapes: {options.TrainCount} and {options.ValidationCount} pictures; each part needs {least} or more, both together at most 1000000");
    }
}
