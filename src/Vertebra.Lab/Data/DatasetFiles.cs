namespace Vertebra.Lab.Data;

/// <summary>File access of the data sets, with errors of one line.</summary>
internal static class DatasetFiles
{
    /// <exception cref="VertebraException">There is no such folder.</exception>
    public static void RequireFolder(string directory)
    {
        if (Directory.Exists(directory))
            return;
        throw new VertebraException(File.Exists(directory)
            ? $"{directory}: is a file; give the folder of the data set"
            : $"{directory}: no such folder; give the folder of the data set");
    }

    /// <summary>Files of a folder that match, in ordinal order; none where there is no folder.</summary>
    public static string[] List(string directory, string pattern = "*")
    {
        if (!Directory.Exists(directory))
            return [];
        try
        {
            var files = Directory.GetFiles(directory, pattern);
            Array.Sort(files, StringComparer.Ordinal);
            return files;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"{directory}: cannot list the folder: {e.Message}", e);
        }
    }

    public static FileStream OpenRead(string file)
    {
        try
        {
            return new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"{file}: cannot be read: {e.Message}", e);
        }
    }

    /// <exception cref="FileFormatException">The stream ends, or its compression is damaged, before the buffer is full.</exception>
    public static void ReadExactly(Stream stream, Span<byte> buffer, string file)
    {
        try
        {
            stream.ReadExactly(buffer);
        }
        catch (EndOfStreamException e)
        {
            throw new FileFormatException($"{file}: the file is cut short; get it again", e);
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            throw new FileFormatException($"{file}: cannot be read: {e.Message}", e);
        }
    }
}
