using System.Buffers.Binary;
using System.Text;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;
using Vertebra.Lab.Data.Packing;
using Vertebra.Tests.Lab.Images;

namespace Vertebra.Tests.Lab.Data;

public sealed class PackTests : IDisposable
{
    private static readonly string[] Names = ["baseline_2x2.jpg", "progressive_2x2.jpg", "gray.jpg", "cmyk_adobe.jpg", "rgb_8.png", "size_65x1.jpg"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Pack => _folder["set.vpk"];

    /// <summary>Test vectors of RFC 3720, appendix B.4, and CRC-32C's check value.</summary>
    [Fact]
    public void The_checksum_is_that_of_the_rfc()
    {
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Compute([.. Enumerable.Repeat((byte)0xFF, 32)]));
        Assert.Equal(0x46DD794Eu, Crc32C.Compute([.. Enumerable.Range(0, 32).Select(i => (byte)i)]));
        Assert.Equal(0x113FDB5Cu, Crc32C.Compute([.. Enumerable.Range(0, 32).Select(i => (byte)(31 - i))]));
        Assert.Equal(0xE3069283u, Crc32C.Compute("123456789"u8));
        Assert.Equal(0xE3069283u, Crc32C.Append(Crc32C.Compute("1234"u8), "56789"u8));
    }

    /// <summary>Whatever is stored raw, kept or cached, a batch has the bits that it has out of the files.</summary>
    [Theory]
    [InlineData(0, 0, 3)]
    [InlineData(1 << 20, 0, 3)]
    [InlineData(10_000, 1 << 20, 3)]
    [InlineData(1 << 20, 0, 1)]
    public void Batches_of_a_pack_are_those_of_the_folder(int rawBelow, int cacheBytes, int channels)
    {
        WriteFolder("train", 12);
        WriteFolder("val", 6);
        var packed = PackFolder(new() { RawBelow = rawBelow });
        Assert.Equal((12, 6, 0), (packed.Training, packed.Validation, packed.Broken));
        Assert.Equal(new FileInfo(Pack).Length, packed.Bytes);
        foreach (var (split, augmentation, options) in new[]
        {
            (DatasetSplit.Train, Augmentation.Photos, LoaderOptions.ForTraining(5, seed: 3)),
            (DatasetSplit.Train, Augmentation.SmallImages, LoaderOptions.ForTraining(5, seed: 3)),
            (DatasetSplit.Validation, null, LoaderOptions.ForEvaluation(4)),
        })
        {
            var transform = new InputTransform(new Preprocessing().WithSize(24).WithChannels(channels), augmentation);
            var (folder, vpk) = (FolderDataset.Open(_folder.Path, split, new()), DatasetFactory.Open("vpk", Pack, split));
            Assert.Equal(Read(folder, transform, options), Read(vpk, transform, options with { CacheBytes = cacheBytes, Workers = 2 }));
            Assert.Equal(folder.ClassNames, vpk.ClassNames);
            Assert.All(Enumerable.Range(0, folder.Count), i => Assert.Equal((folder.NameOf(i), folder.Label(i)), (vpk.NameOf(i), vpk.Label(i))));
        }
    }

    [Fact]
    public void Small_images_are_stored_as_pixels_and_large_ones_as_their_files()
    {
        WriteFolder("train", 12);
        var limit = ImageDecoder.Decode(ImageFixtures.PathOf(Names[4])).Pixels.Length;
        Assert.Equal(0, PackFolder(new() { RawBelow = 0 }).Raw);
        PackFolder(new() { RawBelow = limit });
        var (folder, vpk) = (FolderDataset.Open(_folder["train"], DatasetSplit.Train, new()), VpkDataset.Open(Pack, DatasetSplit.Train, new()));
        for (var i = 0; i < vpk.Count; i++)
        {
            var image = folder.Load(i);
            using var stored = vpk.Borrow(i);
            using var file = folder.Borrow(i);
            Assert.Equal(image.Pixels.Length <= limit, stored.IsRaw);
            Assert.Equal(stored.IsRaw ? image.Pixels : file.Data.ToArray(), stored.Data.ToArray());
            Assert.Equal(image.Pixels, vpk.Load(i).Pixels);
        }
        Assert.False(vpk.IsInMemory);
        PackFolder(new() { RawBelow = 1 << 24 });
        Assert.True(VpkDataset.Open(Pack, DatasetSplit.Train, new()).IsInMemory);
    }

    [Fact]
    public void Images_are_shrunk_by_their_longer_side()
    {
        _folder.Write("a/wide.png", PngWriter.Encode(ImageFixtures.Synthetic(100, 31)));
        _folder.Write("b/small.png", PngWriter.Encode(ImageFixtures.Synthetic(20, 40)));
        PackFolder(new() { MaxSide = 40, RawBelow = 0 });
        var vpk = VpkDataset.Open(Pack, DatasetSplit.Train, new());
        var expected = Resampler.Resize(ImageFixtures.Synthetic(100, 31), 40, 12, ResampleFilter.Box);
        Assert.Equal(expected.Pixels, vpk.Load(0).Pixels);
        using var kept = vpk.Borrow(1);
        Assert.False(kept.IsRaw);
    }

