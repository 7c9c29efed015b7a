using System.Net;
using System.Net.Http.Headers;

namespace Vertebra.Zoo.Weights;

/// <summary>What the hub says of a file before it sends it.</summary>
/// <param name="Address">Where the file is asked for.</param>
/// <param name="Commit">The commit that the revision stands for.</param>
/// <param name="Hash">The content's SHA-256 (64 digits), or git's hash of it (40 digits); another server's tag otherwise.</param>
/// <param name="Size">Length in bytes; null where the server does not say.</param>
internal sealed record HubFile(Uri Address, string Commit, string Hash, long? Size);

/// <summary>Talks to the hub. Redirects are followed by hand, so that the token stays with the host it is for.</summary>
internal sealed class HubClient(HubSettings settings) : IDisposable
{
    private const int MostRedirects = 10;

    // Proxies are those of the environment: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = settings.Patience, AutomaticDecompression = DecompressionMethods.None })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public void Dispose() => _http.Dispose();

    /// <summary>Asks for a file's facts.</summary>
    /// <returns>null when the repository has no such file.</returns>
    /// <exception cref="HubUnreachableException">Nobody answers.</exception>
    /// <exception cref="VertebraException">The hub refuses, or its answer makes no sense.</exception>
    public HubFile? Ask(HubRepository repository, string file, CancellationToken cancellation)
    {
        var address = new Uri($"{settings.Endpoint}/{repository.Id}/resolve/{Uri.EscapeDataString(repository.Revision)}/{string.Join('/', file.Split('/').Select(Uri.EscapeDataString))}");
        var target = address;
        for (var hop = 0; hop < MostRedirects; hop++)
        {
            using var response = Send(HttpMethod.Head, target, from: null, cancellation);
            var headers = response.Headers;
            var isRedirect = IsRedirect(response);
            if (!isRedirect && !response.IsSuccessStatusCode)
                return HubErrors.IsMissingFile(response) ? null : throw HubErrors.Of(response, repository, file, settings);
            // Large files are redirected to a store; the hub itself has said what they are then.
            var hash = First(headers, "X-Linked-ETag") ?? headers.ETag?.Tag ?? First(headers, "ETag");
            if (hash is not null && (!isRedirect || First(headers, "X-Linked-ETag") is not null))
                return new(address, Commit(headers, repository), Name(hash), Size(response, isRedirect));
            if (!isRedirect)
                throw new VertebraException($"{target.Host} sends {file} of {repository} without a hash (ETag); it is no hub, or a proxy takes headers away: check HF_ENDPOINT");
            target = Follow(target, response);
        }
        throw new VertebraException($"{address}: more than {MostRedirects} redirects; check HF_ENDPOINT");
    }

    /// <summary>Begins to read a file's content.</summary>
    /// <param name="file">The file.</param>
    /// <param name="from">The first byte wanted.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <returns>The response, to be disposed of: 206 when the server begins at <paramref name="from"/>, 200 when at the beginning, 416 when there is nothing there.</returns>
    /// <exception cref="HubUnreachableException">Nobody answers.</exception>
    public HttpResponseMessage Open(HubFile file, long from, CancellationToken cancellation)
    {
        var target = file.Address;
        for (var hop = 0; hop < MostRedirects; hop++)
        {
            var response = Send(HttpMethod.Get, target, from, cancellation);
            if (!IsRedirect(response))
                return response;
            using (response)
                target = Follow(target, response);
        }
        throw new VertebraException($"{file.Address}: more than {MostRedirects} redirects; check HF_ENDPOINT");
    }

    private HttpResponseMessage Send(HttpMethod method, Uri target, long? from, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, target);
        request.Headers.UserAgent.Add(new("vertebra", typeof(HubClient).Assembly.GetName().Version?.ToString(3) ?? "0"));
        request.Headers.AcceptEncoding.Add(new("identity"));
        if (from is > 0)
            request.Headers.Range = new(from, null);
        if (settings.Token is { } token && IsEndpoint(target))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(settings.Patience);
        try
        {
            return _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HubUnreachableException(target, $"no answer in {settings.Patience.TotalSeconds:0} s");
        }
        catch (HttpRequestException e)
        {
            throw new HubUnreachableException(target, e.InnerException?.Message ?? e.Message);
        }
    }

    private bool IsEndpoint(Uri target)
    {
        var endpoint = new Uri(settings.Endpoint);
        return (target.Scheme, target.Host, target.Port) == (endpoint.Scheme, endpoint.Host, endpoint.Port);
    }

    private static bool IsRedirect(HttpResponseMessage response) => (int)response.StatusCode is 301 or 302 or 303 or 307 or 308;

    private static Uri Follow(Uri target, HttpResponseMessage response)
    {
        if (response.Headers.Location is not { } location)
            throw new VertebraException($"{target.Host} redirects without saying where to; check HF_ENDPOINT");
        var next = location.IsAbsoluteUri ? location : new Uri(target, location);
        if (next.Scheme is not ("http" or "https") || (target.Scheme == "https" && next.Scheme != "https"))
            throw new VertebraException($"{target.Host} redirects from {target.Scheme} to {next.Scheme}, which is not followed; check HF_ENDPOINT");
        return next;
    }

    private static string? First(HttpResponseHeaders headers, string name) => headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;

    private static string Commit(HttpResponseHeaders headers, HubRepository repository) =>
        First(headers, "X-Repo-Commit") is { } commit && HubRepository.IsCommit(commit) ? commit
        : throw new VertebraException($"the answer for {repository} names no commit (X-Repo-Commit); it is no hub, or a proxy takes headers away: check HF_ENDPOINT");

    // The tag becomes a file name: quotes and the mark of weak tags go, and what else is no hash is hashed.
    private static string Name(string tag)
    {
        var text = tag.StartsWith("W/", StringComparison.Ordinal) ? tag[2..].Trim('"') : tag.Trim('"');
        return text.Length is > 0 and <= 128 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') ? text
            : $"tag-{Convert.ToHexStringLower(System.Security.Cryptography.SHA1.HashData(System.Text.Encoding.UTF8.GetBytes(text)))}";
    }

    private static long? Size(HttpResponseMessage response, bool isRedirect) =>
        long.TryParse(First(response.Headers, "X-Linked-Size"), out var linked) && linked >= 0 ? linked : isRedirect ? null : response.Content.Headers.ContentLength;
}

/// <summary>Nobody answers.</summary>
internal sealed class HubUnreachableException(Uri target, string reason) : VertebraException(
    $"cannot reach {target.GetLeftPart(UriPartial.Authority)}: {reason}; check the network or HF_ENDPOINT, or use --offline (HF_HUB_OFFLINE=1) with weights that are cached");
