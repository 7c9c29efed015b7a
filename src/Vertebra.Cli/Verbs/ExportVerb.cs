using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Onnx;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra export X -o net.onnx</c>: the network as an ONNX file.</summary>
internal static class ExportVerb
{
    // Two programs round in other places; a node that is computed wrongly is off by far more.
    private const double NodeTolerance = 1e-3;
    private const double OutputTolerance = 1e-4;

    // A pixel that another rounding puts one step higher moves a normalised value by a hundredth or two.
    private const double PreprocessedTolerance = 2e-2;

    public static Command Create()
    {
        var network = new NetworkArgument();
        var output = new Option<string>("--output", "-o") { Description = "the file to write", Required = true };
        var opset = new Option<int>("--opset") { Description = "ONNX operator set, 13 to 21", DefaultValueFactory = _ => 17 };
        var dynamic = new Option<string?>("--dynamic") { Description = "what stays open: batch, size, both as batch,size, or none (default: batch)" };
        var preprocess = new Option<bool>("--with-preprocess") { Description = "put resize, crop and normalise inside the file: it takes uint8 images [N, H, W, 3] of any size" };
        var check = new Option<bool>("--check") { Description = "run the file with this project's importer and compare every value; exit code 1 when one differs" };
        var fold = new Option<bool>("--fold-bn") { Description = "merge batch norms into the convolutions before them" };
        var external = new Option<bool>("--external-data") { Description = "put the weights into a file of their own beside the model" };
        var batch = new Option<int?>("--batch-size", "-b") { Description = "fix the batch size" };
        var command = new Command("export",
            "Write a network as ONNX: input [N, 3, H, W], weights under their state-dict names, preprocessing facts and class names in the metadata.");
        network.AddTo(command);
        foreach (var option in (Option[])[output, opset, dynamic, preprocess, check, fold, external, batch])
            command.Options.Add(option);
        command.SetAction(parsed =>
        {
            var (openBatch, openSize) = ParseDynamic(parsed.GetValue(dynamic), parsed.GetValue(batch));
            return Run(network.Load(parsed), parsed.GetRequiredValue(output), parsed.GetValue(batch) ?? 1, parsed.GetValue(preprocess), parsed.GetValue(check), new()
            {
                Opset = parsed.GetValue(opset),
                FoldBatchNorm = parsed.GetValue(fold),
                ExternalData = parsed.GetValue(external),
                DynamicBatch = openBatch,
                DynamicSize = openSize,
            });
        });
        return command;
    }

    private static (bool Batch, bool Size) ParseDynamic(string? text, int? batch)
    {
        if (batch is < 1)
            throw new VertebraException($"--batch-size is {batch}; it must be at least 1");
        string[] parts = text is null ? (batch is null ? ["batch"] : []) : text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (parts.Any(p => p is not ("batch" or "size" or "none")) || (parts.Contains("none") && parts.Length > 1))
            throw new VertebraException($"--dynamic is '{text}'; write batch, size, batch,size, or none");
        if (batch is not null && parts.Contains("batch"))
            throw new VertebraException("--batch-size fixes what --dynamic batch leaves open: give one of them");
        return (parts.Contains("batch"), parts.Contains("size"));
    }

    private static int Run(LoadedNetwork loaded, string output, int batch, bool preprocess, bool check, OnnxExportOptions options)
    {
        var facts = loaded.Preprocessing;
        options = options with
        {
            GraphName = loaded.Network.Description.Architecture,
            Metadata = Metadata(loaded),
            Preprocessing = preprocess ? Inside(facts) : null,
        };
        var exported = OnnxExporter.Export(loaded.Network, [batch, facts.Height, facts.Width, facts.Channels], output, options);
        var megabytes = (options.ExternalData ? new[] { output, $"{output}.data" } : [output]).Where(File.Exists).Sum(f => new FileInfo(f).Length) / 1048576.0;
        var input = preprocess ? $"image, uint8 [{Size("batch", batch, options.DynamicBatch)}, any height, any width, 3]"
            : $"input [{Size("batch", batch, options.DynamicBatch)}, {facts.Channels}, {Size("height", facts.Height, options.DynamicSize)}, {Size("width", facts.Width, options.DynamicSize)}]";
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{output}: {megabytes:0.0} MB, opset {options.Opset}, {input}"));
        return check ? Check(exported, facts, batch, preprocess) : Host.Success;
    }

