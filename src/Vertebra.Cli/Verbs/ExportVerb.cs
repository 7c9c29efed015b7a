using System.CommandLine;
using System.Globalization;
using Vertebra.Graphs;
using Vertebra.Onnx;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra export CHECKPOINT -o net.onnx</c>: the network as an ONNX file.</summary>
internal static class ExportVerb
{
    public static Command Create()
    {
        var network = new NetworkArgument();
        var output = new Option<string>("--output", "-o") { Description = "the file to write", Required = true };
        var opset = new Option<int>("--opset") { Description = "ONNX operator set, 13 to 21", DefaultValueFactory = _ => 17 };
        var fold = new Option<bool>("--fold-bn") { Description = "merge batch norms into the convolutions before them" };
        var batch = new Option<int?>("--batch-size", "-b") { Description = "fix the batch size (default: open)" };
        var command = new Command("export",
            "Write a network as ONNX: input [N, 3, H, W], weights under their state-dict names, preprocessing facts in the metadata.");
        network.AddTo(command);
        foreach (var option in (Option[])[output, opset, fold, batch])
            command.Options.Add(option);
        command.SetAction(parsed => Run(
            network.Load(parsed), parsed.GetRequiredValue(output), parsed.GetValue(opset), parsed.GetValue(fold), parsed.GetValue(batch)));
        return command;
    }

    private static int Run(LoadedNetwork loaded, string output, int opset, bool fold, int? batch)
    {
        if (batch is < 1)
            throw new VertebraException($"--batch-size is {batch}; it must be at least 1");
        var facts = loaded.Preprocessing;
        var graph = Graph.Trace(loaded.Network, [batch ?? 1, facts.Height, facts.Width, facts.Channels]);
        OnnxExporter.Export(graph, output, new()
        {
            Opset = opset,
            FoldBatchNorm = fold,
            DynamicBatch = batch is null,
            GraphName = loaded.Network.Description.Architecture,
            Metadata = Metadata(loaded),
        });
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{output}: {new FileInfo(output).Length / 1048576.0:0.0} MB, input [{batch?.ToString(CultureInfo.InvariantCulture) ?? "batch"}, {facts.Channels}, {facts.Height}, {facts.Width}]"));
        return Host.Success;
    }

    private static Dictionary<string, string> Metadata(LoadedNetwork loaded)
    {
        var facts = loaded.Preprocessing.ToJson();
        var metadata = new Dictionary<string, string> { ["architecture"] = loaded.Network.Description.Architecture };
        foreach (var (key, value) in facts)
            metadata[key] = value is System.Text.Json.Nodes.JsonValue text && text.GetValueKind() == System.Text.Json.JsonValueKind.String ? text.GetValue<string>() : value!.ToJsonString();
        if (loaded.Network.Description.LabelNames.Count > 0)
            metadata["label_names"] = string.Join('\n', loaded.Network.Description.LabelNames);
        return metadata;
    }
}
