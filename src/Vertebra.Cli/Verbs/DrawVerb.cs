using System.CommandLine;
using Vertebra.Graphs.Profiling;
using Vertebra.Lab.Reports.Drawing;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra draw X -o net.html</c>: a picture of the graph.</summary>
internal static class DrawVerb
{
    public static Command Create()
    {
        var network = new NetworkArgument("network");
        var output = new Option<string>("--output", "-o") { Description = "the file to write: .svg for a picture, .html for a page in which modules fold and unfold", Required = true };
        var depth = new Option<int?>("--depth") { Description = "levels of modules to unfold (default: as many as stay readable)" };
        var batch = new Option<int>("--batch", "-b") { Description = "images of one run", DefaultValueFactory = _ => 1 };
        var time = new Option<bool>("--time") { Description = "colour by milliseconds measured on this machine instead of multiply-accumulates" };
        var command = new Command("draw", "Draw a network: modules as boxes, coloured by their share of the cost, shapes on the wires, residual connections beside what they pass.");
        network.AddTo(command);
        foreach (var option in (Option[])[output, depth, batch, time])
            command.Options.Add(option);
        command.SetAction(parsed => Run(
            network.LoadGraphs(parsed, parsed.GetValue(batch))[0], parsed.GetRequiredValue(output), parsed.GetValue(depth), parsed.GetValue(time)));
        return command;
    }

    private static int Run(LoadedGraph loaded, string output, int? depth, bool time)
    {
        if (depth is < 0)
            throw new VertebraException($"--depth is {depth}; it must be 0 or more");
        var extension = Path.GetExtension(output).ToLowerInvariant();
        if (extension is not (".svg" or ".html" or ".htm"))
            throw new VertebraException($"-o {output} ends in neither .svg nor .html");
        var profile = time ? GraphProfile.Measure(loaded.Graph, loaded.RandomInputs()) : GraphProfile.Of(loaded.Graph);
        var kinds = loaded.Network?.NamedModules().ToDictionary(m => m.Path, m => m.Module.GetType().Name);
        var drawing = new NetworkDrawing(loaded.Name, profile, kinds, depth);
        AtomicFile.WriteText(output, extension == ".svg" ? drawing.ToSvg() : drawing.ToHtml());
        Console.WriteLine($"{output}: {profile.Nodes.Count} nodes in {profile.Root.All().Count()} modules");
        return Host.Success;
    }
}
