using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Vertebra.Kernels;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Nn;
using Vertebra.Onnx;
using Vertebra.Ops;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra run FILE.onnx --image photo.jpg</c>: executes an ONNX file of any origin.</summary>
internal static class RunVerb
{
    private sealed record Request(string File, string? Image, string[] Inputs, string[] Outputs, int TopK, int? Size, double[]? Mean, double[]? Std, double? CropPct);

    public static Command Create()
    {
        var file = new Argument<string>("file") { Description = "an ONNX file" };
        var image = new Option<string?>("--image") { Description = "a JPEG or PNG file that becomes the input" };
        var inputs = new Option<string[]>("--input") { Description = "a NumPy file (.npy) that becomes the input; NAME=FILE where there are several", AllowMultipleArgumentsPerToken = true };
        var outputs = new Option<string[]>("--output", "-o") { Description = "write the output as a NumPy file; NAME=FILE where there are several", AllowMultipleArgumentsPerToken = true };
        var topk = new Option<int>("--topk") { Description = "how many of the largest values to show", DefaultValueFactory = _ => 5 };
        var size = new Option<int?>("--img-size") { Description = "side of the image (default: the input's, else 224)" };
        var mean = new Option<double[]?>("--mean") { Description = "mean of each channel (default: ImageNet's)", AllowMultipleArgumentsPerToken = true };
        var std = new Option<double[]?>("--std") { Description = "deviation of each channel (default: ImageNet's)", AllowMultipleArgumentsPerToken = true };
        var crop = new Option<double?>("--crop-pct") { Description = "share of the image's shorter side that is used (default: 0.875)" };
        var threads = new Option<int?>("--threads") { Description = "threads that compute (default: all processors)" };
        var command = new Command("run", "Execute an ONNX file, which need not come from this program, on an image or on NumPy arrays.");
        command.Arguments.Add(file);
        foreach (var option in (Option[])[image, inputs, outputs, topk, size, mean, std, crop, threads])
            command.Options.Add(option);
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(threads) is { } count)
                Workers.Count = count is >= 1 and <= 1024 ? count : throw new VertebraException($"--threads is {count}; it must be 1 to 1024");
            return Run(new(parsed.GetRequiredValue(file), parsed.GetValue(image), parsed.GetValue(inputs) ?? [], parsed.GetValue(outputs) ?? [],
                parsed.GetValue(topk), parsed.GetValue(size), Given(parsed.GetValue(mean)), Given(parsed.GetValue(std)), parsed.GetValue(crop)));
        });
        return command;
    }

    private static double[]? Given(double[]? values) => values is null or [] ? null : values;

    private static int Run(Request request)
    {
        if (request.TopK < 0)
            throw new VertebraException($"--topk is {request.TopK}; it must not be negative");
        if (request.Image is null == (request.Inputs.Length == 0))
            throw new VertebraException("give either --image or --input");
        var model = OnnxModel.Load(request.File);
        var inputs = request.Image is not null ? FromImage(model, request) : FromArrays(model, request.Inputs);
        var targets = Targets(model, request.Outputs);
        foreach (var (name, tensor) in inputs)
            Console.WriteLine($"input  {name} {tensor.Spec}");
        var results = model.Run(inputs);
        for (var i = 0; i < results.Length; i++)
        {
            Console.WriteLine($"output {model.Outputs[i].Name} {results[i].Spec}");
            PrintLargest(results[i], request.TopK, Labels(model));
        }
        foreach (var (index, path) in targets)
            Npy.Write(path, results[index]);
        return Host.Success;
    }

    // ---------------------------------------------------------------- inputs

    private static Dictionary<string, Tensor> FromArrays(OnnxModel model, string[] arguments)
    {
        var inputs = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var argument in arguments)
        {
            var (name, path) = NameAndPath(argument, [.. model.Inputs.Select(i => i.Name)], "--input");
            if (!inputs.TryAdd(name, Npy.Read(path)))
                throw new VertebraException($"--input names '{name}' twice");
        }
        return inputs;
    }

    /// <summary>Splits NAME=FILE; a file alone is meant for the only name there is.</summary>
    private static (string Name, string Path) NameAndPath(string argument, string[] names, string option)
    {
        var name = names.FirstOrDefault(n => argument.StartsWith(n + "=", StringComparison.Ordinal));
        if (name is not null)
            return (name, argument[(name.Length + 1)..]);
        return names.Length == 1 ? (names[0], argument)
            : throw new VertebraException($"{option} {argument}: say which is meant, NAME=FILE, with one of {string.Join(", ", names)}");
    }

    private static Dictionary<string, Tensor> FromImage(OnnxModel model, Request request)
    {
        if (model.Inputs is not [{ Dimensions.Count: 4, DType: DType.Float32 or DType.UInt8 } info])
            throw new VertebraException($"--image needs a network with one image as its input; {model.Source} takes {string.Join("; ", model.Inputs)}: use --input");
        var image = ImageDecoder.Decode(request.Image!);
        if (info.DType == DType.UInt8)
            return new() { [info.Name] = Bytes(image, info, model) };
        // What this project exports is [N, C, H, W]; files converted from other frameworks may be [N, H, W, C].
        var isChannelsLast = info.Dimensions[1].Size is not (1 or 3) && info.Dimensions[3].Size is 1 or 3;
        var preprocessing = PreprocessingOf(model, info, isChannelsLast, request);
        var input = new InputTransform(preprocessing).Apply(image);
        return new() { [info.Name] = isChannelsLast ? input : input.Permute([0, 3, 1, 2]) };
    }

    // A file that prepares images itself takes them as they are.
    private static Tensor Bytes(RgbImage image, OnnxTensorInfo info, OnnxModel model)
    {
        var pixels = Tensor.From(image.Pixels.ToArray(), [1, image.Height, image.Width, 3]);
        if (info.Dimensions![3].Size == 3)
            return pixels;
        return info.Dimensions[1].Size is 3 or null ? pixels.Permute([0, 3, 1, 2])
            : throw new VertebraException($"{model.Source}: the input {info} takes no RGB image");
    }

    private static Preprocessing PreprocessingOf(OnnxModel model, OnnxTensorInfo info, bool isChannelsLast, Request request)
    {
        var facts = FromMetadata(model);
        if (facts is null)
        {
            var (channels, height, width) = isChannelsLast ? (3, 1, 2) : (1, 2, 3);
            facts = Preprocessing.ImageNet.WithChannels(info.Dimensions![channels].Size ?? 3) with
            {
                Height = info.Dimensions[height].Size ?? 224,
                Width = info.Dimensions[width].Size ?? 224,
                Interpolation = ResampleFilter.Bilinear, // as torchvision prepares images for its networks
            };
        }
        if (request.Size is { } size)
            facts = facts.WithSize(size);
        facts = facts with { Mean = request.Mean ?? facts.Mean, Std = request.Std ?? facts.Std, CropPct = request.CropPct ?? facts.CropPct };
        facts = facts.Validate("--img-size, --mean, --std, --crop-pct");
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"vertebra: note: the image is prepared as {facts.Height}x{facts.Width}, crop {facts.CropPct}, {facts.Interpolation.ToString().ToLowerInvariant()}, mean [{string.Join(", ", facts.Mean)}], std [{string.Join(", ", facts.Std)}] ({(model.Metadata.ContainsKey("input_size") ? "from the file" : "assumed; the file does not say")})"));
        return facts;
    }

    /// <summary>The facts that <c>vertebra export</c> writes; null in other files.</summary>
    private static Preprocessing? FromMetadata(OnnxModel model)
    {
        if (!model.Metadata.ContainsKey("input_size"))
            return null;
        var json = new JsonObject();
        foreach (var key in (string[])["input_size", "mean", "std", "crop_pct", "crop_mode", "interpolation"])
        {
            if (!model.Metadata.TryGetValue(key, out var text))
                continue;
            try
            {
                json[key] = key is "crop_mode" or "interpolation" ? text : JsonNode.Parse(text);
            }
            catch (JsonException e)
            {
                throw new FileFormatException($"{model.Source}: the metadata '{key}' is not readable: {e.Message}", e);
            }
        }
        using var document = JsonDocument.Parse(json.ToJsonString());
        return Preprocessing.FromJson(document.RootElement, model.Source);
    }

    // ---------------------------------------------------------------- outputs

    private static List<(int Index, string Path)> Targets(OnnxModel model, string[] arguments)
    {
        string[] names = [.. model.Outputs.Select(o => o.Name)];
        return [.. arguments.Select(a => NameAndPath(a, names, "--output")).Select(t => (Array.IndexOf(names, t.Name), t.Path))];
    }

    private static string[] Labels(OnnxModel model) => model.Metadata.TryGetValue("label_names", out var names) ? names.Split('\n') : [];

    private static void PrintLargest(Tensor output, int count, string[] labels)
    {
        // Class scores are rows; of anything else the shape says enough.
        if (count == 0 || output.DType != DType.Float32 || output.Rank is not (1 or 2) || output.ElementCount == 0)
            return;
        var classes = output.Shape[-1];
        var values = output.ToArray<float>();
        for (var row = 0; row < values.Length / classes; row++)
        {
            var line = values.AsSpan(row * classes, classes).ToArray();
            foreach (var i in Enumerable.Range(0, classes).OrderByDescending(i => line[i]).ThenBy(i => i).Take(count))
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {line[i],12:0.00000}  {i,5}  {(i < labels.Length ? labels[i] : "")}").TrimEnd());
        }
    }
}
