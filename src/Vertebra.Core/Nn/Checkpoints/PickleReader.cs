using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Vertebra.Nn;

/// <summary>A global (class or function) that a pickle names. Nothing is ever looked up or called: readers compare the name with a list.</summary>
internal sealed record PickleGlobal(string Module, string Name)
{
    public override string ToString() => $"{Module}.{Name}";
}

/// <summary>What the reader of a pickle does with the few things that are more than plain data.</summary>
internal interface IPickleHost
{
    /// <summary>The value of a persistent id (torch: a storage).</summary>
    object? PersistentLoad(object? id);

    /// <summary>The value of <c>callable(*arguments)</c>, for callables on the host's list.</summary>
    /// <exception cref="FileFormatException">The callable is not on the list; the message names it.</exception>
    object? Reduce(PickleGlobal callable, object?[] arguments);
}

/// <summary>
/// Reads Python pickles (protocols 0 to 5, the opcodes that plain data and torch checkpoints use) as data: dictionaries,
/// lists, tuples, strings, numbers. It executes nothing; a callable goes to the host, which knows a short list of them.
/// </summary>
internal sealed class PickleReader(byte[] bytes, int position, string path, IPickleHost host)
{
    private static readonly object MarkObject = new();

    private readonly List<object?> _stack = [];
    private readonly Dictionary<long, object?> _memo = [];
    private int _position = position;

    /// <summary>Where the next byte stands: after a pickle, the one behind its STOP.</summary>
    public int Position => _position;

    /// <summary>Reads one pickle up to its STOP.</summary>
    /// <exception cref="FileFormatException">The pickle is damaged, uses an opcode that is not allowed, or calls something.</exception>
    public object? Read()
    {
        try
        {
            while (true)
            {
                var opcode = (char)Byte();
                if (opcode == '.')
                    return Pop();
                if (!Scalar(opcode) && !Container(opcode) && !Memory(opcode) && !Construct(opcode))
                    throw Bad($"opcode 0x{(int)opcode:x2} at byte {_position - 1} is not one that checkpoints use");
            }
        }
        catch (Exception e) when (e is ArgumentException or InvalidCastException or OverflowException or FormatException or KeyNotFoundException)
        {
            throw new FileFormatException($"{path}: damaged pickle at byte {_position}: {e.Message}", e);
        }
    }

