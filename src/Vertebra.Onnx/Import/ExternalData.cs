using System.Globalization;
using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>
/// Tensor data in files beside the model. A location is a relative path below the model's folder; one that leads out of it,
/// by <c>..</c>, by an absolute path or by a symbolic link, is refused: otherwise a model could read any file of the machine.
/// </summary>
internal sealed class ExternalData(string source, string folder)
{
    /// <summary>The file at the first byte of one tensor, all of which it has.</summary>
    /// <param name="proto">Its <c>external_data</c> says location, offset and length.</param>
    /// <param name="bytes">What its shape needs.</param>
    /// <exception cref="FileFormatException">The location is not allowed, or the file has not the bytes.</exception>
    public FileStream Open(TensorProto proto, long bytes)
    {
        var entries = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in proto.ExternalData)
            entries[entry.Key] = entry.Value;
        var location = entries.GetValueOrDefault("location", "");
        var offset = Number(proto, entries, "offset") ?? 0;
        if (Number(proto, entries, "length") is { } length && length != bytes)
            throw Bad(proto, $"needs {bytes} bytes, its external data has a length of {length}");
        if (bytes > Array.MaxLength)
            throw Bad(proto, $"has {bytes} bytes, too many for one tensor");
        var path = Inside(proto, location);
        try
        {
            var there = new FileInfo(path).Length;
            if (offset > there || bytes > there - offset)
                throw Bad(proto, $"needs {bytes} bytes at {offset} of '{location}', which has {there} (truncated download?)");
            return new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0) { Position = offset };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new FileFormatException($"{source}: the tensor '{proto.Name}': cannot read its external data '{location}': {e.Message}", e);
        }
    }

    private string Inside(TensorProto proto, string location)
    {
        var parts = location.Split('/', '\\');
        if (location.Length == 0 || Path.IsPathRooted(location) || location.Contains(':') || location.Contains('\0') || parts.Contains(".."))
            throw Bad(proto, $"has external data at '{location}': only a relative path below the model's folder is allowed");
        var path = folder;
        foreach (var part in parts)
        {
            path = Path.Combine(path, part);
            FileSystemInfo entry = Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);
            if (entry.LinkTarget is not null)
                throw Bad(proto, $"has external data at '{location}', where '{part}' is a symbolic link: put the file itself beside the model");
        }
        return File.Exists(path) ? path : throw Bad(proto, $"has external data at '{location}', which is not beside the model");
    }

    private long? Number(TensorProto proto, Dictionary<string, string> entries, string key)
    {
        if (!entries.TryGetValue(key, out var text))
            return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
            : throw Bad(proto, $"has external data with the {key} '{text}'");
    }

    private FileFormatException Bad(TensorProto proto, string what) => new($"{source}: the tensor '{proto.Name}' {what}");
}
