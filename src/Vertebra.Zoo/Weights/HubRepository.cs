namespace Vertebra.Zoo.Weights;

/// <summary>A repository of the hub at a revision: <c>timm/resnet50.a1_in1k</c>, <c>timm/resnet50.a1_in1k@v2</c>.</summary>
/// <param name="Id">Owner and name; for the oldest repositories a name alone.</param>
/// <param name="Revision">Branch, tag or commit.</param>
public readonly record struct HubRepository(string Id, string Revision = "main")
{
    /// <summary>Reads <c>owner/name</c> or <c>owner/name@revision</c>.</summary>
    /// <exception cref="VertebraException">It cannot be the name of a repository.</exception>
    public static HubRepository Parse(string text)
    {
        var parts = text.Split('@', 2);
        var repository = new HubRepository(parts[0], parts.Length == 2 ? parts[1] : "main");
        // Names become folders and addresses: nothing may lead out of either.
        if (repository.Id.Split('/') is not { Length: 1 or 2 } names || !names.All(IsName) || !repository.Revision.Split('/').All(IsName))
            throw new VertebraException($"'{text}' is no repository of the hub; write owner/name or owner/name@revision");
        return repository;
    }

    /// <summary>True when the revision is a commit, which never changes.</summary>
    public bool IsPinned => IsCommit(Revision);

    /// <summary>Folder in the cache.</summary>
    public string FolderName => $"models--{Id.Replace("/", "--", StringComparison.Ordinal)}";

    /// <summary>Whether a text is the full hash of a commit.</summary>
    internal static bool IsCommit(string text) => text.Length == 40 && text.All(char.IsAsciiHexDigitLower);

    public override string ToString() => Revision == "main" ? Id : $"{Id}@{Revision}";

    private static bool IsName(string name) =>
        name.Length is > 0 and <= 96 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') && name.Trim('.').Length > 0 && !name.Contains("..", StringComparison.Ordinal);
}
