using System.Buffers.Binary;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Tests.Lab.Images;

/// <summary>Hostile files: the decoder may refuse them in one line, or decode something; it may do nothing else.</summary>
public class DamagedFileTests
{
    /// <summary>Small enough that a mutated size field cannot make a case slow.</summary>
    private static readonly ImageDecodeOptions Limited = new() { MaxPixels = 1 << 20 };

    private static readonly byte[] PngSignature = [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    public static TheoryData<string> Files => [.. ImageFixtures.Files.Where(n => !n.StartsWith("size_", StringComparison.Ordinal) && !n.StartsWith("orientation", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_truncation_is_refused_in_one_line(string name)
    {
        var path = ImageFixtures.PathOf(name);
        var data = File.ReadAllBytes(path);
        var whole = ImageDecoder.Decode(data, name).Pixels;
        for (var length = 0; length < data.Length; length += length < 700 ? 1 : 13)
        {
            var error = Record.Exception(() =>
            {
                // Bytes that are only the end marker, or chunk, or come behind it, may be missing.
                var pixels = ImageDecoder.Decode(data.AsMemory(0, length), name).Pixels;
                Assert.Equal(whole, pixels);
            });
            AssertRefusal(error, name);
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Mutations_are_decoded_or_refused(string name)
    {
        var data = File.ReadAllBytes(ImageFixtures.PathOf(name));
        var random = new Random(name.Length * 7919 + data.Length);
        for (var round = 0; round < 150; round++)
        {
            var mutated = Mutate(data, random);
            AssertRefusal(Record.Exception(() => ImageDecoder.Decode(mutated, name, Limited)), name);
            AssertRefusal(Record.Exception(() => ImageDecoder.ReadInfo(mutated, name)), name);
            AssertRefusal(Record.Exception(() => DecodeSomePart(mutated, name, random, checksRest: false)), name);
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void A_part_is_refused_where_the_whole_is(string name)
    {
        var data = File.ReadAllBytes(ImageFixtures.PathOf(name));
        var random = new Random(name.Length);
        for (var round = 0; round < 100; round++)
        {
            var mutated = Mutate(data, random);
            var whole = Record.Exception(() => ImageDecoder.Decode(mutated, name, Limited));
            var part = Record.Exception(() => DecodeSomePart(mutated, name, random, checksRest: true));
            Assert.Equal(whole?.Message, part?.Message);
        }
    }

    [SharedFact]
    public void Mutated_photos_are_decoded_or_refused()
    {
        var random = new Random(5);
        foreach (var file in Directory.GetFiles(SharedData.PathOf("data/bccd/images")).Order().Take(20))
        {
            var data = File.ReadAllBytes(file);
            for (var round = 0; round < 10; round++)
            {
                var mutated = Mutate(data, random);
                AssertRefusal(Record.Exception(() => ImageDecoder.Decode(mutated, file, Limited)), file);
            }
        }
    }

    [Fact]
    public void Noise_behind_a_signature_is_refused()
    {
        var random = new Random(3);
        for (var round = 0; round < 2000; round++)
        {
            var data = new byte[random.Next(2, 400)];
            random.NextBytes(data);
            if ((round & 1) == 0)
                (data[0], data[1]) = (0xFF, 0xD8);
            else
                PngSignature[..Math.Min(8, data.Length)].CopyTo(data.AsSpan());
            AssertRefusal(Record.Exception(() => ImageDecoder.Decode(data, "noise", Limited)), "noise");
        }
    }

    [Theory]
    [InlineData("baseline_2x2.jpg")]
    [InlineData("progressive_2x2.jpg")]
    public void A_header_that_promises_too_much_takes_no_memory(string name)
    {
        var data = File.ReadAllBytes(ImageFixtures.PathOf(name));
        var frame = IndexOfFrame(data);
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(frame + 5), 13000);
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(frame + 7), 13000);
        AssertRefusedCheaply(data, name);
    }

    [Fact]
    public void A_png_header_that_promises_too_much_takes_no_memory()
    {
        var data = PngWriter.Encode(ImageFixtures.Synthetic(16, 16));
        BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(16), 13000);
        BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(20), 13000);
        BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(29), Checksum(data.AsSpan(12, 17)));
        AssertRefusedCheaply(data, "bomb.png");
    }

    [Fact]
    public void Scans_without_end_are_refused()
    {
        var data = File.ReadAllBytes(ImageFixtures.PathOf("progressive_spectral_only.jpg"));
        var scan = data.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xDA]);
        var end = data.AsSpan(scan + 2).IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC4]) + scan + 2;
        byte[] again = [.. data[..end], .. Enumerable.Repeat(data[scan..end], 10_000).SelectMany(b => b), .. data[end..]];
        var error = Assert.Throws<FileFormatException>(() => ImageDecoder.Decode(again, "scans.jpg"));
        Assert.Contains("out of turn", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_name_the_file_the_place_and_the_remedy()
    {
        var data = File.ReadAllBytes(ImageFixtures.PathOf("baseline_2x2.jpg"));
        var error = Assert.Throws<FileFormatException>(() => ImageDecoder.Decode(data.AsMemory(0, data.Length / 2), "photos/cat.jpg"));
        Assert.Equal($"photos/cat.jpg: JPEG file cut short: picture data from row 0 of 4 of blocks on missing at byte {data.Length / 2}; get the whole file or remove it", error.Message);
    }

    private static void DecodeSomePart(byte[] data, string name, Random random, bool checksRest)
    {
        using var reader = ImageDecoder.Open(data, name, Limited.MaxPixels);
        var info = reader.ReadInfo();
        int left = random.Next(info.Width), top = random.Next(info.Height);
        reader.DecodePart(new CropBox(left, top, random.Next(1, info.Width - left + 1), random.Next(1, info.Height - top + 1)), checksRest).Dispose();
    }

    private static int IndexOfFrame(byte[] data)
    {
        for (var i = 0; ; i++)
        {
            if (data[i] == 0xFF && data[i + 1] is 0xC0 or 0xC2)
                return i;
        }
    }

    private static void AssertRefusedCheaply(byte[] data, string name)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        AssertRefusal(Assert.Throws<FileFormatException>(() => ImageDecoder.Decode(data, name)), name);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    private static void AssertRefusal(Exception? error, string name)
    {
        if (error is null)
            return;
        Assert.True(error is FileFormatException, $"{name}: {error}");
        Assert.StartsWith(name + ": ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    /// <summary>Changes, cuts, doubles or inserts a few bytes.</summary>
    private static byte[] Mutate(byte[] data, Random random)
    {
        var bytes = data.ToList();
        for (var changes = random.Next(1, 5); changes > 0 && bytes.Count > 8; changes--)
        {
            var at = random.Next(2, bytes.Count);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes[at] = 0xFF;
                    break;
                case 3:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at));
                    break;
                case 4:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 60), bytes.Count - at)));
                    break;
                default:
                    bytes.InsertRange(at, [0xFF, (byte)random.Next(0xC0, 0x100)]);
                    break;
            }
        }
        return RepairChecksums([.. bytes]);
    }

    /// <summary>Gives PNG chunks right checksums again, so that mutations reach what lies behind them.</summary>
    private static byte[] RepairChecksums(byte[] data)
    {
        if (data[1] != 'P')
            return data;
        for (var at = 8; at + 12 <= data.Length;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(at));
            if (length > data.Length - at - 12)
                break;
            BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(at + 8 + (int)length), Checksum(data.AsSpan(at + 4, 4 + (int)length)));
            at += 12 + (int)length;
        }
        return data;
    }

    /// <summary>CRC-32 bit by bit, as the PNG standard defines it.</summary>
    private static uint Checksum(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var value in data)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
        }
        return ~crc;
    }
}
