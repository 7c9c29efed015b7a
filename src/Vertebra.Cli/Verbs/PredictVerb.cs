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
        var command = new Command("predict", "Tell what images show.");
        network.AddTo(command);
        command.Arguments.Add(images);
        command.Options.Add(topk);
        command.Options.Add(json);
        command.SetAction(parsed => Run(network.Load(parsed), parsed.GetRequiredValue(images), parsed.GetValue(topk), parsed.GetValue(json)));
        return command;
    }

    private static int Run(LoadedNetwork loaded, string[] images, int topk, bool json)
    {
        if (topk < 1)
            throw new VertebraException($"--topk is {topk}; it must be at least 1");
        var transform = new InputTransform(loaded.Preprocessing);
        var facts = loaded.Preprocessing;
        var network = Graph.Trace(loaded.Network, [1, facts.Height, facts.Width, facts.Channels]).Compile();
        foreach (var path in images)
        {
            var input = transform.Apply(ImageDecoder.Decode(path));
            using var off = GradMode.Off();
            var probabilities = network.Run(input)[0].Softmax(-1).ToArray<float>();
            var best = Enumerable.Range(0, probabilities.Length).OrderByDescending(i => probabilities[i]).ThenBy(i => i).Take(topk).ToArray();
            if (json)
                PrintJson(path, best, probabilities, loaded);
            else
                PrintText(path, best, probabilities, loaded);
        }
        return Host.Success;
    }

    private static void PrintText(string path, int[] best, float[] probabilities, LoadedNetwork loaded)
    {
        Console.WriteLine(path);
        foreach (var i in best)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {100 * probabilities[i],6:0.00} %  {i,4}  {loaded.ClassName(i)}"));
    }

    private static void PrintJson(string path, int[] best, float[] probabilities, LoadedNetwork loaded)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("image", path);
            json.WriteStartArray("predictions");
            foreach (var i in best)
            {
                json.WriteStartObject();
                json.WriteNumber("index", i);
                json.WriteString("class", loaded.ClassName(i));
                json.WriteNumber("probability", probabilities[i]);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        Console.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.ToArray()));
    }
}
