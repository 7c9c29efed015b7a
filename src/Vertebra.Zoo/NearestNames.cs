namespace Vertebra.Zoo;

/// <summary>Finds what was probably meant.</summary>
internal static class NearestNames
{
    /// <summary>The candidates nearest to a name: those that contain it or that it contains first, then by edit distance; far ones are left out.</summary>
    public static IReadOnlyList<string> Find(string name, IEnumerable<string> candidates, int most = 5)
    {
        var wanted = name.ToLowerInvariant();
        var limit = Math.Max(2, wanted.Length / 2);
        return [.. candidates
            .Select(c => (Name: c, Distance: Distance(wanted, c.ToLowerInvariant())))
            .Where(c => c.Distance <= limit || Contains(wanted, c.Name))
            .OrderBy(c => c.Distance).ThenBy(c => c.Name, StringComparer.Ordinal)
            .Take(most).Select(c => c.Name)];
    }

    private static bool Contains(string wanted, string candidate) => wanted.Length >= 3 && candidate.Contains(wanted, StringComparison.OrdinalIgnoreCase);

    /// <summary>Fewest insertions, deletions, replacements and swaps of neighbours that turn one text into the other.</summary>
    public static int Distance(string a, string b)
    {
        var (before, last, row) = (new int[b.Length + 1], new int[b.Length + 1], new int[b.Length + 1]);
        for (var j = 0; j <= b.Length; j++)
            last[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                row[j] = Math.Min(replaced, Math.Min(last[j], row[j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
            }
            (before, last, row) = (last, row, before);
        }
        return last[b.Length];
    }
}
