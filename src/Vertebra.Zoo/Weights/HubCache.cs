namespace Vertebra.Zoo.Weights;

/// <summary>
/// One repository in the cache: <c>blobs</c> has the files by hash, <c>snapshots/COMMIT</c> links to them by name, <c>refs</c> says
/// which commit a branch was last seen at. The layout is <c>huggingface_hub</c>'s.
/// </summary>
internal sealed class HubCache(string cacheFolder, HubRepository repository)
{
    private readonly string _root = Path.Combine(cacheFolder, repository.FolderName);

    /// <summary>The file at the repository's revision, as last seen; null when it is not there.</summary>
    public string? Find(string file)
    {
        var commit = repository.IsPinned ? repository.Revision : ReadReference();
        return commit is null ? null : FindAt(commit, file);
    }

    /// <summary>The file at a commit; null when it is not there.</summary>
    public string? FindAt(string commit, string file) => File.Exists(SnapshotOf(commit, file)) ? SnapshotOf(commit, file) : null;

    /// <summary>Where the content of a hash belongs.</summary>
    public string BlobOf(string hash) => Path.Combine(_root, "blobs", hash);

    /// <summary>Keeps which commit the revision stands for.</summary>
    public void WriteReference(string commit)
    {
        if (repository.IsPinned || ReadReference() == commit)
            return;
        var path = ReferencePath;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicFile.WriteText(path, commit);
    }

    /// <summary>Gives content that is complete its name in a snapshot.</summary>
    /// <returns>The path of that name.</returns>
    public string Link(string commit, string file, string blob)
    {
        var path = SnapshotOf(commit, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (File.Exists(path))
            return path;
        File.Delete(path); // a link whose content is gone
        try
        {
            File.CreateSymbolicLink(path, Path.GetRelativePath(Path.GetDirectoryName(path)!, blob));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException && !File.Exists(path))
        {
            // Systems that reserve links to administrators keep the file itself here.
            File.Move(blob, path);
        }
        return path;
    }

    /// <summary>Holds the content of a hash for this process until disposed of; another process that wants it waits.</summary>
    /// <param name="hash">The content.</param>
    /// <param name="waiting">Called once when another process holds it.</param>
    /// <param name="cancellation">Stops the waiting.</param>
    public IDisposable Lock(string hash, Action waiting, CancellationToken cancellation)
    {
        var path = Path.Combine(cacheFolder, ".locks", repository.FolderName, $"{hash}.lock");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        for (var told = false; ; told = true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
            }
            catch (IOException) when (File.Exists(path))
            {
                if (!told)
                    waiting();
                cancellation.WaitHandle.WaitOne(100);
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }

    private string ReferencePath => Path.Combine([_root, "refs", .. repository.Revision.Split('/')]);

    private string SnapshotOf(string commit, string file) => Path.Combine([_root, "snapshots", commit, .. file.Split('/')]);

    private string? ReadReference() =>
        File.Exists(ReferencePath) && File.ReadAllText(ReferencePath).Trim() is var commit && HubRepository.IsCommit(commit) ? commit : null;
}
