using System.CommandLine;
using System.Diagnostics;
using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Graphs.Profiling;
using Vertebra.Kernels;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra bench MODEL</c>: time per step and peak memory.</summary>
internal static class BenchVerb
{
    private const int WarmUps = 3;
    private const int LeastRuns = 7;
    private const int MostRuns = 200;
    private static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(3);

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "name of the network" };
        var batch = new Option<int>("--batch", "-b") { Description = "images of one step", DefaultValueFactory = _ => 8 };
        var mode = new Option<string>("--mode") { Description = "infer: one run of the compiled graph; train: forward, cross-entropy, backward and SGD with momentum", DefaultValueFactory = _ => "infer" };
        mode.AcceptOnlyFromAmong("infer", "train");
        var threads = new Option<int?>("--threads") { Description = "threads that compute (default: all processors)" };
        var size = new Option<int?>("--img-size") { Description = "side of the image (default: the network's)" };
        var explain = new Option<bool>("--explain") { Description = "tell for every node of the compiled graph how it is computed, its time, and how close to this machine's limit that is; with --mode train the time by kind of op" };
        var sort = new Option<string>("--sort") { Description = "order of what --explain tells: as the nodes run, or the slowest first", DefaultValueFactory = _ => "order" };
        sort.AcceptOnlyFromAmong("order", "time");
        var cold = new Option<bool>("--cold") { Description = "instead of steps: the time from the start of this process to the first logits of one image, by phase" };
        var scaling = new Option<bool>("--scaling") { Description = "steps on one thread and on all of them in turn: how many times as fast all are" };
        var checkpointing = new Option<bool>("--grad-checkpointing") { Description = "with --mode train: compute blocks again for their gradients instead of keeping their activations" };
        var json = new Option<bool>("--json") { Description = "print one JSON line" };
        var command = new Command("bench",
            "Time a network on this machine: median and minimum of at least 7 runs over at least 3 seconds, after a warm-up.") { model, batch, mode, threads, size, explain, sort, cold, scaling, checkpointing, json };
        command.SetAction(parsed =>
        {
            var (images, count) = (parsed.GetValue(batch), parsed.GetValue(threads) ?? Environment.ProcessorCount);
            if (images is < 1 or > 4096)
                throw new VertebraException($"--batch is {images}; it must be 1 to 4096");
            if (count is < 1 or > 1024)
                throw new VertebraException($"--threads is {count}; it must be 1 to 1024");
            Workers.Count = count;
            var name = parsed.GetValue(model)!;
            if (parsed.GetValue(cold))
            {
                if (parsed.GetValue(mode) == "train" || parsed.GetValue(explain) || parsed.GetResult(batch) is { Implicit: false })
                    throw new VertebraException("--cold is the time to the first logits of one image: --mode train, --explain and --batch have no part in it");
                ColdStart.Measure(name, parsed.GetValue(size)).Print(parsed.GetValue(json));
                return Host.Success;
            }
            if (parsed.GetValue(checkpointing) && parsed.GetValue(mode) != "train")
                throw new VertebraException("--grad-checkpointing is about gradients: it needs --mode train");
            var input = Models.Find(name).Config.InputSize;
            var image = RandomImages([images, parsed.GetValue(size) ?? input.Height, parsed.GetValue(size) ?? input.Width, input.Channels]);
            var report = new BenchReport(name, parsed.GetValue(mode)!, image.Shape, parsed.GetValue(sort) == "time");
            if (parsed.GetValue(scaling) && (parsed.GetValue(explain) || count == 1))
                throw new VertebraException("--scaling compares two or more --threads with one, and explains no nodes: leave --explain out");
            var network = Models.Create(name);
            network.SetGradCheckpointing(parsed.GetValue(checkpointing));
            Run(report, network, image, parsed.GetValue(explain), parsed.GetValue(scaling)).Print(parsed.GetValue(json));
            return Host.Success;
        });
        return command;
    }

    private static BenchReport Run(BenchReport report, Backbone network, Tensor image, bool explain, bool scaling)
    {
        if (report.Mode == "train")
        {
            var (forward, update) = TrainingStep(network, image);
            report = Measure(report, scaling, () =>
            {
                forward().Backward();
                update();
            });
            return explain ? report with { Step = StepProfile.Measure(forward, update) } : report;
        }
        var compiled = Graph.Trace(network, image.Shape).Compile();
        report = Measure(report, scaling, () => compiled.Run(image));
        return explain ? report with { Nodes = CompiledProfile.Measure(compiled, image) } : report;
    }

    private static BenchReport Measure(BenchReport report, bool scaling, Action step)
    {
        if (!scaling)
            return report with { Times = Measure(step), PeakMegabytes = PeakMegabytes() };
        var times = MeasureScaling(step);
        return report with { Times = [.. times.Select(t => t.All).Order()], ScalingTimes = times, PeakMegabytes = PeakMegabytes() };
    }

    private static double PeakMegabytes() => Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0;

    private static (Func<Tensor> Forward, Action Update) TrainingStep(Backbone network, Tensor image)
    {
        network.Train();
        var optimizer = new Sgd(ParameterGroup.Of(network, 0), momentum: 0.9) { LearningRate = 0.01 };
        var labels = Tensor.From(Enumerable.Range(0, image.Shape[0]).Select(i => (long)(i * 131 % network.NumClasses)).ToArray(), [image.Shape[0]]);
        long step = 0;
        return (Forward, Update);

        Tensor Forward()
        {
            using var random = TrainingRandom.Begin(1, step++);
            return network.Forward(image).CrossEntropy(labels);
        }

        void Update()
        {
            optimizer.Step();
            optimizer.ZeroGrad();
        }
    }

    private static List<double> Measure(Action step)
    {
        var times = Repeat(() => Time(step));
        times.Sort();
        return times;
    }

    // In turn, as a machine's speed wanders: what happens to it happens to both.
    private static List<(double One, double All)> MeasureScaling(Action step)
    {
        var all = Workers.Count;
        return Repeat(() =>
        {
            Workers.Count = 1;
            var one = Time(step);
            Workers.Count = all;
            return (one, Time(step));
        });
    }

    private static List<T> Repeat<T>(Func<T> measure)
    {
        for (var i = 0; i < WarmUps; i++)
            measure();
        var results = new List<T>();
        var total = Stopwatch.StartNew();
        while (results.Count < LeastRuns || (total.Elapsed < LeastTime && results.Count < MostRuns))
            results.Add(measure());
        return results;
    }

    private static double Time(Action step)
    {
        var start = Stopwatch.GetTimestamp();
        step();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static Tensor RandomImages(Shape shape)
    {
        var values = new float[shape.ElementCount];
        new Philox(1, 1).FillNormal(values);
        return Tensor.From(values, shape);
    }
}
