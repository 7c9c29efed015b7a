namespace Vertebra.Zoo.Weights;

/// <summary>
/// Where published weights come from and where they are kept. The variables of the environment, the folders and their layout
/// are those of Python's <c>huggingface_hub</c>, so that both share one cache.
/// </summary>
public sealed record HubSettings
{
    /// <summary>The hub that is asked unless <c>HF_ENDPOINT</c> names a mirror.</summary>
    public const string DefaultEndpoint = "https://huggingface.co";

    /// <summary>Address of the hub or of a mirror, without a slash at its end.</summary>
    public string Endpoint { get; init; } = DefaultEndpoint;

    /// <summary>Folder of the cached repositories.</summary>
    public required string CacheFolder { get; init; }

    /// <summary>Access token; null: ask as anyone. It is sent to <see cref="Endpoint"/> and to no other host.</summary>
    public string? Token { get; init; }

    /// <summary>True: use what is cached, and ask nobody.</summary>
    public bool Offline { get; init; }

    /// <summary>How long the other side may be silent before a request counts as failed.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Pause before a broken download is tried again; it doubles with each trial.</summary>
    public TimeSpan RetryPause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The settings of <c>HF_ENDPOINT</c>, <c>HF_HUB_CACHE</c> or <c>HF_HOME</c> (default <c>~/.cache/huggingface</c>),
    /// <c>HF_TOKEN</c> or the file that <c>HF_TOKEN_PATH</c> names (default <c>token</c> in the home folder), and <c>HF_HUB_OFFLINE</c>.
    /// </summary>
    /// <param name="variable">Reads a variable; the process's environment if null.</param>
    /// <exception cref="VertebraException">The endpoint is no address, or the token cannot be one.</exception>
    public static HubSettings FromEnvironment(Func<string, string?>? variable = null)
    {
        string? Value(string name) => (variable ?? Environment.GetEnvironmentVariable)(name)?.Trim() is { Length: > 0 } text ? text : null;
        var user = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var home = Expanded(Value("HF_HOME"), user) ?? Path.Combine(Expanded(Value("XDG_CACHE_HOME"), user) ?? Path.Combine(user, ".cache"), "huggingface");
        var tokenFile = Expanded(Value("HF_TOKEN_PATH"), user) ?? Path.Combine(home, "token");
        return new()
        {
            Endpoint = CheckEndpoint(Value("HF_ENDPOINT") ?? DefaultEndpoint),
            CacheFolder = Expanded(Value("HF_HUB_CACHE") ?? Value("HUGGINGFACE_HUB_CACHE"), user) ?? Path.Combine(home, "hub"),
            Token = CheckToken(Value("HF_TOKEN") ?? Value("HUGGING_FACE_HUB_TOKEN") ?? TokenIn(tokenFile)),
            Offline = Value("HF_HUB_OFFLINE")?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE",
        };
    }

    private static string? Expanded(string? path, string user) =>
        path is null ? null : path == "~" ? user : path.StartsWith("~/", StringComparison.Ordinal) ? Path.Combine(user, path[2..]) : path;

    private static string CheckEndpoint(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https") || address.UserInfo.Length > 0)
            throw new VertebraException($"HF_ENDPOINT is '{text}'; it must be the address of a hub, as {DefaultEndpoint}");
        return text.TrimEnd('/');
    }

    private static string? TokenIn(string file)
    {
        try
        {
            return File.Exists(file) && new FileInfo(file).Length < 4096 && File.ReadAllText(file).Trim() is { Length: > 0 } token ? token : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot read the access token in {file}: {e.Message}", e);
        }
    }

    private static string? CheckToken(string? token) =>
        token is null || token.All(c => c is > ' ' and < '\x7f') ? token : throw new VertebraException("the hub's access token has characters that no token has; set HF_TOKEN anew");
}
