using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>
/// NumPy's <c>.npy</c> files: a magic number, a version, a header that is a Python dictionary
/// <c>{'descr': '&lt;f4', 'fortran_order': False, 'shape': (2, 3), }</c>, then the elements. Versions 1 to 3, little endian,
/// both element orders. Nothing is evaluated: the header is read by its own small grammar, and sizes are compared with the
/// file's before memory is taken.
/// </summary>
public static partial class Npy
{
    private const int LargestHeader = 1 << 16;
    private const int LargestRank = 32;

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>Reads a file.</summary>
    /// <exception cref="FileFormatException">The file is not of this format, damaged, or holds elements that tensors cannot.</exception>
    /// <exception cref="VertebraException">The file cannot be read.</exception>
    public static Tensor Read(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            return Read(file, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot read {path}: {e.Message}", e);
        }
    }

    /// <summary>Writes a file atomically, version 1, row-major.</summary>
    /// <exception cref="VertebraException">The tensor is of bfloat16, which NumPy does not know, or the file cannot be written.</exception>
    public static void Write(string path, Tensor tensor)
    {
        var descr = DescrOf(tensor.DType) ?? throw new VertebraException($"{path}: NumPy has no {tensor.DType}; convert the tensor first");
        var sizes = tensor.Rank == 1 ? $"{tensor.Shape[0]}," : string.Join(", ", tensor.Shape);
        var header = $"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}";
        // The elements begin at a multiple of 64 bytes, after a line break.
        var length = ((Magic.Length + 4 + header.Length + 1 + 63) / 64 * 64) - Magic.Length - 4;
        AtomicFile.Write(path, stream =>
        {
            stream.Write(Magic);
            stream.Write([1, 0, (byte)length, (byte)(length >> 8)]);
            stream.Write(Encoding.ASCII.GetBytes(header.PadRight(length - 1) + "\n"));
            WriteElements(stream, tensor);
        });
    }

    private static unsafe void WriteElements(Stream stream, Tensor tensor)
    {
        const int Piece = 1 << 24;
        for (long offset = 0; offset < tensor.Spec.Bytes; offset += Piece)
            stream.Write(new ReadOnlySpan<byte>(tensor.DataPointer + offset, (int)Math.Min(Piece, tensor.Spec.Bytes - offset)));
        GC.KeepAlive(tensor);
    }

    private static Tensor Read(FileStream file, string path)
    {
        var header = ReadHeader(file, path);
        var dtype = TypeOf(Required(DescrField(), header, path)) ??
            throw Bad(path, $"elements of type {Required(DescrField(), header, path)} are not supported: convert them to float32, int64, int32, int8, uint8 or bool, little endian");
        var isColumnMajor = Required(OrderField(), header, path) == "True";
        var shape = ReadShape(Required(ShapeField(), header, path), path);
        var bytes = TensorBytes(shape, dtype, path);
        if (file.Length - file.Position != bytes)
            throw Bad(path, $"{dtype}{shape} needs {bytes} bytes, {file.Length - file.Position} follow the header");
        if (!isColumnMajor || shape.Rank < 2)
            return ReadElements(file, shape, dtype);
        var reversed = ReadElements(file, shape.Span.ToArray().Reverse().ToArray(), dtype);
        return reversed.Permute([.. Enumerable.Range(0, shape.Rank).Reverse()]);
    }

    private static string ReadHeader(FileStream file, string path)
    {
        Span<byte> start = stackalloc byte[12];
        if (file.ReadAtLeast(start[..8], 8, throwOnEndOfStream: false) < 8 || !start[..6].SequenceEqual(Magic))
            throw Bad(path, "it does not begin with NumPy's magic number");
        if (start[6] is < 1 or > 3)
            throw Bad(path, $"version {start[6]}.{start[7]} is unknown; 1 to 3 are read");
        var wide = start[6] == 1 ? 2 : 4;
        if (file.ReadAtLeast(start[8..(8 + wide)], wide, throwOnEndOfStream: false) < wide)
            throw Bad(path, "the header is cut off");
        var length = wide == 2 ? BinaryPrimitives.ReadUInt16LittleEndian(start[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(start[8..]);
        if (length > LargestHeader || length > file.Length - file.Position)
            throw Bad(path, $"the header claims {length} bytes in a file of {file.Length}");
        var bytes = new byte[length];
        file.ReadExactly(bytes);
        return Encoding.UTF8.GetString(bytes);
    }

    private static Shape ReadShape(string text, string path)
    {
        var parts = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length > LargestRank)
            throw Bad(path, $"the shape ({text}) has too many axes");
        var sizes = new int[parts.Length];
        for (var i = 0; i < sizes.Length; i++)
        {
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out sizes[i]))
                throw Bad(path, $"the shape ({text}) has the size '{parts[i]}'");
        }
        return Checked(() => (Shape)sizes, path, text);
    }

    private static long TensorBytes(Shape shape, DType dtype, string path) => Checked(() => new TensorSpec(shape, dtype).Bytes, path, shape.ToString());

    private static T Checked<T>(Func<T> compute, string path, string what)
    {
        try
        {
            return compute();
        }
        catch (OverflowException)
        {
            throw Bad(path, $"the shape {what} is impossible");
        }
    }

    private static unsafe Tensor ReadElements(FileStream file, Shape shape, DType dtype)
    {
        const int Piece = 1 << 24;
        var tensor = Tensor.Empty(shape, dtype);
        for (long offset = 0; offset < tensor.Spec.Bytes; offset += Piece)
            file.ReadExactly(new Span<byte>(tensor.DataPointer + offset, (int)Math.Min(Piece, tensor.Spec.Bytes - offset)));
        if (dtype == DType.Bool)
        {
            // Any byte but 0 is true, and a bool is 0 or 1.
            foreach (ref var element in new Span<byte>(tensor.DataPointer, checked((int)tensor.ElementCount)))
                element = element == 0 ? (byte)0 : (byte)1;
        }
        GC.KeepAlive(tensor);
        return tensor;
    }

    private static string Required(Regex field, string header, string path) =>
        field.Match(header) is { Success: true } match ? match.Groups[1].Value : throw Bad(path, "the header is not of the expected form");

    private static DType? TypeOf(string descr) => descr switch
    {
        "<f4" => DType.Float32,
        "<f8" => DType.Float64,
        "<f2" => DType.Float16,
        "<i8" => DType.Int64,
        "<i4" => DType.Int32,
        "|i1" or "<i1" => DType.Int8,
        "|u1" or "<u1" => DType.UInt8,
        "|b1" or "<b1" => DType.Bool,
        _ => null,
    };

    private static string? DescrOf(DType dtype) => dtype switch
    {
        DType.Float32 => "<f4",
        DType.Float64 => "<f8",
        DType.Float16 => "<f2",
        DType.Int64 => "<i8",
        DType.Int32 => "<i4",
        DType.Int8 => "|i1",
        DType.UInt8 => "|u1",
        DType.Bool => "|b1",
        _ => null,
    };

    [GeneratedRegex("""['"]descr['"]\s*:\s*['"]([^'"]{1,16})['"]""")]
    private static partial Regex DescrField();

    [GeneratedRegex("""['"]fortran_order['"]\s*:\s*(True|False)""")]
    private static partial Regex OrderField();

    [GeneratedRegex("""['"]shape['"]\s*:\s*\(([0-9,\s]*)\)""")]
    private static partial Regex ShapeField();

    private static FileFormatException Bad(string path, string what) => new($"{path}: not a NumPy file that can be read: {what}");
}
