using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Vertebra.Onnx;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra optimize FILE.onnx -o out.onnx</c>: the same network in fewer steps.</summary>
internal static class OptimizeVerb
{
    public static Command Create()
    {
        var file = new Argument<string>("file") { Description = "an ONNX file of any origin" };
        var output = new Option<string>("--output", "-o") { Description = "the file to write", Required = true };
        var opset = new Option<int?>("--opset") { Description = "ONNX operator set, 13 to 21 (default: the file's)" };
        var shape = new Option<string[]>("--input-shape") { Description = "shape of an input whose sizes the file leaves open, as 1,3,224,224; once for every input", AllowMultipleArgumentsPerToken = true };
        var command = new Command("optimize",
            "Make an ONNX file smaller and quicker: constants computed once, dead code removed, batch norms and scales folded into weights, functions in many steps fused, shapes inferred. The result is run against the original before it takes its name.");
        command.Arguments.Add(file);
        foreach (var option in (Option[])[output, opset, shape])
            command.Options.Add(option);
        command.SetAction(parsed => Run(parsed.GetRequiredValue(file), parsed.GetRequiredValue(output), parsed.GetValue(opset), parsed.GetValue(shape) ?? []));
        return command;
    }

    private static int Run(string file, string output, int? opset, string[] shapes)
    {
        var watch = Stopwatch.StartNew();
        var result = OnnxOptimizer.Optimize(OnnxModel.Load(file), output, [.. shapes.Select(ParseShape)], opset);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{output}: {result.NodesBefore} nodes became {result.NodesAfter}, {Megabytes(file)} MB became {Megabytes(output)} MB; outputs equal within {result.Difference:0.0e+0} (relative L2, random input), {watch.Elapsed.TotalSeconds:0.0} s"));
        return Host.Success;
    }

    private static string Megabytes(string file) => (new FileInfo(file).Length / 1048576.0).ToString("0.00", CultureInfo.InvariantCulture);

    private static Shape ParseShape(string text)
    {
        var sizes = text.Split(',', 'x').Select(p => int.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0).ToArray();
        return sizes.All(s => s is >= 1 and <= 1 << 20) ? (Shape)sizes : throw new VertebraException($"--input-shape is '{text}'; write its sizes, as 1,3,224,224");
    }
}
