using Vertebra.Kernels;
using Vertebra.Nn;

namespace Vertebra.Tests;

/// <summary>Filling many numbers at once gives the numbers that the stream has at each position.</summary>
public class PhiloxFillingTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(4099)]
    [InlineData(100_003)]
    public void Filled_numbers_are_those_of_the_positions(int count)
    {
        var random = new Philox(0x123456789ABCDEF0, 0xFEDCBA9876543210);
        var (normals, uniforms) = (new float[count], new float[count]);
        random.FillNormal(normals);
        random.FillUniform(uniforms, 3);
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(random.Normal((ulong)i), normals[i]);
            var (a, b, c, d) = random.Block((ulong)i >> 2);
            var (u, v) = (i & 2) == 0 ? (a, b) : (c, d);
            var (sine, cosine) = Math.SinCos(2 * Math.PI * v / 4294967296.0);
            Assert.Equal(Math.Sqrt(-2 * Math.Log((u + 1.0) / 4294967296.0)) * ((i & 1) == 0 ? cosine : sine), normals[i], 6e-7);
            Assert.Equal(((2 * random.Uniform((ulong)i)) - 1) * 3, uniforms[i]);
        }
    }

    [Fact]
    public void Neither_the_length_nor_the_number_of_threads_changes_a_number()
    {
        var random = new Philox(3, 4);
        var (whole, part) = (new float[200_001], new float[70_001]);
        var threads = Workers.Count;
        random.FillNormal(whole);
        try
        {
            Workers.Count = 1;
            random.FillNormal(part);
        }
        finally
        {
            Workers.Count = threads;
        }
        Assert.Equal(whole[..part.Length], part);
    }

    [Fact]
    public void Truncated_normals_are_drawn_again_beyond_two_deviations()
    {
        var tensor = Tensor.Zeros([1000]);
        var random = new Philox(5, 6);
        Init.TruncatedNormal(0.5f)(tensor, random);
        var values = tensor.ToArray<float>();
        Assert.All(values, v => Assert.InRange(v, -1, 1));
        var first = Enumerable.Range(0, 1000).First(i => MathF.Abs(random.Normal((ulong)i)) > 2);
        ulong attempt = 1;
        while (MathF.Abs(random.Normal((ulong)first + (attempt * 1000))) > 2)
            attempt++;
        Assert.Equal(random.Normal((ulong)first + (attempt * 1000)) / 2, values[first], 1e-6f);
    }
}
