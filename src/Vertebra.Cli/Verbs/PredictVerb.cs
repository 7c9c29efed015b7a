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
        var kind = new Option<string>("--output-type") { Description = "prob: probabilities of classes; logits: their scores; embeddings: the pooled features that the classifier sees", DefaultValueFactory = _ => "prob" };
        kind.AcceptOnlyFromAmong("prob", "logits", "embeddings");
        var command = new Command("predict", "Tell what images show.");
        network.AddTo(command);
        command.Arguments.Add(images);
        command.Options.Add(topk);
        command.Options.Add(kind);
        command.Options.Add(json);
        command.SetAction(parsed => Run(network.Load(parsed), parsed.GetRequiredValue(images), parsed.GetValue(topk), parsed.GetValue(kind)!, parsed.GetValue(json)));
        return command;
    }

    private static int Run(LoadedNetwork loaded, string[] images, int topk, string kind, bool json)
    {
        if (topk < 1)
            throw new VertebraException($"--topk is {topk}; it must be at least 1");
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
            var values = (kind == "prob" ? output.Softmax(-1) : output).ToArray<float>();
            var best = kind == "embeddings" ? [] : Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).ThenBy(i => i).Take(topk).ToArray();
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
