namespace Vertebra;

/// <summary>Something the caller can put right: the message says, in one line, what is wrong, where, and what to do. The command line prints it and exits with code 2.</summary>
public class VertebraException : Exception
{
    public VertebraException(string message) : base(message) { }

    public VertebraException(string message, Exception inner) : base(message, inner) { }
}

/// <summary>Operands whose shapes or dtypes do not fit an operation; the message names the operation, the shapes and the rule.</summary>
public sealed class ShapeException(string message) : VertebraException(message);

/// <summary>A file from outside that is corrupt, hostile or of an unsupported kind; the message names the file, the place and the remedy.</summary>
public class FileFormatException : VertebraException
{
    public FileFormatException(string message) : base(message) { }

    public FileFormatException(string message, Exception inner) : base(message, inner) { }
}
