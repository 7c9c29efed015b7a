using System.CommandLine;
using System.Globalization;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra info MODEL</c>: what a network is, what it takes and gives, which weights there are, what may be asked of it.</summary>
internal static class InfoVerb
{
    private const int Columns = 100;

    public static Command Create()
    {
        var name = new Argument<string>("model") { Description = "name of a network, or NAME.TAG" };
        var command = new Command("info", "Tell a network's story: paper, idea, costs, stages with shapes, preprocessing, published weights with their licences, and the options that fit.") { name };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(name)));
        return command;
    }

    private static int Run(string name)
    {
        var (model, config) = Models.Find(name);
        var family = Models.Families.First(f => f.Name == model.Family);
        var cost = ModelCost.Of(model);
        Console.WriteLine(config.Tag.Length == 0 ? model.Name : $"{model.Name}.{config.Tag}");
        Print("family", family.Name);
        Print("paper", family.Paper);
        Print("idea", family.Idea);
        Print("costs", string.Create(CultureInfo.InvariantCulture,
            $"{cost.Parameters / 1e6:0.00} M parameters, {cost.Macs / 1e9:0.00} GMACs, {cost.Activations / 1e6:0.00} M activations at {model.Config.InputSize} with {model.Config.NumClasses} classes"));
        PrintStages(model, config);
        PrintPreprocessing(config);
        PrintWeights(model, config);
        PrintOptions(model, config);
        return Host.Success;
    }

    private static void PrintStages(ModelInfo model, PretrainedConfig config)
    {
        using var meta = Construction.Meta();
        var network = Models.Create(model.Name, new() { ImgSize = config.InputSize.Height });
        var pyramid = new FeaturePyramid(network);
        var size = config.InputSize;
        var outputs = pyramid.GraphFor([1, size.Height, size.Width, size.Channels]).Outputs;
        Console.WriteLine();
        if (outputs.Count == 0)
        {
            Console.WriteLine($"No stages: the network gives no maps, only a vector of {network.NumFeatures}");
            return;
        }
        Console.WriteLine($"Stages at {size}: the maps of features_only, and the vector of {network.NumFeatures} that the last becomes");
        var width = Math.Max(6, pyramid.Levels.Max(l => l.Module.Length));
        Console.WriteLine($"  {"level",5}  {"module".PadRight(width)}  stride  channels  height x width");
        foreach (var (level, output) in pyramid.Levels.Zip(outputs))
            Console.WriteLine($"  {level.Index,5}  {level.Module.PadRight(width)}  {level.Reduction,6}  {level.Channels,8}  {output.Shape[1]} x {output.Shape[2]}");
    }

    private static void PrintPreprocessing(PretrainedConfig config)
    {
        Console.WriteLine();
        Console.WriteLine("Preprocessing");
        Print("size", $"{config.InputSize}{(config.FixedInputSize ? ", fixed" : "")}{(config.MinInputSize is { } least ? $", at least {least}" : "")}");
        if (config.TestInputSize is { } test)
            Print("test size", $"{test}, crop {Text([config.TestCropPct ?? config.CropPct])} (--use-test-size)");
        Print("crop", $"{Text([config.CropPct])} {config.CropMode}, {config.Interpolation}");
        Print("mean, std", $"{Text(config.Mean)}; {Text(config.Std)}");
    }

    private static void PrintWeights(ModelInfo model, PretrainedConfig config)
    {
        Console.WriteLine();
        Console.WriteLine("Weights (* as named here)");
        var width = model.Configs.Max(c => c.Tag.Length);
        var hub = model.Configs.Max(c => c.HubId?.Length ?? 0);
        foreach (var c in model.Configs)
            Console.WriteLine($"  {(c == config ? '*' : ' ')} {c.Tag.PadRight(width)}  {(c.HubId ?? "not published").PadRight(hub)}  {c.InputSize,-11}  {c.NumClasses,5} classes  {c.License ?? "licence unknown"}");
        if (config.HasWeights)
            Console.WriteLine($"    vertebra predict {model.Name}{(config == model.Config ? "" : $".{config.Tag}")} --pretrained IMAGE");
    }

    private static void PrintOptions(ModelInfo model, PretrainedConfig config)
    {
        var side = config.InputSize.Height;
        Console.WriteLine();
        Console.WriteLine("Options that fit");
        Print("num_classes", "any; 0 for pooled features");
        Print("in_chans", "any; the first convolution of published weights is adapted");
        Print("img_size", IsPossible(model, new(), side + 32) ? "any" : IsPossible(model, new() { ImgSize = 2 * side }, 2 * side)
            ? "to be said when it is built (--img-size); position tables are resampled" : $"{side} only");
        string[] strides = [.. new[] { 8, 16, 32 }.Where(s => IsPossible(model, new() { OutputStride = s }, side)).Select(s => $"{s}")];
        Print("output_stride", strides.Length == 0 ? "as it is" : string.Join(", ", strides));
        string[] pools = [.. Enum.GetValues<GlobalPool>().Where(p => p != GlobalPool.None && IsPossible(model, new() { GlobalPool = p }, side)).Select(p => p.NameOf())];
        Print("global_pool", pools.Length == 0 ? "as it is" : string.Join(", ", pools));
        if (IsPossible(model, new() { Reparameterised = true }, side))
            Print("inference_mode", "blocks of several branches fold into one");
    }

    // Whether the network can be built so and takes such images, found by doing it with shapes.
    private static bool IsPossible(ModelInfo model, ModelOptions options, int side)
    {
        try
        {
            using var meta = Construction.Meta();
            var network = Models.Create(model.Name, options);
            Graph.Trace(network, [1, side, side, network.InChans]);
            return true;
        }
        catch (VertebraException)
        {
            return false;
        }
    }

    private static string Text(IReadOnlyList<float> numbers) => string.Join(' ', numbers.Select(n => ((decimal)n).ToString("0.####", CultureInfo.InvariantCulture)));

    private static void Print(string title, string text)
    {
        const int Indent = 18;
        var line = $"  {title}".PadRight(Indent);
        foreach (var word in text.Split(' '))
        {
            if (line.Length + word.Length >= Columns && line.Trim().Length > 0)
            {
                Console.WriteLine(line.TrimEnd());
                line = new string(' ', Indent);
            }
            line += word + ' ';
        }
        Console.WriteLine(line.TrimEnd());
    }
}
