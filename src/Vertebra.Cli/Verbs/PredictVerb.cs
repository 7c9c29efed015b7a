using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Ops;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra predict CHECKPOINT IMAGE...</c>: the most probable classes of images.</summary>
internal static class PredictVerb
{
    public static Command Create()
    {
        var network = new NetworkArgument();
        var images = new Argument<string[]>("images") { Description = "JPEG or PNG files", Arity = ArgumentArity.OneOrMore };
        var topk = new Option<int>("--topk") { Description = "how many classes to show", DefaultValueFactory = _ => 5 };
        var json = new Option<bool>("--json") { Description = "print one JSON line an image" };
        var threshold = new Option<double>("--threshold") { Description = "networks for images of several classes: show all classes that are at least so probable", DefaultValueFactory = _ => 0.5 };
        var kind = new Option<string>("--output-type") { Description = "prob: probabilities of classes; logits: their scores; embeddings: the pooled features that the classifier sees", DefaultValueFactory = _ => "prob" };
        kind.AcceptOnlyFromAmong("prob", "logits", "embeddings");
        var command = new Command("predict", "Tell what images show.");
        network.AddTo(command);
        command.Arguments.Add(images);
        command.Options.Add(topk);
        command.Options.Add(threshold);
        command.Options.Add(kind);
        command.Options.Add(json);
        command.SetAction(parsed => Run(network.Load(parsed), parsed.GetRequiredValue(images), parsed.GetValue(topk), parsed.GetValue(threshold), parsed.GetValue(kind)!, parsed.GetValue(json)));
        return command;
    }

    private static int Run(LoadedNetwork loaded, string[] images, int topk, double threshold, string kind, bool json)
    {
        if (topk < 1)
            throw new VertebraException($"--topk is {topk}; it must be at least 1");
        if (threshold is not (>= 0 and <= 1))
            throw new VertebraException(FormattableString.Invariant($"--threshold is {threshold}; it must be 0 to 1"));
        if (kind == "embeddings")
            loaded.Network.ResetClassifier(0);
        var transform = new InputTransform(loaded.Preprocessing);
        var facts = loaded.Preprocessing;
        var network = Graph.Trace(loaded.Network, [1, facts.Height, facts.Width, facts.Channels]).Compile();
        foreach (var path in images)
        {
            var input = transform.Apply(ImageDecoder.Decode(path));
            using var off = GradMode.Off();
            var output = network.Run(input)[0];
            var isMultiLabel = loaded.Network.Description.IsMultiLabel;
            var values = (kind != "prob" ? output : isMultiLabel ? output.Sigmoid() : output.Softmax(-1)).ToArray<float>();
            var sorted = Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).ThenBy(i => i);
            int[] best = kind == "embeddings" ? [] : isMultiLabel && kind == "prob" ? [.. sorted.TakeWhile(i => values[i] >= threshold)] : [.. sorted.Take(topk)];
            if (json)
                PrintJson(path, best, values, kind, loaded);
            else
                PrintText(path, best, values, kind, loaded);
        }
        return Host.Success;
    }

    private static void PrintText(string path, int[] best, float[] values, string kind, LoadedNetwork loaded)
    {
        Console.WriteLine(path);
        if (kind == "embeddings")
            Console.WriteLine($"  {string.Join(' ', values.Select(v => v.ToString("0.#####", CultureInfo.InvariantCulture)))}");
        else if (best.Length == 0)
            Console.WriteLine("  no class is probable enough");
        foreach (var i in best)
        {
            var value = kind == "prob" ? string.Create(CultureInfo.InvariantCulture, $"{100 * values[i],6:0.00} %") : string.Create(CultureInfo.InvariantCulture, $"{values[i],8:0.0000}");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {value}  {i,4}  {loaded.ClassName(i)}"));
        }
    }

    private static void PrintJson(string path, int[] best, float[] values, string kind, LoadedNetwork loaded)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("image", path);
            json.WriteStartArray(kind == "embeddings" ? "embedding" : "predictions");
            foreach (var value in kind == "embeddings" ? values : [])
                json.WriteNumberValue(value);
            foreach (var i in best)
            {
                json.WriteStartObject();
                json.WriteNumber("index", i);
                json.WriteString("class", loaded.ClassName(i));
                json.WriteNumber(kind == "prob" ? "probability" : "logit", values[i]);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        Console.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.ToArray()));
    }
}
