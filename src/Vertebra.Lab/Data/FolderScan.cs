using System.IO.Enumeration;

namespace Vertebra.Lab.Data;

/// <summary>Finds the class folders and the images of a folder.</summary>
internal static class FolderScan
{
    private const int LargestDepth = 32;

    // Files with these endings are meant as images: one that is none is reported when it is read, not passed over.
    private static readonly HashSet<string> ImageEndings = new(StringComparer.OrdinalIgnoreCase)
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jp2", ".jxl",
    };

    /// <summary>An image: its path below the root, and its class.</summary>
    public sealed record Item(string Path, int Label);

    /// <summary>The sub-folder of that name, in any case; null when there is none.</summary>
    public static string? SubFolder(string directory, string name) =>
        SubFolders(directory).FirstOrDefault(folder => Path.GetFileName(folder).Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Names of the class folders, sorted.</summary>
    /// <exception cref="VertebraException">There are fewer than two.</exception>
    public static string[] ClassesOf(string root)
    {
        var names = SubFolders(root).Select(folder => Path.GetFileName(folder)!).ToArray();
        return names.Length switch
        {
            0 => throw new VertebraException($"{root}: no class folders; put the images of each class into a folder named after it"),
            1 => throw new VertebraException($"{root}: only one class folder, {names[0]}/; telling classes apart needs at least two"),
            _ => names,
        };
    }

    /// <summary>All images of all classes, by class and path.</summary>
    /// <param name="root">Folder of the class folders.</param>
    /// <param name="names">Class names in label order.</param>
    /// <param name="mayLackClasses">True when not every class need have a folder with images.</param>
    /// <exception cref="VertebraException">A folder is none of the classes, a class has no image, or there is none at all.</exception>
    public static Item[] Scan(string root, IReadOnlyList<string> names, bool mayLackClasses)
    {
        var folders = SubFolders(root).ToDictionary(folder => Path.GetFileName(folder)!, StringComparer.Ordinal);
        var known = names.ToHashSet(StringComparer.Ordinal);
        if (folders.Keys.Order(StringComparer.Ordinal).FirstOrDefault(name => !known.Contains(name)) is { } foreign)
            throw new VertebraException($"{root}: {foreign}/ is none of the {names.Count} classes ({Enumerate(names)}); remove or rename it");
        var items = new List<Item>();
        for (var label = 0; label < names.Count; label++)
        {
            var before = items.Count;
            if (folders.TryGetValue(names[label], out var folder))
                items.AddRange(ImagesBelow(folder).Select(file => new Item(Path.GetRelativePath(root, file), label)));
            if (items.Count == before && (!mayLackClasses || folder is not null))
                throw new VertebraException($"{Path.Combine(root, names[label])}: no images of this class; add some or remove the folder");
        }
        return items.Count > 0 ? [.. items]
            : throw new VertebraException($"{root}: no images; put the images of each class into a folder named after it");
    }

    private static string Enumerate(IReadOnlyList<string> names) =>
        names.Count <= 8 ? string.Join(", ", names) : string.Join(", ", names.Take(8)) + ", ...";

    private static string[] SubFolders(string directory)
    {
        try
        {
            var folders = Directory.GetDirectories(directory).Where(folder => !IsHidden(Path.GetFileName(folder))).ToArray();
            Array.Sort(folders, StringComparer.Ordinal);
            return folders;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"{directory}: cannot list the folder: {e.Message}", e);
        }
    }

    /// <summary>All images of a folder, at any depth, sorted by path.</summary>
    public static List<string> ImagesBelow(string folder)
    {
        try
        {
            // Links to folders are not followed below a class: they may lead in a circle.
            var files = new FileSystemEnumerable<string>(folder, (ref FileSystemEntry entry) => entry.ToFullPath(), new EnumerationOptions
            {
                RecurseSubdirectories = true,
                MaxRecursionDepth = LargestDepth,
                AttributesToSkip = FileAttributes.None,
                IgnoreInaccessible = false,
            })
            {
                ShouldIncludePredicate = (ref FileSystemEntry entry) => !entry.IsDirectory && !IsHidden(entry.FileName),
                ShouldRecursePredicate = (ref FileSystemEntry entry) => !IsHidden(entry.FileName) && (entry.Attributes & FileAttributes.ReparsePoint) == 0,
            };
            var images = files.Where(IsImage).ToList();
            images.Sort(StringComparer.Ordinal);
            return images;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"{folder}: cannot list the folder: {e.Message}", e);
        }
    }

    private static bool IsHidden(ReadOnlySpan<char> name) => name.StartsWith('.') || name.SequenceEqual("__MACOSX");

    private static bool IsImage(string file)
    {
        if (ImageEndings.Contains(Path.GetExtension(file)))
            return true;
        try
        {
            Span<byte> start = stackalloc byte[8];
            using var stream = DatasetFiles.OpenRead(file);
            var length = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
            return start[..length].StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])
                || start[..length].SequenceEqual((ReadOnlySpan<byte>)[0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        }
        catch (Exception e) when (e is VertebraException or IOException)
        {
            // Neither named like an image nor readable: a dead link, another user's lock file.
            return false;
        }
    }
}
