using System.Runtime.InteropServices;
using System.Text;
using Vertebra.Nn;

namespace Vertebra.Tests.Nn;

public class NpyTests
{
    // What numpy.save writes, byte by byte (NumPy's format description, version 1.0).
    private static byte[] File(string header, byte[] elements, byte major = 1)
    {
        var text = Encoding.UTF8.GetBytes(header);
        byte[] length = major == 1 ? [(byte)text.Length, (byte)(text.Length >> 8)] : [(byte)text.Length, (byte)(text.Length >> 8), 0, 0];
        return [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', major, 0, .. length, .. text, .. elements];
    }

    private static Tensor Read(byte[] bytes)
    {
        using var folder = new TemporaryFolder();
        System.IO.File.WriteAllBytes(folder["x.npy"], bytes);
        return Npy.Read(folder["x.npy"]);
    }

    private static string Refusal(byte[] bytes) => Assert.ThrowsAny<VertebraException>(() => Read(bytes)).Message;

    private static byte[] Floats(params float[] values) => MemoryMarshal.AsBytes<float>(values).ToArray();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_version_is_read(byte major)
    {
        var tensor = Read(File("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     \n", Floats(1, 2, 3, 4, 5, 6), major));
        Assert.Equal([2, 3], tensor.Shape);
        Assert.Equal([1f, 2, 3, 4, 5, 6], tensor.ToArray<float>());
    }

    [Fact]
    public void Fortran_order_is_turned_into_rows()
    {
        // The columns of [[1, 2, 3], [4, 5, 6]] one after another.
        var tensor = Read(File("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", Floats(1, 4, 2, 5, 3, 6)));
        Assert.Equal([2, 3], tensor.Shape);
        Assert.Equal([1f, 2, 3, 4, 5, 6], tensor.ToArray<float>());
    }

    [Fact]
    public void Scalars_vectors_and_other_types_are_read()
    {
        Assert.Equal(Shape.Scalar, Read(File("{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", Floats(7))).Shape);
        Assert.Equal([-1L, 2], Read(File("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n", MemoryMarshal.AsBytes<long>([-1, 2]).ToArray())).ToArray<long>());
        Assert.Equal([true, false, true], Read(File("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }\n", [1, 0, 255])).ToArray<bool>());
        Assert.Equal([0.5], Read(File("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n", MemoryMarshal.AsBytes<double>([0.5]).ToArray())).ToArray<double>());
    }

    [Fact]
    public void What_is_written_is_what_the_format_says_and_is_read_again()
    {
        using var folder = new TemporaryFolder();
        foreach (var tensor in (Tensor[])[Tensor.From([1f, 2, 3, 4, 5, 6], [1, 2, 3]), Tensor.Scalar(4), Tensor.From(1L, 2), Tensor.From(true, false), Tensor.Zeros([0, 3])])
        {
            Npy.Write(folder["y.npy"], tensor);
            var bytes = System.IO.File.ReadAllBytes(folder["y.npy"]);
            var start = 10 + bytes[8] + (bytes[9] << 8);
            Assert.Equal(0, start % 64);
            Assert.Equal((byte)'\n', bytes[start - 1]);
            Assert.Equal(tensor.Spec.Bytes, bytes.Length - start);
            var read = Npy.Read(folder["y.npy"]);
            Assert.Equal(tensor.Spec, read.Spec);
        }
        Assert.Contains("'shape': (2,), }", Encoding.ASCII.GetString(Written(folder, Tensor.From(1L, 2))));
    }

    private static byte[] Written(TemporaryFolder folder, Tensor tensor)
    {
        Npy.Write(folder["z.npy"], tensor);
        return System.IO.File.ReadAllBytes(folder["z.npy"]);
    }

    [Theory]
    [InlineData("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", ">f4")]
    [InlineData("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "|O")]
    [InlineData("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "expected form")]
    [InlineData("{'descr': '<f4', 'fortran_order': 1, 'shape': (2,), }", "expected form")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "needs 12 bytes, 8 follow")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "needs 4 bytes, 8 follow")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "expected form")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }", "99999999999")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2000000000, 2000000000, 2000000000), }", "impossible")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2000000000,), }", "needs 8000000000 bytes")]
    [InlineData("import os", "expected form")]
    public void Other_files_are_refused_in_one_line(string header, string expected)
    {
        var message = Refusal(File(header + "\n", Floats(1, 2)));
        Assert.Contains(expected, message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Damaged_files_are_refused()
    {
        var whole = File("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", Floats(1, 2));
        for (var length = 0; length < whole.Length; length++)
            Assert.NotEmpty(Refusal(whole[..length]));
        Assert.Contains("version 9", Refusal(File("{}", [], major: 9)));
        Assert.Contains("header claims", Refusal([.. whole[..8], 255, 255, .. whole[10..]]));
    }
}
