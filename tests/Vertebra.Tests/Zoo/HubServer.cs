using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Vertebra.Tests.Zoo;

/// <summary>
/// A hub of model repositories on this machine: answers as the real one does (hashes, sizes and commits in headers, large files redirected to a
/// store, ranges), and misbehaves as tests ask.
/// </summary>
internal sealed class HubServer : IDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<string, (byte[] Content, bool IsLarge)> _files = new();

    public HubServer()
    {
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Address => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>Every request so far.</summary>
    public ConcurrentQueue<HubRequest> Requests { get; } = new();

    /// <summary>Where large files lie; here if null.</summary>
    public HubServer? Store { get; init; }

    /// <summary>Changes answers, or gives others.</summary>
    public Func<HubRequest, HubReply, HubReply>? Change { get; set; }

    /// <summary>Publishes a file.</summary>
    /// <param name="repository">Owner and name.</param>
    /// <param name="file">Path in it.</param>
    /// <param name="content">What it has.</param>
    /// <param name="isLarge">Kept in the store under its SHA-256; else in git.</param>
    public void Add(string repository, string file, byte[] content, bool isLarge = true)
    {
        _files[$"/{repository}/resolve/main/{file}"] = (content, isLarge);
        _files[$"/{repository}/resolve/{Commit}/{file}"] = (content, isLarge);
        (Store ?? this)._files[$"/store/{Sha256(content)}"] = (content, false);
    }

    public static string Sha256(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    public static string GitHash(byte[] content) =>
        Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes(FormattableString.Invariant($"blob {content.Length}\0")), .. content]));

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Disposed of.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                var stream = client.GetStream();
                if (await ReadRequestAsync(stream) is not { } request)
                    return;
                Requests.Enqueue(request);
                var reply = Answer(request);
                reply = Change?.Invoke(request, reply) ?? reply;
                await SendAsync(stream, request, reply);
                if (reply.CutAfter is null)
                    client.Client.Shutdown(SocketShutdown.Send);
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                // The client went away.
            }
        }
    }

    private HubReply Answer(HubRequest request)
    {
        if (!_files.TryGetValue(request.Path, out var file))
            return new HubReply(404).With("X-Error-Code", _files.Keys.Any(k => k.StartsWith(request.Path[..(request.Path.LastIndexOf('/') + 1)], StringComparison.Ordinal)) ? "EntryNotFound" : "RepoNotFound");
        var (content, isLarge) = file;
        var size = content.Length.ToString(CultureInfo.InvariantCulture);
        if (isLarge)
        {
            return new HubReply(302).With("X-Repo-Commit", Commit).With("X-Linked-Etag", $"\"{Sha256(content)}\"").With("X-Linked-Size", size)
                .With("ETag", "\"pointer\"").With("Location", $"{(Store ?? this).Address}/store/{Sha256(content)}");
        }
        if (request.From is not { } from)
            return new HubReply(200) { Body = content }.With("X-Repo-Commit", Commit).With("ETag", $"\"{GitHash(content)}\"");
        if (from >= content.Length)
            return new HubReply(416);
        return new HubReply(206) { Body = content[(int)from..] }.With("Content-Range", $"bytes {from}-{content.Length - 1}/{size}");
    }

    private static async Task<HubRequest?> ReadRequestAsync(NetworkStream stream)
    {
        var head = new List<byte>();
        var one = new byte[1];
        while (!(head.Count >= 4 && head[^4] == '\r' && head[^3] == '\n' && head[^2] == '\r' && head[^1] == '\n'))
        {
            if (await stream.ReadAsync(one) == 0)
                return null;
            head.Add(one[0]);
        }
        var lines = Encoding.ASCII.GetString([.. head]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = lines.Skip(1).Select(l => l.Split(": ", 2)).ToDictionary(p => p[0], p => p[1], StringComparer.OrdinalIgnoreCase);
        var first = lines[0].Split(' ');
        var range = headers.GetValueOrDefault("Range");
        return new(first[0], Uri.UnescapeDataString(first[1]), range is null ? null : long.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture), headers.GetValueOrDefault("Authorization"));
    }

    private static async Task SendAsync(NetworkStream stream, HubRequest request, HubReply reply)
    {
        var length = reply.ClaimedLength ?? reply.Body.Length;
        var head = new StringBuilder($"HTTP/1.1 {reply.Status} {(HttpStatusCode)reply.Status}\r\nConnection: close\r\nContent-Length: {length}\r\n");
        foreach (var (name, value) in reply.Headers)
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()));
        if (request.Method == "HEAD")
            return;
        await stream.WriteAsync(reply.Body.AsMemory(0, Math.Min(reply.Body.Length, reply.CutAfter ?? int.MaxValue)));
        await stream.FlushAsync();
        await Task.Delay(reply.Pause);
    }
}

/// <summary>What was asked.</summary>
/// <param name="Method">GET or HEAD.</param>
/// <param name="Path">The path.</param>
/// <param name="From">First byte of the range.</param>
/// <param name="Authorization">The header, if any.</param>
internal sealed record HubRequest(string Method, string Path, long? From, string? Authorization);

/// <summary>What is answered.</summary>
internal sealed record HubReply(int Status)
{
    public byte[] Body { get; init; } = [];

    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>A length that is not the body's.</summary>
    public long? ClaimedLength { get; init; }

    /// <summary>The connection ends after so many bytes.</summary>
    public int? CutAfter { get; init; }

    /// <summary>How long the connection stays open after the body.</summary>
    public TimeSpan Pause { get; init; }

    public HubReply With(string name, string value) => this with { Headers = [.. Headers.Where(h => h.Name != name), (name, value)] };
}
