using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Vertebra.Zoo.Weights;

/// <summary>One file from the hub to the disk: going on where an earlier trial stopped, checked before it counts.</summary>
internal sealed class HubDownload(HubClient client, HubFile file, string what, HubSettings settings, Action<DownloadProgress>? progress)
{
    // Trials in a row that bring nothing, and all of them.
    private const int MostFailures = 5;
    private const int MostTrials = 100;

    private static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(200);

    private readonly byte[] _buffer = new byte[1 << 17];
    private readonly Stopwatch _clock = new();
    private long _begun;
    private TimeSpan _reported;

    /// <summary>Downloads into <c>TARGET.incomplete</c> and renames that when it is whole.</summary>
    /// <exception cref="VertebraException">The connection stays broken, the content is not what was announced, or the disk is full.</exception>
    /// <exception cref="OperationCanceledException">It was stopped; the partial file is kept.</exception>
    public void Run(string target, CancellationToken cancellation)
    {
        var partial = $"{target}.incomplete";
        using (var stream = new FileStream(partial, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, 1 << 16))
        {
            if (stream.Length > file.Size)
                stream.SetLength(0);
            RequireSpace(partial, (file.Size ?? 0) - stream.Length);
            stream.Position = stream.Length;
            _begun = stream.Length;
            _clock.Restart();
            ReceiveAll(stream, cancellation);
            stream.Flush(flushToDisk: true);
            Check(stream);
        }
        File.Move(partial, target, overwrite: true);
        progress?.Invoke(new(what, file.Size ?? new FileInfo(target).Length, file.Size, TimeSpan.Zero));
    }

    private void ReceiveAll(FileStream stream, CancellationToken cancellation)
    {
        var failures = 0;
        for (var trial = 1; ; trial++)
        {
            var before = stream.Length;
            var reason = stream.Length == file.Size ? null : Receive(stream, cancellation);
            if (reason is null)
                return;
            failures = stream.Length > before ? 1 : failures + 1;
            if (failures == MostFailures || trial == MostTrials)
                throw new VertebraException($"the download of {what} broke off at {Megabytes(stream.Length)} of {Megabytes(file.Size)} MB ({reason}); run the command again, it goes on from there");
            cancellation.WaitHandle.WaitOne(settings.RetryPause * (1 << (failures - 1)));
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>One request; appends what comes.</summary>
    /// <returns>null at the end of the content, else why it stopped before.</returns>
    private string? Receive(FileStream stream, CancellationToken cancellation)
    {
        try
        {
            using var response = client.Open(file, stream.Length, cancellation);
            if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
            {
                stream.SetLength(0);
                return "the server has nothing after the part that is here";
            }
            if (response.StatusCode is not (HttpStatusCode.OK or HttpStatusCode.PartialContent))
                return $"the server answers {(int)response.StatusCode} {response.ReasonPhrase}";
            Begin(stream, response);
            using var content = response.Content.ReadAsStream(cancellation);
            return Copy(content, stream, cancellation);
        }
        catch (HubUnreachableException e)
        {
            return e.Message.Split(';')[0];
        }
    }

    // Puts the stream where the response begins, and compares what it promises.
    private void Begin(FileStream stream, HttpResponseMessage response)
    {
        var headers = response.Content.Headers;
        var isPart = response.StatusCode == HttpStatusCode.PartialContent && headers.ContentRange?.From == stream.Length;
        if (!isPart)
        {
            if (response.StatusCode == HttpStatusCode.PartialContent)
                throw new VertebraException($"{file.Address.Host} sends another part of {what} than asked for; a proxy may be in the way: check HF_ENDPOINT");
            stream.SetLength(0);
            _begun = 0;
        }
        var total = isPart ? headers.ContentRange?.Length : headers.ContentLength;
        if (total is { } length && file.Size is { } size && length != size)
            throw new VertebraException($"{what} should have {size} bytes, but the server sends {length}; try again later, or set HF_ENDPOINT to another mirror");
    }

    private string? Copy(Stream content, FileStream stream, CancellationToken cancellation)
    {
        while (true)
        {
            int count;
            using (var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation))
            {
                patience.CancelAfter(settings.Patience);
                try
                {
                    count = content.ReadAsync(_buffer, patience.Token).AsTask().GetAwaiter().GetResult();
                }
                catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
                {
                    return $"nothing came for {settings.Patience.TotalSeconds:0} s";
                }
                catch (Exception e) when (e is IOException or HttpRequestException)
                {
                    return e.Message.TrimEnd('.');
                }
                catch (OperationCanceledException)
                {
                    stream.Flush(flushToDisk: true);
                    throw;
                }
            }
            if (count == 0)
                return file.Size is null || stream.Length >= file.Size ? null : "the server closed the connection";
            stream.Write(_buffer, 0, count);
            if (stream.Length > file.Size)
            {
                stream.SetLength(0);
                throw new VertebraException($"{what} should have {file.Size} bytes, but the server sends more; try again later, or set HF_ENDPOINT to another mirror");
            }
            Report(stream.Length);
        }
    }

    private void Report(long done)
    {
        if (progress is null || (_clock.Elapsed - _reported < ReportInterval && done != file.Size))
            return;
        _reported = _clock.Elapsed;
        var pace = (done - _begun) / Math.Max(1e-3, _clock.Elapsed.TotalSeconds);
        progress(new(what, done, file.Size, file.Size is { } size && pace > 0 ? TimeSpan.FromSeconds((size - done) / pace) : null));
    }

    private void Check(FileStream stream)
    {
        if (HashOf(stream) is not { } found || found == file.Hash)
            return;
        stream.SetLength(0);
        throw new VertebraException($"{what} is damaged: its hash is {found[..12]}..., the hub says {file.Hash[..12]}...; run the command again, it begins anew");
    }

    // SHA-256 of large files, git's blob hash of small ones; other tags say nothing about the content.
    private string? HashOf(FileStream stream)
    {
        var isHex = file.Hash.All(char.IsAsciiHexDigitLower);
        stream.Position = 0;
        if (isHex && file.Hash.Length == 64)
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        if (!isHex || file.Hash.Length != 40)
            return null;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(Encoding.ASCII.GetBytes(FormattableString.Invariant($"blob {stream.Length}\0")));
        for (int count; (count = stream.Read(_buffer)) > 0;)
            hash.AppendData(_buffer, 0, count);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private void RequireSpace(string path, long bytes)
    {
        long free;
        try
        {
            free = new DriveInfo(Path.GetDirectoryName(Path.GetFullPath(path))!).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return; // not every file system tells
        }
        if (bytes > free)
            throw new VertebraException($"{what} needs {Megabytes(bytes)} MB, and {settings.CacheFolder} has {Megabytes(free)} MB left; make room or set HF_HUB_CACHE to a folder on another disk");
    }

    private static string Megabytes(long? bytes) => bytes is { } b ? FormattableString.Invariant($"{b / 1e6:0.0}") : "?";
}