    private bool Scalar(char opcode)
    {
        switch (opcode)
        {
            case 'N': Push(null); return true;
            case '\x88': Push(true); return true;
            case '\x89': Push(false); return true;
            case 'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); return true;
            case 'K': Push((long)Byte()); return true;
            case 'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); return true;
            case '\x8a': Push(Integer(Take(Byte()))); return true;
            case 'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); return true;
            case 'I': Push(IntegerLine(Line())); return true;
            case 'L': Push(Integer(BigInteger.Parse(Line().TrimEnd('L'), CultureInfo.InvariantCulture).ToByteArray())); return true;
            case 'F': Push(double.Parse(Line(), CultureInfo.InvariantCulture)); return true;
            case 'X': Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)))); return true;
            case '\x8c': Push(Text(Byte())); return true;
            case '\x8d': Push(Text(BinaryPrimitives.ReadInt64LittleEndian(Take(8)))); return true;
            case 'U': Push(Encoding.Latin1.GetString(Take(Byte()))); return true;
            case 'T': Push(Encoding.Latin1.GetString(Take(BinaryPrimitives.ReadInt32LittleEndian(Take(4))))); return true;
            case 'C': Push(Take(Byte()).ToArray()); return true;
            case 'B': Push(Take(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))).ToArray()); return true;
            default: return false;
        }
    }

    private bool Container(char opcode)
    {
        switch (opcode)
        {
            case '(': Push(MarkObject); return true;
            case '}': Push(new PickleDictionary()); return true;
            case ']': Push(new List<object?>()); return true;
            case ')': Push(Array.Empty<object?>()); return true;
            case 't': Push(ToMark()); return true;
            case '\x85': Push(Pop(1)); return true;
            case '\x86': Push(Pop(2)); return true;
            case '\x87': Push(Pop(3)); return true;
            case 'l': Push(ToMark().ToList()); return true;
            case 'd': Push(SetItems(new PickleDictionary(), ToMark())); return true;
            case 'a': Append(Pop(1)); return true;
            case 'e': Append(ToMark()); return true;
            case 's': SetItems(null, Pop(2)); return true;
            case 'u': SetItems(null, ToMark()); return true;
            case '0': Pop(); return true;
            case '1': ToMark(); return true;
            case '2': Push(Peek()); return true;
            default: return false;
        }
    }

    private bool Memory(char opcode)
    {
        switch (opcode)
        {
            case '\x80': Byte(); return true;
            case '\x95': Take(8); return true;
            case 'q': _memo[Byte()] = Peek(); return true;
            case 'r': _memo[BinaryPrimitives.ReadUInt32LittleEndian(Take(4))] = Peek(); return true;
            case 'p': _memo[long.Parse(Line(), CultureInfo.InvariantCulture)] = Peek(); return true;
            case '\x94': _memo[_memo.Count] = Peek(); return true;
            case 'h': Push(_memo[Byte()]); return true;
            case 'j': Push(_memo[BinaryPrimitives.ReadUInt32LittleEndian(Take(4))]); return true;
            case 'g': Push(_memo[long.Parse(Line(), CultureInfo.InvariantCulture)]); return true;
            default: return false;
        }
    }

    private bool Construct(char opcode)
    {
        switch (opcode)
        {
            case 'c':
                Push(new PickleGlobal(Line(), Line()));
                return true;
            case '\x93':
                var names = Pop(2);
                Push(new PickleGlobal((string)names[0]!, (string)names[1]!));
                return true;
            case 'Q':
                Push(host.PersistentLoad(Pop()));
                return true;
            case 'R' or '\x81':
                var call = Pop(2);
                Push(host.Reduce((PickleGlobal)call[0]!, (object?[])call[1]!));
                return true;
            case 'b':
                // State of an object the host made: kept if that object is a dictionary, else of no use as data.
                if (Pop() is PickleDictionary state && Peek() is PickleDictionary target)
                    target.Attributes = state;
                return true;
            default:
                return false;
        }
    }

    private void Append(object?[] items) => ((List<object?>)Peek()!).AddRange(items);

    private PickleDictionary SetItems(PickleDictionary? target, object?[] items)
    {
        target ??= (PickleDictionary)Peek()!;
        if (items.Length % 2 != 0)
            throw Bad("a dictionary entry has a key and no value");
        for (var i = 0; i < items.Length; i += 2)
            target.Set(items[i], items[i + 1]);
        return target;
    }

    private static object IntegerLine(string line) => line switch { "00" => false, "01" => true, _ => long.Parse(line, CultureInfo.InvariantCulture) };

    // Integers beyond 64 bits occur only as magic numbers; they stay as they are.
    private static object Integer(ReadOnlySpan<byte> little)
    {
        var value = new BigInteger(little);
        return value >= long.MinValue && value <= long.MaxValue ? (long)value : value;
    }

    private string Text(long length) => Encoding.UTF8.GetString(Take(length));

    private string Line()
    {
        var end = Array.IndexOf(bytes, (byte)'\n', _position);
        if (end < 0)
            throw Bad("a text line has no end");
        var line = Encoding.UTF8.GetString(bytes, _position, end - _position);
        _position = end + 1;
        return line;
    }

    private byte Byte() => Take(1)[0];

    private ReadOnlySpan<byte> Take(long count)
    {
        if (count < 0 || count > bytes.Length - _position)
            throw Bad($"{count} bytes are announced at byte {_position}, {bytes.Length - _position} are left");
        _position += (int)count;
        return bytes.AsSpan(_position - (int)count, (int)count);
    }

    private void Push(object? value) => _stack.Add(value);

    private object? Pop() => Pop(1)[0];

    private object? Peek() => _stack.Count > 0 && _stack[^1] != MarkObject ? _stack[^1] : throw Bad("the stack is empty");

    private object?[] Pop(int count)
    {
        if (_stack.Count < count)
            throw Bad("the stack is empty");
        var items = _stack[^count..].ToArray();
        if (items.Contains(MarkObject))
            throw Bad("a mark stands where a value should");
        _stack.RemoveRange(_stack.Count - count, count);
        return items;
    }

    private object?[] ToMark()
    {
        var mark = _stack.LastIndexOf(MarkObject);
        if (mark < 0)
            throw Bad("a mark is missing");
        var items = _stack[(mark + 1)..].ToArray();
        _stack.RemoveRange(mark, _stack.Count - mark);
        return items;
    }

    private FileFormatException Bad(string what) => new($"{path}: damaged pickle: {what}");
}

/// <summary>A Python dictionary with its entries in order.</summary>
internal sealed class PickleDictionary
{
    private readonly OrderedDictionary<object, object?> _items = [];

    public IEnumerable<KeyValuePair<object, object?>> Items => _items;

    /// <summary>Attributes set on the object besides its items (torch: <c>_metadata</c>).</summary>
    public PickleDictionary? Attributes { get; set; }

    public void Set(object? key, object? value) => _items[key ?? "None"] = value;

    public object? this[string key] => _items.GetValueOrDefault(key);
}
