using System.Text;
using Vertebra.Nn;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Nn;

public class SafetensorsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read_back_bit_for_bit()
    {
        var tensors = new (string, Tensor)[]
        {
            ("layer1.0.conv1.weight", OpCases.Uniform([4, 3, 3, 3], 1)),
            ("counter", Tensor.From<long>([7], [])),
            ("empty", Tensor.Zeros([0, 5])),
            ("half", Tensor.From([(Half)1.5f, (Half)(-2)], [2])),
            ("mask", Tensor.From(true, false, true)),
        };
        Safetensors.Write(_folder["a.safetensors"], tensors, new Dictionary<string, string> { ["format"] = "pt" });
        var read = Safetensors.Read(_folder["a.safetensors"]);
        Assert.Equal("pt", read.Metadata["format"]);
        Assert.Equal(tensors.Select(t => t.Item1), read.Tensors.Keys);
        foreach (var (name, tensor) in tensors)
        {
            Assert.Equal(tensor.Spec, read.Tensors[name].Spec);
            Assert.Equal(OpCases.ToDouble(tensor), OpCases.ToDouble(read.Tensors[name]));
        }
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [SharedFact]
    public void Published_files_are_read()
    {
        var file = Safetensors.Read(SharedData.PathOf("data/weights-cifar10-resnet/resnet20.safetensors"));
        Assert.Equal([16, 3, 3, 3], file.Tensors["conv1.weight"].Shape);
        var running = file.Tensors.Where(t => t.Key.Contains("running_")).Sum(t => t.Value.ElementCount);
        Assert.Equal(269_722, file.Tensors.Sum(t => t.Value.ElementCount) - running);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 8, "needs 8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "truncated")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "holes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "overlaps")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8, "follow the last tensor")]
    [InlineData("""{"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown dtype")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "impossible shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,4]}}""", 4, "impossible shape")]
    [InlineData("""{"a":[]}""", 4, "no JSON of the expected form")]
    [InlineData("""["a"]""", 4, "no JSON of the expected form")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "no JSON of the expected form")]
    public void Inconsistent_headers_are_refused_by_name(string header, int dataBytes, string expected)
    {
        var path = _folder["bad.safetensors"];
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. Encoding.UTF8.GetBytes(header), .. new byte[dataBytes]]);
        var error = Assert.Throws<FileFormatException>(() => Safetensors.Read(path));
        Assert.Contains(expected, error.Message);
        Assert.StartsWith(path, error.Message);
    }

    [Fact]
    public void Damaged_files_give_an_error_or_data_never_a_crash()
    {
        var path = _folder["fuzz.safetensors"];
        Safetensors.Write(path, [("a.weight", OpCases.Uniform([3, 4], 1)), ("a.bias", OpCases.Uniform([3], 2))]);
        var original = File.ReadAllBytes(path);
        var random = new Philox(1, 1);
        for (ulong i = 0; i < 3000; i++)
        {
            var bytes = (byte[])original.Clone();
            for (ulong change = 0; change < 1 + (i % 4); change++)
                bytes[random.Below(bytes.Length, (i * 16) + change)] = (byte)random.Bits((i * 16) + change + 8);
            File.WriteAllBytes(path, i % 3 == 0 ? bytes[..random.Below(bytes.Length, (i * 16) + 5)] : bytes);
            try
            {
                Safetensors.Read(path);
            }
            catch (FileFormatException)
            {
            }
        }
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file_and_nothing_else()
    {
        var path = _folder["keep.bin"];
        AtomicFile.WriteText(path, "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, s =>
        {
            s.WriteByte(1);
            throw new InvalidOperationException();
        }));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(_folder.Path));
        Assert.Throws<VertebraException>(() => AtomicFile.WriteText(_folder["missing/x"], "new"));
    }
}