    [Fact]
    public void Broken_images_are_left_out_and_named()
    {
        WriteFolder("train", 6);
        _folder.Write("train/a/cut.jpg", File.ReadAllBytes(ImageFixtures.PathOf(Names[0]))[..^40]);
        var warnings = new List<string>();
        var packed = PackFolder(new(), warnings.Add);
        Assert.Equal((6, 1), (packed.Training, packed.Broken));
        Assert.Contains("cut.jpg: JPEG file cut short", Assert.Single(warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_cancelled_pack_leaves_the_old_one_and_nothing_else()
    {
        WriteFolder("train", 80);
        File.WriteAllText(Pack, "old");
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Packer.Pack(
            Pack, FolderDataset.Open(_folder["train"], DatasetSplit.Train, new()), null, new(), (_, _) => source.Cancel(), cancellation: source.Token));
        Assert.Equal("old", File.ReadAllText(Pack));
        Assert.Empty(Directory.GetFiles(_folder.Path, "*.tmp"));
    }

    [Fact]
    public void A_share_can_be_held_back_when_the_pack_is_opened_and_is_the_folders()
    {
        WriteFolder("train", 30);
        PackFolder(new());
        Assert.Contains("--val-split", Assert.Throws<VertebraException>(() => VpkDataset.Open(Pack, DatasetSplit.Validation, new())).Message, StringComparison.Ordinal);
        Assert.Equal(30, VpkDataset.Open(Pack, DatasetSplit.Evaluation, new()).Count);
        var options = new DatasetOptions { ValidationShare = 0.2, Seed = 3 };
        foreach (var split in new[] { DatasetSplit.Train, DatasetSplit.Validation })
        {
            var (folder, vpk) = (FolderDataset.Open(_folder["train"], split, options), VpkDataset.Open(Pack, split, options));
            Assert.Equal(Enumerable.Range(0, folder.Count).Select(folder.NameOf), Enumerable.Range(0, vpk.Count).Select(vpk.NameOf));
        }
    }

    [Fact]
    public void Labels_are_numbered_as_a_network_numbers_them()
    {
        WriteFolder("train", 6);
        PackFolder(new());
        var vpk = VpkDataset.Open(Pack, DatasetSplit.Evaluation, new() { ClassNames = ["c", "b", "a"] });
        Assert.Equal([2, 2, 2, 1, 1, 1], Enumerable.Range(0, 6).Select(vpk.Label));
        Assert.Contains("class a is none", Assert.Throws<VertebraException>(() => VpkDataset.Open(Pack, DatasetSplit.Evaluation, new() { ClassNames = ["b", "c"] })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_packed_set_trains_as_the_set_it_was_made_of()
    {
        Packer.Pack(Pack, new KindDataset(), null, new());
        var vpk = VpkDataset.Open(Pack, DatasetSplit.Train, new());
        Assert.Equal(("mnist", 1, 9), (vpk.Kind, vpk.Preprocessing.Channels, vpk.Preprocessing.Width));
        Assert.True(vpk.IsInMemory);
    }

    /// <summary>The layout that docs/pack.md states, read by hand.</summary>
    [Fact]
    public void The_file_is_laid_out_as_documented()
    {
        WriteFolder("train", 2);
        WriteFolder("val", 2);
        PackFolder(new() { RawBelow = 0 });
        var bytes = File.ReadAllBytes(Pack);
        Assert.Equal("89 56 50 4B 0D 0A 1A 0A 01 00 00 00 28 00 00 00", string.Join(' ', bytes[..16].Select(b => $"{b:X2}")));
        long At(int place) => BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(place));
        Assert.Equal((bytes.Length, 4, At(32) + 160), (At(16), At(24), At(40)));
        Assert.Equal(Crc32C.Compute(bytes.AsSpan((int)At(32))), BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(56)));
        var entry = bytes.AsSpan((int)At(32) + 80);
        var (offset, length) = ((int)BinaryPrimitives.ReadInt64LittleEndian(entry), BinaryPrimitives.ReadInt32LittleEndian(entry[8..]));
        Assert.Equal(File.ReadAllBytes(_folder["val/a/000.jpg"]), bytes[offset..(offset + length)]);
        var name = (int)At(40) + (int)BinaryPrimitives.ReadUInt32LittleEndian(entry[28..]);
        Assert.Equal(Path.Combine("a", "000.jpg"), Encoding.UTF8.GetString(bytes.AsSpan(name, BinaryPrimitives.ReadUInt16LittleEndian(entry[32..]))));
        Assert.Equal((1, 1), (entry[34], entry[35]));
        Assert.StartsWith("{\"kind\":\"folder\"", Encoding.UTF8.GetString(bytes.AsSpan((int)At(48))), StringComparison.Ordinal);
    }

    /// <summary>Every byte of a pack is under some checksum: a changed one is found, by opening, by reading or by checking.</summary>
    [Fact]
    public void Every_changed_byte_is_found()
    {
        WriteFolder("train", 3);
        PackFolder(new() { RawBelow = 4000 });
        var bytes = File.ReadAllBytes(Pack);
        var random = new Random(4);
        for (var round = 0; round < 400; round++)
        {
            var at = round < 64 ? round : random.Next(bytes.Length);
            bytes[at] ^= 0x10;
            File.WriteAllBytes(Pack, bytes);
            bytes[at] ^= 0x10;
            try
            {
                Assert.NotEmpty(PackCheck.Run(Pack).Damaged);
                var vpk = VpkDataset.Open(Pack, DatasetSplit.Train, new());
                Assert.Contains("is damaged", Assert.Throws<FileFormatException>(() => Enumerable.Range(0, vpk.Count).Select(vpk.Load).Count()).Message, StringComparison.Ordinal);
            }
            catch (FileFormatException e)
            {
                Assert.StartsWith(Pack, e.Message, StringComparison.Ordinal);
            }
        }
    }

    /// <summary>Hostile packs, whose checksums are right: refused in one line, or read.</summary>
    [Fact]
    public void Mutations_with_right_checksums_are_read_or_refused()
    {
        WriteFolder("train", 3);
        PackFolder(new() { RawBelow = 4000 });
        var whole = File.ReadAllBytes(Pack);
        var random = new Random(11);
        long[] odd = [0, 1, -1, 63, 64, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue, whole.Length, whole.Length - 1, uint.MaxValue];
        var tables = (int)BinaryPrimitives.ReadInt64LittleEndian(whole.AsSpan(32));
        for (var round = 0; round < 1500; round++)
        {
            var bytes = whole.ToArray();
            for (var changes = random.Next(1, 4); changes > 0; changes--)
            {
                var at = random.Next(3) == 0 ? random.Next(2, 7) * 8 : random.Next(tables, bytes.Length - 8) & ~3;
                if (random.Next(2) == 0)
                    BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), (int)odd[random.Next(odd.Length)]);
                else
                    BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(at), odd[random.Next(odd.Length)]);
            }
            if (random.Next(8) == 0)
                bytes = bytes[..random.Next(bytes.Length)];
            Repair(bytes);
            File.WriteAllBytes(Pack, bytes);
            var error = Record.Exception(() =>
            {
                var vpk = VpkDataset.Open(Pack, DatasetSplit.Train, new());
                foreach (var i in Enumerable.Range(0, vpk.Count))
                    _ = (vpk.NameOf(i), vpk.Label(i), Record.Exception(() => vpk.Load(i)) is { } e and not VertebraException ? throw e : 0);
            });
            Assert.True(error is null or VertebraException, $"round {round}: {error}");
            Assert.DoesNotContain('\n', error?.Message ?? "");
        }
    }

