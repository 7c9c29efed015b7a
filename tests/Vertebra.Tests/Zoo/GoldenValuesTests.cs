using System.Globalization;
using System.Text.Json;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Zoo;

public class GoldenValuesTests
{
    // SplitMix64 from state 0 starts with these numbers (Steele, Lea, Flood 2014; published test values).
    [Fact]
    public void Bits_are_the_upper_ones_of_SplitMix64()
    {
        ulong[] reference = [0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f];
        for (var i = 0; i < reference.Length; i++)
            Assert.Equal((uint)(reference[i] >> 40), GoldenValues.Bits(0, i));
    }

    // The published vectors of the fixtures' generator for two names.
    [Theory]
    [InlineData("conv1.weight", new[] { 64, 3, 7, 7 }, true, new uint[] { 0x3c530093, 0x3d8f7463, 0xbe0b945a }, "014b3f4fb26beada")]
    [InlineData("bn1.weight", new[] { 64 }, true, new uint[] { 0x3f5c3654, 0x3fa9863c, 0x3f88db26 }, "0000020354a891bb")]
    [InlineData("bn1.bias", new[] { 64 }, true, new uint[] { 0xbe0644b8, 0xbe3c5a4a, 0x3e185eba }, "000004218f10633f")]
    public void Values_have_the_published_bits(string name, int[] shape, bool isParameter, uint[] bits, string checksum)
    {
        var values = Filled(name, shape, isParameter);
        Assert.Equal(bits, values.Take(bits.Length).Select(BitConverter.SingleToUInt32Bits));
        Assert.Equal(checksum, $"{GoldenValues.Checksum(values):x16}");
    }

    [SharedFact]
    public void All_published_vectors_agree()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(SharedData.PathOf("reference/zoo/vectors.json")));
        var count = 0;
        foreach (var vector in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            var name = vector.GetProperty("name").GetString()!;
            var shape = vector.GetProperty("shape").EnumerateArray().Select(s => s.GetInt32()).ToArray();
            var isInput = vector.GetProperty("rule").GetString() == "input";
            var last = name[(name.LastIndexOf('.') + 1)..];
            var values = isInput
                ? [.. Enumerable.Range(0, shape.Aggregate(1, (a, b) => a * b)).Select(i => GoldenValues.Centred(GoldenValues.Seed(name), i))]
                : Filled(name, shape, !last.StartsWith("running_", StringComparison.Ordinal));
            if (vector.TryGetProperty("exp", out var exponent))
                values = Array.ConvertAll(values, v => MathF.ScaleB(v, exponent.GetInt32()));
            var bits = vector.GetProperty("value_bits").EnumerateArray().Select(b => uint.Parse(b.GetString()!, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToArray();
            Assert.Equal(bits, values.Take(bits.Length).Select(BitConverter.SingleToUInt32Bits));
            if (vector.TryGetProperty("tensor_checksum", out var checksum))
                Assert.Equal(checksum.GetString(), $"{GoldenValues.Checksum(values):x16}");
            if (vector.TryGetProperty("fnv1a", out var hash))
                Assert.Equal(hash.GetString(), $"{GoldenValues.Seed(name):x16}");
            count++;
        }
        Assert.True(count > 10);
    }

    private static float[] Filled(string name, int[] shape, bool isParameter)
    {
        var values = new float[shape.Aggregate(1, (a, b) => a * b)];
        GoldenValues.Fill(values, name, shape, GoldenValues.RuleOf(new(name, Tensor.Meta(shape), isParameter)));
        return values;
    }
}
