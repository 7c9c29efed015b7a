using System.Net;
using System.Net.Sockets;
using Vertebra.Zoo.Weights;

namespace Vertebra.Tests.Zoo;

/// <summary>Downloads from a hub on this machine: the cache's layout, resuming, checks, refusals.</summary>
public sealed class WeightHubTests : IDisposable
{
    private const string Id = "timm/test_resnet.r160_in1k";
    private const string File = "model.safetensors";
    private static readonly HubRepository s_repository = HubRepository.Parse(Id);

    private readonly TemporaryFolder _folder = new();
    private readonly HubServer _store = new();
    private readonly HubServer _server;
    private readonly byte[] _content = new byte[1_000_003];
    private readonly List<string> _notes = [];

    public WeightHubTests()
    {
        _server = new() { Store = _store };
        new Random(1).NextBytes(_content);
        _server.Add(Id, File, _content);
    }

    private string Root => Path.Combine(_folder.Path, "models--timm--test_resnet.r160_in1k");

    private string Partial => Path.Combine(Root, "blobs", $"{HubServer.Sha256(_content)}.incomplete");

    public void Dispose()
    {
        _server.Dispose();
        _store.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void The_cache_has_the_layout_of_huggingface_hub()
    {
        var seen = new List<DownloadProgress>();
        var path = Hub(progress: seen.Add).FetchWeights(s_repository);
        Assert.Equal(Path.Combine(Root, "snapshots", HubServer.Commit, File), path);
        Assert.Equal(_content, System.IO.File.ReadAllBytes(path));
        Assert.Equal(_content, System.IO.File.ReadAllBytes(Path.Combine(Root, "blobs", HubServer.Sha256(_content))));
        Assert.Equal(HubServer.Commit, System.IO.File.ReadAllText(Path.Combine(Root, "refs", "main")));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(Path.Combine("..", "..", "blobs", HubServer.Sha256(_content)), new FileInfo(path).LinkTarget);
        Assert.Equal((_content.Length, _content.Length), (seen[^1].Done, seen[^1].Total));
        Assert.Empty(Directory.GetFiles(Root, "*.incomplete", SearchOption.AllDirectories));

        // Again: the hub is asked whether there is a newer commit, and nothing is sent.
        var gets = Gets;
        Assert.Equal(path, Hub().FetchWeights(s_repository));
        Assert.Equal(gets, Gets);
    }

    [Fact]
    public void Small_files_are_checked_by_gits_hash()
    {
        var config = "{}"u8.ToArray();
        _server.Add(Id, "config.json", config, isLarge: false);
        Assert.Equal(config, System.IO.File.ReadAllBytes(Hub().TryFetch(s_repository, "config.json")!));
        Assert.True(System.IO.File.Exists(Path.Combine(Root, "blobs", HubServer.GitHash(config))));
        Assert.Null(Hub().TryFetch(s_repository, "absent.json"));
    }

    [Fact]
    public void The_older_format_is_taken_where_there_is_no_other()
    {
        _server.Add("owner/old", "pytorch_model.bin", _content);
        Assert.EndsWith("pytorch_model.bin", Hub().FetchWeights(HubRepository.Parse("owner/old")));
    }

    [Fact]
    public void A_broken_download_goes_on_where_it_stopped()
    {
        _store.Change = (_, reply) => reply with { CutAfter = 300_000 };
        Assert.Equal(_content, System.IO.File.ReadAllBytes(Hub().FetchWeights(s_repository)));
        var starts = _store.Requests.Where(r => r.Method == "GET").Select(r => r.From ?? 0).ToArray();
        Assert.Equal(starts.Order(), starts);
        Assert.True(starts.Length >= 4 && starts.Distinct().Count() == starts.Length, string.Join(' ', starts));
    }

    [Fact]
    public void What_a_failed_download_has_is_kept_for_the_next()
    {
        _store.Change = (request, reply) => reply with { CutAfter = request.From is null ? 400_000 : 0 };
        var error = Assert.Throws<VertebraException>(() => Hub().FetchWeights(s_repository));
        Assert.Contains("broke off at", error.Message);
        Assert.Contains("run the command again", error.Message);
        Assert.False(Directory.Exists(Path.Combine(Root, "snapshots")));
        var length = new FileInfo(Partial).Length;
        Assert.InRange(length, 1, 400_000);

        (_store.Change, var before) = (null, _store.Requests.Count);
        Assert.Equal(_content, System.IO.File.ReadAllBytes(Hub().FetchWeights(s_repository)));
        Assert.Equal(length, _store.Requests.Skip(before).Single(r => r.Method == "GET").From);
    }

    [Fact]
    public void A_stopped_download_is_kept_too()
    {
        using var stop = new CancellationTokenSource();
        _store.Change = (_, reply) => reply with { CutAfter = 500_000, Pause = TimeSpan.FromSeconds(5) };
        Assert.ThrowsAny<OperationCanceledException>(() => Hub(progress: _ => stop.Cancel()).FetchWeights(s_repository, stop.Token));
        Assert.InRange(new FileInfo(Partial).Length, 1, _content.Length - 1);
        _store.Change = null;
        Assert.Equal(_content, System.IO.File.ReadAllBytes(Hub().FetchWeights(s_repository)));
    }

    [Fact]
    public void A_silent_server_counts_as_broken()
    {
        _store.Change = (_, reply) => reply with { CutAfter = 0, Pause = TimeSpan.FromSeconds(5) };
        var hub = new WeightHub(Settings with { Patience = TimeSpan.FromMilliseconds(300) });
        Assert.Contains("broke off at 0.0 of 1.0 MB", Assert.Throws<VertebraException>(() => hub.FetchWeights(s_repository)).Message);
    }

    [Fact]
    public void A_server_without_ranges_sends_everything_again()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Partial)!);
        System.IO.File.WriteAllBytes(Partial, _content[..1000]);
        _store.Change = (request, reply) => reply.Status == 206 ? new HubReply(200) { Body = _content } : reply;
        Assert.Equal(_content, System.IO.File.ReadAllBytes(Hub().FetchWeights(s_repository)));
        Assert.Equal(1000, _store.Requests.Last(r => r.Method == "GET").From);
    }

    [Fact]
    public void A_partial_file_that_is_too_long_is_not_gone_on_with()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Partial)!);
        System.IO.File.WriteAllBytes(Partial, new byte[_content.Length + 1]);
        Assert.Equal(_content, System.IO.File.ReadAllBytes(Hub().FetchWeights(s_repository)));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public void Another_size_than_announced_is_refused(int more)
    {
        _server.Change = (_, reply) => reply.Headers.Any(h => h.Name == "X-Linked-Size") ? reply.With("X-Linked-Size", $"{_content.Length - more}") : reply;
        Assert.Contains($"should have {_content.Length - more} bytes", Assert.Throws<VertebraException>(() => Hub().FetchWeights(s_repository)).Message);
        AssertNothingIsTakenForComplete();
    }

    [Fact]
    public void Damaged_content_is_refused_and_fetched_anew()
    {
        _store.Change = (_, reply) => reply with { Body = [.. reply.Body.Select(b => (byte)(b ^ 1))] };
        Assert.Contains("is damaged", Assert.Throws<VertebraException>(() => Hub().FetchWeights(s_repository)).Message);
        AssertNothingIsTakenForComplete();
        _store.Change = null;
        Assert.Equal(_content, System.IO.File.ReadAllBytes(Hub().FetchWeights(s_repository)));
    }

    [Fact]
    public void A_file_that_does_not_fit_the_disk_is_not_begun()
    {
        _server.Change = (_, reply) => reply.Headers.Any(h => h.Name == "X-Linked-Size") ? reply.With("X-Linked-Size", $"{1L << 60}") : reply;
        var error = Assert.Throws<VertebraException>(() => Hub().FetchWeights(s_repository)).Message;
        Assert.Contains("make room or set HF_HUB_CACHE", error);
        Assert.DoesNotContain(_store.Requests, r => r.Method == "GET");
    }

    [Theory]
    [InlineData(404, "RepoNotFound", "there is no repository")]
    [InlineData(404, "RevisionNotFound", "has no revision 'main'")]
    [InlineData(401, null, "does not exist or is not public")]
    [InlineData(401, "GatedRepo", "accept its licence")]
    [InlineData(403, "GatedRepo", "accept its licence")]
    [InlineData(429, null, "too many requests")]
    [InlineData(503, null, "try again later")]
    public void Refusals_say_what_to_do_in_one_line(int status, string? code, string expected)
    {
        _server.Change = (_, _) => code is null ? new(status) : new HubReply(status).With("X-Error-Code", code);
        var error = Assert.Throws<VertebraException>(() => Hub().FetchWeights(s_repository)).Message;
        Assert.Contains(expected, error);
        Assert.Contains(status is 429 ? _server.Address : Id, error);
        Assert.DoesNotContain('\n', error);
        Assert.Contains("HF_TOKEN", status is 401 or 403 or 429 ? error : "HF_TOKEN");
    }

    [Theory]
    [InlineData("RepoNotFound")]
    [InlineData(null)]
    public void A_missing_repository_brings_the_nearest_ones_to_mind(string? code)
    {
        _server.Change = (_, _) => code is null ? new(404) : new HubReply(404).With("X-Error-Code", code);
        var error = Assert.Throws<VertebraException>(() => Hub().FetchWeights(HubRepository.Parse("timm/resnet50.a9_in1k"))).Message;
        Assert.Contains("timm/resnet50.a9_in1k", error);
        Assert.Contains("timm/resnet50.a1_in1k", error);
    }

    [Fact]
    public void The_token_is_sent_to_the_hub_and_to_no_store()
    {
        new WeightHub(Settings with { Token = "hf_secret" }).FetchWeights(s_repository);
        Assert.All(_server.Requests, r => Assert.Equal("Bearer hf_secret", r.Authorization));
        Assert.NotEmpty(_store.Requests);
        Assert.All(_store.Requests, r => Assert.Null(r.Authorization));
    }

    [Fact]
    public void Endless_redirects_end()
    {
        _server.Change = (request, _) => new HubReply(307).With("Location", request.Path);
        Assert.Contains("redirects", Assert.Throws<VertebraException>(() => Hub().FetchWeights(s_repository)).Message);
    }

    [Fact]
    public async Task Two_that_want_the_same_file_download_it_once()
    {
        _store.Change = (_, reply) => reply with { Pause = TimeSpan.FromMilliseconds(300) };
        var paths = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => Hub().FetchWeights(s_repository))));
        Assert.Single(paths.Distinct());
        Assert.Equal(_content, System.IO.File.ReadAllBytes(paths[0]));
        Assert.Single(_store.Requests, r => r.Method == "GET");
    }

    [Fact]
    public void Offline_takes_what_is_cached_and_asks_nobody()
    {
        var offline = new WeightHub(Settings with { Offline = true });
        Assert.Contains("--offline", Assert.Throws<VertebraException>(() => offline.FetchWeights(s_repository)).Message);
        Assert.Empty(_server.Requests);
        var path = Hub().FetchWeights(s_repository);
        var count = _server.Requests.Count;
        Assert.Equal(path, offline.FetchWeights(s_repository));
        Assert.Equal(path, Hub().FetchWeights(s_repository with { Revision = HubServer.Commit }));
        Assert.Equal(count, _server.Requests.Count);
    }

    [Fact]
    public void Without_a_network_cached_weights_are_used_with_a_note()
    {
        var path = Hub().FetchWeights(s_repository);
        var settings = Settings with { Endpoint = ClosedAddress() };
        Assert.Equal(path, new WeightHub(settings) { Note = _notes.Add }.FetchWeights(s_repository));
        Assert.Contains("using what is cached", Assert.Single(_notes));
        var error = Assert.ThrowsAny<VertebraException>(() => new WeightHub(settings).FetchWeights(HubRepository.Parse("timm/other"))).Message;
        Assert.Contains("cannot reach", error);
        Assert.Contains("--offline", error);
    }

    [Fact]
    public void A_tag_that_is_no_hash_leads_nowhere_out_of_the_cache()
    {
        _server.Change = (_, reply) => reply.Headers.Any(h => h.Name == "X-Linked-Etag") ? reply.With("X-Linked-Etag", "\"../../../evil\"") : reply;
        Assert.Equal(_content, System.IO.File.ReadAllBytes(Hub().FetchWeights(s_repository)));
        Assert.All(Directory.GetFiles(Path.Combine(Root, "blobs")), f => Assert.StartsWith("tag-", Path.GetFileName(f)));
    }

    [Theory]
    [InlineData("../etc")]
    [InlineData("a/b/c")]
    [InlineData("owner/..")]
    [InlineData("owner/name@../main")]
    [InlineData("owner/name@")]
    [InlineData("own er/name")]
    [InlineData("")]
    public void Names_that_lead_elsewhere_are_no_repositories(string text) =>
        Assert.Contains("no repository", Assert.Throws<VertebraException>(() => HubRepository.Parse(text)).Message);

    [Fact]
    public void Settings_come_from_the_environment()
    {
        var home = _folder["home"];
        Directory.CreateDirectory(home);
        System.IO.File.WriteAllText(Path.Combine(home, "token"), "hf_file\n");
        var variables = new Dictionary<string, string> { ["HF_HOME"] = home };
        HubSettings Read() => HubSettings.FromEnvironment(variables.GetValueOrDefault);
        Assert.Equal((Path.Combine(home, "hub"), "hf_file", HubSettings.DefaultEndpoint, false), (Read().CacheFolder, Read().Token, Read().Endpoint, Read().Offline));
        variables["HF_HUB_CACHE"] = _folder["cache"];
        variables["HF_TOKEN"] = "hf_variable";
        variables["HF_ENDPOINT"] = "https://mirror.example/";
        variables["HF_HUB_OFFLINE"] = "1";
        Assert.Equal((_folder["cache"], "hf_variable", "https://mirror.example", true), (Read().CacheFolder, Read().Token, Read().Endpoint, Read().Offline));
        variables["HF_ENDPOINT"] = "mirror";
        Assert.Contains("HF_ENDPOINT", Assert.Throws<VertebraException>(Read).Message);
        variables["HF_ENDPOINT"] = "http://mirror";
        variables["HF_TOKEN"] = "two\nlines";
        Assert.Contains("HF_TOKEN", Assert.Throws<VertebraException>(Read).Message);
    }

    private int Gets => _store.Requests.Count(r => r.Method == "GET");

    private HubSettings Settings => new() { Endpoint = _server.Address, CacheFolder = _folder.Path, RetryPause = TimeSpan.FromMilliseconds(1), Patience = TimeSpan.FromSeconds(10) };

    private WeightHub Hub(Action<DownloadProgress>? progress = null) => new(Settings) { Progress = progress, Note = _notes.Add };

    private void AssertNothingIsTakenForComplete()
    {
        Assert.False(Directory.Exists(Path.Combine(Root, "snapshots")));
        Assert.Null(new WeightHub(Settings with { Offline = true }).TryFetch(s_repository, File));
        Assert.False(System.IO.File.Exists(Path.Combine(Root, "blobs", HubServer.Sha256(_content))));
    }

    private static string ClosedAddress()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";
    }
}
