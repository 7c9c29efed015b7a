using Vertebra.Kernels;

namespace Vertebra.Tests.Kernels;

public class ProcessorTests
{
    [Theory]
    [InlineData("processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel name\t: other\n", "AMD EPYC (family 26, model 2)")]
    [InlineData("model name\t: A core: fast\n", "A core: fast")]
    [InlineData("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "Arm implementer 0x41, part 0xd0c")]
    [InlineData("processor\t: 0\n", null)]
    [InlineData("", null)]
    public void The_name_is_read_from_the_first_processor(string text, string? name)
    {
        using var place = new TemporaryFolder();
        File.WriteAllText(place["cpuinfo"], text);
        Assert.Equal(name, Processor.FromCpuInfo(place["cpuinfo"]));
    }

    [Fact]
    public void Without_the_file_there_is_no_name_in_it()
    {
        using var place = new TemporaryFolder();
        Assert.Null(Processor.FromCpuInfo(place["absent"]));
        Assert.NotEqual("", Processor.Name);
    }

    [Fact]
    public void Cache_sizes_are_read_level_by_level()
    {
        using var place = new TemporaryFolder();
        Write(place, (1, "Instruction", "64K"), (1, "Data", "48K"), (2, "Unified", "1024K"), (3, "Unified", "32M"));
        Assert.Equal(new CacheSizes(48 << 10, 1 << 20, 32 << 20, "system"), CacheSizes.FromFolder(place.Path));
    }

    [Theory]
    [InlineData("48K", "1K")]
    [InlineData("0K", "1024K")]
    [InlineData("many", "1024K")]
    [InlineData("48", "1024K")]
    [InlineData("48K", "99999999999999999999M")]
    public void Sizes_that_no_machine_has_count_as_not_said(string first, string second)
    {
        using var place = new TemporaryFolder();
        Write(place, (1, "Data", first), (2, "Unified", second));
        Assert.Null(CacheSizes.FromFolder(place.Path));
    }

    [Fact]
    public void A_machine_without_a_third_level_has_none()
    {
        using var place = new TemporaryFolder();
        Write(place, (1, "Data", "32K"), (2, "Unified", "512K"));
        Assert.Equal(0, CacheSizes.FromFolder(place.Path)!.L3);
        Assert.Null(CacheSizes.FromFolder(place["absent"]));
        Assert.InRange(Processor.Caches.L1, 1 << 12, Processor.Caches.L2);
    }

    private static void Write(TemporaryFolder place, params ReadOnlySpan<(int Level, string Type, string Size)> caches)
    {
        for (var i = 0; i < caches.Length; i++)
        {
            var folder = Directory.CreateDirectory(place[$"index{i}"]).FullName;
            File.WriteAllText(Path.Combine(folder, "level"), $"{caches[i].Level}\n");
            File.WriteAllText(Path.Combine(folder, "type"), $"{caches[i].Type}\n");
            File.WriteAllText(Path.Combine(folder, "size"), $"{caches[i].Size}\n");
        }
    }
}
