using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Packing;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Logging;

namespace Vertebra.Tests.Lab.Training;

public sealed class LoggingTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>The first record of an event file that TensorFlow wrote, and checksums of two more of its records.</summary>
    [Fact]
    public void Events_have_TensorFlows_bytes()
    {
        var time = BinaryPrimitives.ReadDoubleLittleEndian([0x00, 0x00, 0x80, 0x38, 0x99, 0xD6, 0xD7, 0x41]);
        byte[] expected =
        [
            0x18, 0, 0, 0, 0, 0, 0, 0, 0xA3, 0x7F, 0x4B, 0x22,
            0x09, 0x00, 0x00, 0x80, 0x38, 0x99, 0xD6, 0xD7, 0x41, 0x1A, 0x0D, .. "brain.Event:2"u8,
            0x12, 0x4B, 0x36, 0xAB,
        ];
        Assert.Equal(expected, TensorBoardEvents.Frame(TensorBoardEvents.FileVersion(time)));
        Assert.Equal(0x5794D08Au, TensorBoardEvents.Masked([0x1A, 0x11, .. "CRC test, one two"u8]));
        Assert.Equal(0xEC561924u, TensorBoardEvents.Masked([50, 0, 0, 0, 0, 0, 0, 0]));
    }

    /// <summary>Field numbers and wire types of event.proto and summary.proto, written out by hand.</summary>
    [Fact]
    public void Scalars_and_session_starts_are_the_messages_of_the_specification()
    {
        byte[] scalar =
        [
            0x09, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F, // wall_time: 1.5
            0x10, 0xAC, 0x02, // step: 300
            0x2A, 0x0B, 0x0A, 0x09, // summary { value {
            0x0A, 0x02, (byte)'l', (byte)'r', // tag
            0x15, 0x00, 0x00, 0x80, 0x3E, // simple_value: 0.25
        ];
        Assert.Equal(scalar, TensorBoardEvents.Scalars(1.5, 300, [("lr", 0.25)]));
        // session_log { status: START }
        Assert.Equal([.. scalar[..12], 0x3A, 0x02, 0x08, 0x01], TensorBoardEvents.SessionStart(1.5, 300));
    }

    /// <summary>A run killed with a state that is older than what it logged, and gone on with: every number once, and those of a run that was not.</summary>
    [Theory]
    [InlineData(1, 4)]
    [InlineData(1, 0)]
    [InlineData(2, null)]
    public void A_resumed_run_logs_every_step_once(int epoch, int? batch)
    {
        var options = new TrainingOptions { LogJson = true, Tensorboard = true, LogInterval = 2 };
        var whole = Logs(Folder("whole"), options, resumed: false);
        Replay(whole, 0, 0, 3);
        var folder = Folder("killed");
        // Killed between saving epoch 1 and noting it, or some batches after the saved state.
        Replay(Logs(folder, options, resumed: false), 0, 0, 2, withLastEnd: batch is not null);
        AtomicFile.WriteText(folder.Summary, RunSummary.Write(Enumerable.Range(0, epoch).Select(Row)));
        if (batch is null)
            Replay(Logs(folder, options, resumed: true), 2, 0, 3, withLastEnd: false);
        // What a process leaves that is killed while it writes.
        File.AppendAllText(folder.Metrics, "{\"kind\": \"tra");
        Replay(Logs(folder, options, resumed: true), epoch, batch, 3);
        Assert.Equal(Json(Folder("whole").Metrics), Json(folder.Metrics));
        Assert.Equal(Events(Folder("whole").Path), Events(folder.Path));
    }

    [Fact]
    public void A_run_writes_both_logs()
    {
        Packer.Pack(_folder["colours.vpk"], new ColourDataset(60), new ColourDataset(30, stream: 1), new());
        var run = TrainingRun.Start(new()
        {
            DataDir = _folder["colours.vpk"], Model = "resnet20_cifar", Epochs = 1, BatchSize = 30,
            Output = _folder["runs"], Experiment = "run", LogJson = true, Tensorboard = true, LogInterval = 1,
        }, _ => { });
        run.Run(NoProgress.Instance, CancellationToken.None);
        var lines = Json(run.Folder.Metrics);
        Assert.Equal(3, lines.Count);
        Assert.Contains("\"eval_top1\"", lines[2], StringComparison.Ordinal);
        var row = RunSummary.Read(File.ReadAllText(run.Folder.Summary), "summary")[0];
        var events = Events(run.Folder.Path);
        Assert.Equal((float)row.Eval!.Value.Top1, events[("top1/eval", 2)]);
        Assert.Equal((float)row.TrainLoss, events[("loss/train", 2)]);
        Assert.Equal((float)row.LearningRate, events[("lr", 2)]);
    }

    private RunFolder Folder(string name) => _folders.TryGetValue(name, out var folder) ? folder : _folders[name] = RunFolder.Create(_folder.Path, name);

    private readonly Dictionary<string, RunFolder> _folders = [];

    private const int Batches = 7;

    private static ITrainingProgress Logs(RunFolder folder, TrainingOptions options, bool resumed) =>
        RunLogs.Around(NoProgress.Instance, options, folder, Batches, resumed);

    private static void Replay(ITrainingProgress progress, int epoch, int? batch, int epochs, bool withLastEnd = true)
    {
        for (var first = batch ?? Batches; epoch < epochs; epoch++, first = 0)
        {
            for (var b = first; b < Batches; b++)
                progress.Trained(Step(epoch, b));
            if (withLastEnd || epoch < epochs - 1)
                progress.EpochFinished(Row(epoch), null);
        }
    }

    private static TrainStep Step(int epoch, int batch) => new()
    {
        Epoch = epoch, Batch = batch, Batches = Batches, Loss = epoch + (batch / 10.0), MeanLoss = 1, Top1 = 50, Seconds = 0.5, MeanSeconds = 0.5,
        DataSeconds = 0.1, MeanDataSeconds = 0.1, Images = 8, LearningRate = 0.1 / (1 + epoch + batch), TimeLeft = TimeSpan.Zero,
    };

    private static EpochRow Row(int epoch) => new(epoch, 2 - epoch, 40 + epoch, epoch == 1 ? null : new(1.5, 60 + epoch, 90), null, 0.01, 16, 3, 0.5);

    private static List<string> Json(string path)
    {
        var lines = File.ReadAllLines(path);
        return [.. lines.Select(l => JsonDocument.Parse(l).RootElement).OrderBy(l => l.GetProperty("step").GetInt64()).ThenByDescending(l => l.GetProperty("kind").GetString()).Select(l => l.ToString())];
    }

    /// <summary>A reader by the specification: files by name, frames with their checksums, messages field by field, and restarts as TensorBoard takes them.</summary>
    private static SortedDictionary<(string Tag, long Step), float> Events(string folder)
    {
        var result = new SortedDictionary<(string, long), float>();
        foreach (var path in Directory.GetFiles(folder, "events.out.tfevents.*").Order(StringComparer.Ordinal))
        {
            ReadOnlySpan<byte> file = File.ReadAllBytes(path);
            while (file.Length > 0)
            {
                var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
                Assert.Equal(Masked(file[..8]), BinaryPrimitives.ReadUInt32LittleEndian(file[8..]));
                Assert.Equal(Masked(file.Slice(12, length)), BinaryPrimitives.ReadUInt32LittleEndian(file[(12 + length)..]));
                Read(file.Slice(12, length).ToArray(), result);
                file = file[(16 + length)..];
            }
        }
        return result;
    }

    private static uint Masked(ReadOnlySpan<byte> data)
    {
        var crc = Crc32C.Compute(data);
        return unchecked(((crc >> 15) | (crc << 17)) + 0xA282EAD8u);
    }

    private static void Read(byte[] message, SortedDictionary<(string Tag, long Step), float> result)
    {
        var fields = Fields(message);
        var step = fields.TryGetValue(2, out var number) ? (long)number[0].Number : 0;
        if (fields.TryGetValue(7, out var session) && Fields(session[0].Bytes)[1][0].Number == 1)
        {
            foreach (var key in result.Keys.Where(k => k.Step >= step).ToArray())
                result.Remove(key);
        }
        foreach (var value in fields.TryGetValue(5, out var summary) ? Fields(summary[0].Bytes)[1] : [])
        {
            var parts = Fields(value.Bytes);
            result[(Encoding.UTF8.GetString(parts[1][0].Bytes), step)] = BitConverter.ToSingle(parts[2][0].Bytes);
        }
    }

    private static Dictionary<int, List<(ulong Number, byte[] Bytes)>> Fields(byte[] message)
    {
        var result = new Dictionary<int, List<(ulong, byte[])>>();
        for (var at = 0; at < message.Length;)
        {
            var key = Varint(message, ref at);
            var wireType = (int)(key & 7);
            var number = wireType is 0 or 2 ? Varint(message, ref at) : 0;
            var length = wireType switch { 1 => 8, 2 => (int)number, 5 => 4, _ => 0 };
            if (!result.TryGetValue((int)(key >> 3), out var list))
                result[(int)(key >> 3)] = list = [];
            list.Add((number, message[at..(at + length)]));
            at += length;
        }
        return result;
    }

    private static ulong Varint(byte[] message, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var part = message[at++];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }
    }
}
