namespace Vertebra.Lab.Data;

/// <summary>Splits a set that has no split of its own: a share of each class is held back for validation, drawn by a seed.</summary>
internal static class HeldBackShare
{
    /// <exception cref="VertebraException">The share is not between 0 and 1.</exception>
    public static void Require(string where, double? share)
    {
        if (share is { } given && !(given is > 0 and < 1))
            throw new VertebraException($"{where}: a validation share of {given} is outside 0 to 1; 0.1 holds back one image in ten");
    }

    /// <summary>The held-back or the other part of every class; of each at least one image stays to learn from, and one is held back where there are two.</summary>
    public static T[] Draw<T>(IEnumerable<T> items, Func<T, int> label, IReadOnlyList<string> names, double share, ulong seed, bool heldBack) =>
        [.. items.GroupBy(label).SelectMany(group => DrawFromClass([.. group], names[group.Key], share, seed, heldBack))];

    private static IEnumerable<T> DrawFromClass<T>(T[] items, string name, double share, ulong seed, bool heldBack)
    {
        var order = SampleOrder.Shuffled(items.Length, new Philox(seed, Hashing.Fnv1a("split/" + name)));
        var held = items.Length < 2 ? 0 : Math.Clamp((int)Math.Round(items.Length * share), 1, items.Length - 1);
        var chosen = heldBack ? order[..held] : order[held..];
        return chosen.Order().Select(i => items[i]);
    }
}