    private static void Repair(byte[] bytes)
    {
        if (bytes.Length < 64)
            return;
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), bytes.Length);
        var tables = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(32));
        if (tables >= 0 && tables <= bytes.Length)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(56), Crc32C.Compute(bytes.AsSpan((int)tables)));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(60), Crc32C.Compute(bytes.AsSpan(0, 60)));
    }

    private PackResult PackFolder(PackOptions options, Action<string>? warn = null)
    {
        var training = FolderDataset.Open(_folder.Path, DatasetSplit.Train, new());
        var validation = FolderDataset.HasValidation(_folder.Path) ? FolderDataset.Open(_folder.Path, DatasetSplit.Validation, new()) : null;
        return Packer.Pack(Pack, training, validation, options, warn: warn);
    }

    private void WriteFolder(string split, int count)
    {
        for (var i = 0; i < count; i++)
            _folder.Write($"{split}/{"ab"[i % 2]}/{i:000}{Path.GetExtension(Names[i % Names.Length])}", File.ReadAllBytes(ImageFixtures.PathOf(Names[i % Names.Length])));
    }

    private static List<string> Read(IImageDataset dataset, InputTransform transform, LoaderOptions options)
    {
        var loader = new BatchLoader(dataset, transform, options);
        return [.. Enumerable.Range(0, 2).SelectMany(epoch => loader.Epoch(epoch).ToArray())
            .Select(b => $"{string.Join(' ', b.Indices)} / {string.Join(' ', b.Labels.ToArray<long>())} / {string.Join(' ', b.Images.ToArray<float>().Select(BitConverter.SingleToInt32Bits))}")];
    }

    /// <summary>Grey pictures in memory.</summary>
    private sealed class KindDataset : IImageDataset
    {
        public string Identity => "grey";

        public string Kind => "mnist";

        public int Count => 4;

        public IReadOnlyList<string> ClassNames { get; } = ["0", "1"];

        public Preprocessing Preprocessing => Preprocessing.Whole(9, [0.5], [0.25]);

        public bool IsInMemory => true;

        public int Label(int index) => index % 2;

        public string NameOf(int index) => $"grey {index}";

        public RgbImage Load(int index) => new(9, 9);
    }
}
