namespace Vertebra.Cli.Verbs;

/// <summary>Rows of text in columns as wide as they need to be, on lines of at most 120 characters.</summary>
internal static class TextTable
{
    private const int Width = 120;
    private const int FewestColumns = 20;

    /// <summary>Prints the heading and the rows.</summary>
    /// <param name="heading">Names of the columns.</param>
    /// <param name="rows">Each with a text for every column.</param>
    /// <param name="texts">How many of the first columns are texts and stand to the left; numbers stand to the right.</param>
    public static void Print(string[] heading, IReadOnlyList<string[]> rows, int texts)
    {
        var widths = heading.Select((h, c) => Math.Max(h.Length, rows.Count == 0 ? 0 : rows.Max(r => r[c].Length))).ToArray();
        // The first column, a name, gives way first, and then the second: they keep the end of a name and the beginning of a text.
        for (var c = 0; c < Math.Min(texts, 2); c++)
            widths[c] = Math.Clamp(Width - widths.Sum() + widths[c] - (2 * (widths.Length - 1)), Math.Min(widths[c], FewestColumns), widths[c]);
        foreach (var row in rows.Prepend(heading))
            Console.WriteLine(string.Join("  ", row.Select((cell, c) => c < texts ? Left(cell, widths[c], keepsEnd: c == 0) : cell.PadLeft(widths[c]))).TrimEnd());
    }

    private static string Left(string text, int width, bool keepsEnd) =>
        text.Length <= width ? text.PadRight(width) : keepsEnd ? "…" + text[^(width - 1)..] : text[..(width - 1)] + "…";
}
