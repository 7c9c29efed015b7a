using System.Text;

namespace Vertebra.Lab.Data.MultiLabel;

/// <summary>
/// <c>labels.csv</c>: which classes each image shows. Its first line is <c>file,labels</c> or <c>file,labels,split</c>; then a line for each
/// image: its path below the table's folder, its classes with semicolons between them (none is possible), and <c>train</c> or <c>val</c>.
/// Fields with commas stand in double quotes, as in RFC 4180.
/// </summary>
internal static class LabelTable
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "labels.csv";

    private const long LargestFile = 1L << 30;

    /// <summary>An image: its path below the folder, its classes by name, and whether it is held back for validation; null where the table has no such column.</summary>
    public sealed record Row(string File, string[] Labels, bool? IsHeld);

    /// <summary>Reads the table of a folder.</summary>
    /// <exception cref="VertebraException">There is none, or it cannot be read.</exception>
    /// <exception cref="FileFormatException">It is not such a table; the message names the line.</exception>
    public static List<Row> Read(string directory)
    {
        var path = Path.Combine(directory, FileName);
        if (!File.Exists(path))
            throw new VertebraException($"{directory}: no {FileName}, which says what classes each image has; its first line is file,labels and each other one an image's path and its classes with ; between them");
        using var stream = DatasetFiles.OpenRead(path);
        if (stream.Length > LargestFile)
            throw new FileFormatException($"{path}: {stream.Length} bytes are more than a table of images has ({LargestFile})");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var header = Fields(reader.ReadLine() ?? "", path, 1);
        if (header is not (["file", "labels"] or ["file", "labels", "split"]))
            throw new FileFormatException($"{path}: the first line must be file,labels or file,labels,split");
        var rows = new List<Row>();
        for (var line = 2; reader.ReadLine() is { } text; line++)
        {
            if (text.Length > 0)
                rows.Add(RowOf(Fields(text, path, line), header.Count, path, line));
        }
        return rows.Count > 0 ? rows : throw new FileFormatException($"{path}: no image in it");
    }

    private static Row RowOf(List<string> fields, int columns, string path, int line)
    {
        if (fields.Count != columns)
            throw new FileFormatException($"{path}, line {line}: {fields.Count} fields where the first line has {columns}; put a field with a comma into double quotes");
        // Nothing outside the folder is read, whoever wrote the table.
        if (fields[0].Length == 0 || Path.IsPathRooted(fields[0]) || fields[0].Split('/', '\\').Contains(".."))
            throw new FileFormatException($"{path}, line {line}: '{fields[0]}' is no path below the folder");
        bool? isHeld = columns < 3 ? null : fields[2] switch
        {
            "train" => false,
            "val" or "valid" or "validation" or "test" => true,
            _ => throw new FileFormatException($"{path}, line {line}: '{fields[2]}' is no split; use train or val"),
        };
        return new(fields[0], [.. fields[1].Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Distinct()], isHeld);
    }

    private static List<string> Fields(string line, string path, int number)
    {
        var fields = new List<string>();
        var field = new StringBuilder();
        var isQuoted = false;
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '"')
            {
                if (isQuoted && i + 1 < line.Length && line[i + 1] == '"')
                    field.Append(line[i++]);
                else
                    isQuoted = !isQuoted;
            }
            else if (line[i] == ',' && !isQuoted)
            {
                fields.Add(field.ToString().Trim());
                field.Clear();
            }
            else
                field.Append(line[i]);
        }
        if (isQuoted)
            throw new FileFormatException($"{path}, line {number}: a double quote without its second");
        fields.Add(field.ToString().Trim());
        return fields;
    }
}
