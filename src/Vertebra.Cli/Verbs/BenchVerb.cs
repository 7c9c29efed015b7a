using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Vertebra.Autograd;
using Vertebra.Graphs;
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
        var json = new Option<bool>("--json") { Description = "print one JSON line" };
        var command = new Command("bench",
            "Time a network on this machine: median and minimum of at least 7 runs over at least 3 seconds, after a warm-up.") { model, batch, mode, threads, size, json };
        command.SetAction(parsed => Run(
            parsed.GetValue(model)!, parsed.GetValue(batch), parsed.GetValue(mode)!, parsed.GetValue(threads), parsed.GetValue(size), parsed.GetValue(json)));
        return command;
    }

    private static int Run(string name, int batch, string mode, int? threads, int? size, bool json)
    {
        if (batch is < 1 or > 4096)
            throw new VertebraException($"--batch is {batch}; it must be 1 to 4096");
        if (threads is < 1 or > 1024)
            throw new VertebraException($"--threads is {threads}; it must be 1 to 1024");
        Workers.Count = threads ?? Environment.ProcessorCount;
        var input = Models.Find(name).Config.InputSize;
        var image = RandomImages([batch, size ?? input.Height, size ?? input.Width, input.Channels]);
        var network = Models.Create(name);
        var times = Measure(mode == "train" ? TrainingStep(network, image) : InferenceStep(network, image));
        var (median, minimum) = (times[times.Count / 2], times[0]);
        var memory = Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0;
        Console.WriteLine(json
            ? string.Create(CultureInfo.InvariantCulture,
                $$"""{"model": "{{name}}", "mode": "{{mode}}", "batch": {{batch}}, "threads": {{Workers.Count}}, "median_ms": {{median:0.###}}, "min_ms": {{minimum:0.###}}, "runs": {{times.Count}}, "peak_rss_mb": {{memory:0.#}}}""")
            : string.Create(CultureInfo.InvariantCulture,
                $"{name} {mode} batch {batch}, {image.Shape[1]}x{image.Shape[2]}, {Workers.Count} threads ({Simd.Level}): median {median:0.0} ms, minimum {minimum:0.0} ms, {1000 * batch / median:0.0} images/s, {times.Count} runs, peak memory {memory:0} MB"));
        return Host.Success;
    }

    private static Action InferenceStep(Backbone network, Tensor image)
    {
        var compiled = Graph.Trace(network, image.Shape).Compile();
        return () => compiled.Run(image);
    }

    private static Action TrainingStep(Backbone network, Tensor image)
    {
        network.Train();
        var optimizer = new Sgd(ParameterGroup.Of(network, 0), momentum: 0.9) { LearningRate = 0.01 };
        var labels = Tensor.From(Enumerable.Range(0, image.Shape[0]).Select(i => (long)(i * 131 % network.NumClasses)).ToArray(), [image.Shape[0]]);
        long step = 0;
        return () =>
        {
            using var random = TrainingRandom.Begin(1, step++);
            network.Forward(image).CrossEntropy(labels).Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
        };
    }

    private static List<double> Measure(Action step)
    {
        for (var i = 0; i < WarmUps; i++)
            step();
        var times = new List<double>();
        var total = Stopwatch.StartNew();
        while (times.Count < LeastRuns || (total.Elapsed < LeastTime && times.Count < MostRuns))
        {
            var start = Stopwatch.GetTimestamp();
            step();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        times.Sort();
        return times;
    }

    private static Tensor RandomImages(Shape shape)
    {
        var values = new float[shape.ElementCount];
        new Philox(1, 1).FillNormal(values);
        return Tensor.From(values, shape);
    }
}
