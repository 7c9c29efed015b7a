namespace Vertebra.Tests.Lab.Data;

/// <summary>Files of CIFAR-10's form with noisy pictures: the class sets which of the channels is bright, and where.</summary>
internal static class TinyCifar
{
    private const int Plane = 32 * 32;

    /// <summary>Writes so many training and test images into a folder.</summary>
    public static string Write(string folder, int training, int test)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, "data_batch_1.bin"), Records(training, 1));
        File.WriteAllBytes(Path.Combine(folder, "test_batch.bin"), Records(test, 2));
        return folder;
    }

    private static byte[] Records(int count, ulong stream)
    {
        var random = new Philox(5, stream);
        var bytes = new byte[count * (1 + (3 * Plane))];
        for (var i = 0; i < bytes.Length; i++)
        {
            var (record, at) = (i / (1 + (3 * Plane)), i % (1 + (3 * Plane)));
            var label = record % 10;
            bytes[i] = at == 0 ? (byte)label : (byte)(random.Below(150, (ulong)i) + ((at - 1) / Plane == label % 3 && (at - 1) % Plane / 320 == label / 3 ? 100 : 0));
        }
        return bytes;
    }
}
