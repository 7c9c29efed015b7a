using Vertebra.Nn;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Nn;

/// <summary>Checkpoints written by PyTorch itself (Fixtures/make_torch_checkpoints.py).</summary>
public class TorchCheckpointTests
{
    private static readonly double[] Base = [.. Enumerable.Range(0, 24).Select(i => (double)i)];

    private static string Fixture(string name) => Path.Combine(SharedData.RepositoryRoot, "tests", "Vertebra.Tests", "Nn", "Fixtures", name);

    [Theory]
    [InlineData("zip.pth")]
    [InlineData("legacy.pth")]
    [InlineData("plain.pth")]
    public void Tensors_of_every_dtype_and_stride_are_read(string name)
    {
        var file = Checkpoint.Read(Fixture(name));
        Assert.Equal(["conv.weight", "transposed", "slice", "half", "bfloat", "double", "counter", "flags", "empty", "parameter"], file.Tensors.Keys);
        Assert.Equal(Base, OpCases.ToDouble(file.Tensors["conv.weight"]));
        Assert.Equal([4, 2, 3], file.Tensors["transposed"].Shape);
        Assert.Equal(from k in Enumerable.Range(0, 4) from i in Enumerable.Range(0, 2) from j in Enumerable.Range(0, 3) select Base[(12 * i) + (4 * j) + k],
            OpCases.ToDouble(file.Tensors["transposed"]));
        Assert.Equal([4, 6, 8, 10, 16, 18, 20, 22], OpCases.ToDouble(file.Tensors["slice"]));
        Assert.Equal(DType.Float16, file.Tensors["half"].DType);
        Assert.Equal([1.5, -2.25], OpCases.ToDouble(file.Tensors["half"]));
        Assert.Equal([1.5, -2.25], OpCases.ToDouble(file.Tensors["bfloat"]));
        Assert.Equal([0.1], OpCases.ToDouble(file.Tensors["double"]));
        Assert.Equal(Shape.Scalar, file.Tensors["counter"].Shape);
        Assert.Equal([7], OpCases.ToDouble(file.Tensors["counter"]));
        Assert.Equal([1, 0], OpCases.ToDouble(file.Tensors["flags"]));
        Assert.Equal([0, 3], file.Tensors["empty"].Shape);
        Assert.Equal([1, 2], OpCases.ToDouble(file.Tensors["parameter"]));
    }

    [Fact]
    public void Scalars_beside_the_weights_become_metadata()
    {
        var file = Checkpoint.Read(Fixture("zip.pth"));
        Assert.Equal("toy", file.Metadata["arch"]);
        Assert.Equal("3", file.Metadata["epoch"]);
        Assert.Equal("91.5", file.Metadata["best"]);
    }

    [Theory]
    [InlineData("hostile.pth", "posix.system")]
    [InlineData("hostile_legacy.pth", "posix.system")]
    [InlineData("whole_module.pth", "torch.nn.modules.linear.Linear")]
    public void A_pickle_that_would_call_something_is_refused_by_name(string name, string callable)
    {
        var error = Assert.Throws<FileFormatException>(() => Checkpoint.Read(Fixture(name)));
        Assert.Contains($"would call {callable}", error.Message);
        Assert.False(File.Exists("hostile.txt"));
    }

    [SharedTheory]
    [InlineData("resnet20", "resnet20-12fca82f.th")]
    [InlineData("resnet56", "resnet56-4bfd9763.th")]
    public void The_published_old_format_equals_its_conversion(string converted, string original)
    {
        var expected = Checkpoint.Read(SharedData.PathOf($"data/weights-cifar10-resnet/{converted}.safetensors"));
        var actual = Checkpoint.Read(SharedData.PathOf($"data/weights-cifar10-resnet/{original}"));
        Assert.Equal(expected.Tensors.Keys.Order(), actual.Tensors.Keys.Order());
        foreach (var (name, tensor) in expected.Tensors)
            Assert.Equal(tensor.ToArray<float>(), actual.Tensors[name].ToArray<float>());
    }

    [Theory]
    [InlineData("zip.pth")]
    [InlineData("legacy.pth")]
    public void Damaged_files_give_an_error_or_data_never_a_crash(string name)
    {
        using var folder = new TemporaryFolder();
        var original = File.ReadAllBytes(Fixture(name));
        var random = new Philox(2, 1);
        for (ulong i = 0; i < 1000; i++)
        {
            var bytes = (byte[])original.Clone();
            for (ulong change = 0; change < 1 + (i % 5); change++)
                bytes[random.Below(bytes.Length, (i * 16) + change)] = (byte)random.Bits((i * 16) + change + 8);
            File.WriteAllBytes(folder["fuzz.pth"], i % 4 == 0 ? bytes[..random.Below(bytes.Length, (i * 16) + 7)] : bytes);
            try
            {
                Checkpoint.Read(folder["fuzz.pth"]);
            }
            catch (VertebraException)
            {
            }
        }
    }
}
