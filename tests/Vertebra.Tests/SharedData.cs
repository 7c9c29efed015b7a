using System.Runtime.CompilerServices;

namespace Vertebra.Tests;

/// <summary>Finds the reference data that lives beside the checkout (<c>../shared</c>); tests that need it skip, with a reason, where it is absent.</summary>
public static class SharedData
{
    public const string Missing = "needs the reference data in ../shared beside the checkout";

    /// <summary>Root of this checkout, found from this source file's path at compile time.</summary>
    public static string RepositoryRoot { get; } = Path.GetFullPath(Path.Combine(SourceFolder(), "..", ".."));

    /// <summary>The shared folder: <c>VERTEBRA_SHARED</c>, or <c>../shared</c> beside the checkout; null when there is none.</summary>
    public static string? Root { get; } = FindRoot();

    /// <summary>Absolute path of a file or folder below the shared folder.</summary>
    public static string PathOf(string relative) =>
        Path.Combine(Root ?? throw new InvalidOperationException(Missing), relative);

    private static string? FindRoot()
    {
        var candidate = Environment.GetEnvironmentVariable("VERTEBRA_SHARED") ?? Path.Combine(RepositoryRoot, "..", "shared");
        return Directory.Exists(Path.Combine(candidate, "data")) ? Path.GetFullPath(candidate) : null;
    }

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}

/// <summary>A fact that needs the shared reference data; skipped, with the reason, where it is absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute()
    {
        if (SharedData.Root is null)
            Skip = SharedData.Missing;
    }
}

/// <summary>A theory that needs the shared reference data; skipped, with the reason, where it is absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute()
    {
        if (SharedData.Root is null)
            Skip = SharedData.Missing;
    }
}
