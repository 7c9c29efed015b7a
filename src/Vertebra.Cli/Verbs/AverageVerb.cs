using System.CommandLine;
using Vertebra.Lab.Training;
using Vertebra.Nn;
using Vertebra.Zoo.Weights;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra average CKPT... -o out.safetensors</c>: the mean of several checkpoints.</summary>
internal static class AverageVerb
{
    public static Command Create()
    {
        var checkpoints = new Argument<string[]>("checkpoints") { Description = "weight files, or folders with one (a run: its best)", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--output", "-o") { Description = "the .safetensors file to write", Required = true };
        var command = new Command("average", "Average the weights of several checkpoints of one network.") { checkpoints, output };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(checkpoints), parsed.GetRequiredValue(output)));
        return command;
    }

    private static int Run(string[] checkpoints, string output)
    {
        if (Path.GetExtension(output) != ".safetensors")
            throw new VertebraException($"--output {output} must end with .safetensors");
        var files = Array.ConvertAll(checkpoints, NetworkFiles.WeightsIn);
        var average = CheckpointAverage.Of(files);
        var parameters = average.Sum(t => t.Tensor.ElementCount);
        Safetensors.Write(output, average, new Dictionary<string, string> { ["format"] = "pt", ["weights"] = "average", ["averaged"] = string.Join(", ", files.Select(Path.GetFileName)) });
        if (NetworkFiles.DescriptionOf(files[0]) is { } description)
            AtomicFile.WriteText(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(output))!, "config.json"), description.ToJson());
        Console.WriteLine($"{output}: the mean of {files.Length} checkpoints, {average.Count} tensors, {parameters} numbers");
        return Host.Success;
    }
}