    private static string Size(string name, int size, bool isOpen) => isOpen ? name : size.ToString(CultureInfo.InvariantCulture);

    // A seeded image: noise shows what a smooth picture would hide.
    private static int Check(ExportedNetwork exported, Preprocessing facts, int batch, bool preprocess)
    {
        using var off = GradMode.Off();
        var (fileInput, input) = preprocess ? PhotoInputs(facts, batch) : NoiseInputs(facts, batch);
        var differences = exported.Check([fileInput], [input]);
        var worst = differences.MaxBy(d => d.Error)!;
        var last = differences[^1];
        var (nodeTolerance, outputTolerance) = preprocess ? (double.PositiveInfinity, PreprocessedTolerance) : (NodeTolerance, OutputTolerance);
        var holds = worst.Error <= nodeTolerance && last.Error <= outputTolerance;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"check: {differences.Count} values compared; largest difference {worst.Error:0.0e+00} at {worst.Name} (module '{worst.Module}'); {last.Name} {last.Error:0.0e+00}: {(holds ? "ok" : "differs")}"));
        return holds ? Host.Success : Host.Failure;
    }

    private static (Tensor File, Tensor Network) NoiseInputs(Preprocessing facts, int batch)
    {
        var random = new Philox(0, 0);
        var values = new float[(long)batch * facts.Height * facts.Width * facts.Channels];
        for (var i = 0; i < values.Length; i++)
            values[i] = random.Normal((ulong)i);
        var input = Tensor.From(values, [batch, facts.Height, facts.Width, facts.Channels]);
        return (Vertebra.Ops.TensorOps.Permute(input, [0, 3, 1, 2]), input);
    }

    private static (Tensor File, Tensor Network) PhotoInputs(Preprocessing facts, int batch)
    {
        var (height, width) = (facts.Height + (facts.Height / 3), facts.Width + (facts.Width / 2));
        var random = new Philox(0, 0);
        var image = new RgbImage(width, height);
        for (var i = 0; i < image.Pixels.Length; i++)
            image.Pixels[i] = (byte)(random.Bits((ulong)i) & 255);
        var pixels = Enumerable.Repeat(image.Pixels.ToArray(), batch).SelectMany(p => p).ToArray();
        var prepared = new InputTransform(facts).Apply(image);
        return (Tensor.From(pixels, [batch, height, width, 3]), Vertebra.Ops.TensorOps.Expand(prepared, [batch, -1, -1, -1]));
    }

    private static OnnxPreprocessing Inside(Preprocessing facts) => new()
    {
        Height = facts.Height,
        Width = facts.Width,
        CropShare = facts.CropPct,
        Squash = facts.CropMode == CropMode.Squash,
        Filter = facts.Interpolation switch
        {
            ResampleFilter.Bilinear => OnnxResizeFilter.Bilinear,
            ResampleFilter.Bicubic => OnnxResizeFilter.Bicubic,
            var other => throw new VertebraException($"--with-preprocess resizes bilinear or bicubic; the network's images are resized with {other.ToString().ToLowerInvariant()}"),
        },
        Mean = facts.Mean,
        Std = facts.Std,
    };

    private static Dictionary<string, string> Metadata(LoadedNetwork loaded)
    {
        var metadata = new Dictionary<string, string> { ["architecture"] = loaded.Network.Description.Architecture };
        foreach (var (key, value) in loaded.Preprocessing.ToJson())
            metadata[key] = value is JsonValue text && text.GetValueKind() == JsonValueKind.String ? text.GetValue<string>() : value!.ToJsonString();
        if (loaded.Network.Description.LabelNames.Count > 0)
            metadata["label_names"] = string.Join('\n', loaded.Network.Description.LabelNames);
        return metadata;
    }
}
