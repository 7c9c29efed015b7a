namespace Vertebra.Zoo.Weights;

/// <summary>How far a download is.</summary>
/// <param name="What">Repository and file.</param>
/// <param name="Done">Bytes on the disk, those of an earlier trial included.</param>
/// <param name="Total">Bytes in all; null where the server does not say.</param>
/// <param name="Left">How long it will still take at this pace; null while nothing is known.</param>
public readonly record struct DownloadProgress(string What, long Done, long? Total, TimeSpan? Left);

/// <summary>
/// Files of the hub: from the cache, or downloaded into it. A file appears under its name only when all of it is on the disk and
/// its hash is right; what a broken or interrupted download has is kept, and the next one goes on from there.
/// </summary>
public sealed class WeightHub
{
    /// <summary>The weight files that are looked for, in this order.</summary>
    private static readonly string[] WeightNames = ["model.safetensors", "pytorch_model.bin"];

    private readonly HubSettings _settings;

    /// <param name="settings">Where from and where to; as the environment says if null.</param>
    public WeightHub(HubSettings? settings = null) => _settings = settings ?? HubSettings.FromEnvironment();

    /// <summary>Told how far a download is, a few times a second.</summary>
    public Action<DownloadProgress>? Progress { get; init; }

    /// <summary>Told what the user should know: that cached files are used because nobody answers, that another process downloads.</summary>
    public Action<string>? Note { get; init; }

    /// <summary>The weights of a repository.</summary>
    /// <returns>Path of the cached file.</returns>
    /// <exception cref="VertebraException">There are none, the hub refuses or cannot be reached, or what came is damaged; one line says what to do.</exception>
    public string FetchWeights(HubRepository repository, CancellationToken cancellation = default)
    {
        foreach (var name in WeightNames)
        {
            if (TryFetch(repository, name, cancellation) is { } path)
                return path;
        }
        throw new VertebraException(_settings.Offline
            ? $"{repository} has no weights in the cache {_settings.CacheFolder}, and --offline (HF_HUB_OFFLINE) forbids asking the hub; run it once without"
            : $"{_settings.Endpoint}/{repository.Id} does not exist or has neither {string.Join(" nor ", WeightNames)} at revision {repository.Revision}{HubErrors.Nearest(repository.Id)}");
    }

    /// <summary>A file of a repository.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="file">Path inside it.</param>
    /// <param name="cancellation">Stops the download; what has come is kept.</param>
    /// <returns>Path of the cached file; null when the repository has no such file, or when offline and it is not cached.</returns>
    /// <exception cref="VertebraException">The hub refuses or cannot be reached, or what came is damaged.</exception>
    public string? TryFetch(HubRepository repository, string file, CancellationToken cancellation = default)
    {
        var cache = new HubCache(_settings.CacheFolder, repository);
        var cached = cache.Find(file);
        if (_settings.Offline || (cached is not null && repository.IsPinned))
            return cached;
        using var client = new HubClient(_settings);
        HubFile? remote;
        try
        {
            remote = client.Ask(repository, file, cancellation);
        }
        catch (HubUnreachableException e) when (cached is not null)
        {
            Note?.Invoke($"{e.Message.Split(';')[0]}; using what is cached of {repository}");
            return cached;
        }
        if (remote is null)
            return null;
        var path = cache.FindAt(remote.Commit, file) ?? Download(client, cache, remote, $"{repository.Id}/{file}", file, cancellation);
        cache.WriteReference(remote.Commit);
        return path;
    }

    private string Download(HubClient client, HubCache cache, HubFile remote, string what, string file, CancellationToken cancellation)
    {
        var blob = cache.BlobOf(remote.Hash);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
            using var held = cache.Lock(remote.Hash, () => Note?.Invoke($"another process downloads {what}; waiting for it"), cancellation);
            if (cache.FindAt(remote.Commit, file) is { } meanwhile)
                return meanwhile;
            if (!File.Exists(blob))
                new HubDownload(client, remote, what, _settings, Progress).Run(blob, cancellation);
            return cache.Link(remote.Commit, file, blob);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot keep {what} in {_settings.CacheFolder}: {e.Message}; make room or set HF_HUB_CACHE to another folder", e);
        }
    }
}
