using System.CommandLine;
using Vertebra.Graphs;
using Vertebra.Graphs.Profiling;
using Vertebra.Kernels;
using Vertebra.Lab.Reports;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra profile X</c>: what every node and module of a network costs, and what it waits for.</summary>
internal static class ProfileVerb
{
    private const string ByOrder = "order";

    public static Command Create()
    {
        var network = new NetworkArgument("network");
        var batch = new Option<int>("--batch", "-b") { Description = "images of one run", DefaultValueFactory = _ => 1 };
        var depth = new Option<int>("--depth") { Description = "levels of modules to show", DefaultValueFactory = _ => 2 };
        var nodes = new Option<bool>("--nodes") { Description = "list single nodes instead of the tree of modules" };
        var sort = new Option<string>("--sort") { Description = "what stands first in a list of nodes", DefaultValueFactory = _ => "ms" };
        sort.AcceptOnlyFromAmong("ms", "macs", "params", "acts", "bytes", ByOrder);
        var top = new Option<int>("--top") { Description = "nodes to list; 0 for all", DefaultValueFactory = _ => 20 };
        var noTime = new Option<bool>("--no-time") { Description = "only what follows from the shapes; run nothing" };
        var compiled = new Option<bool>("--compiled") { Description = "the graph as it runs after compiling: norms merged, activations and residuals in the ops before them" };
        var json = new Option<bool>("--json") { Description = "print everything as one JSON document" };
        var html = new Option<string?>("--html") { Description = "write a page with the roofline and a sortable table to this file" };
        var command = new Command("profile",
            "What every node and module costs: parameters, multiply-accumulates, activations, bytes, receptive field, and milliseconds measured on this machine; and whether arithmetic or memory is the limit.");
        network.AddTo(command);
        foreach (var option in (Option[])[batch, depth, nodes, sort, top, noTime, compiled, json, html])
            command.Options.Add(option);
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(depth) < 0 || parsed.GetValue(top) < 0)
                throw new VertebraException("--depth and --top must be 0 or more");
            var loaded = network.LoadGraphs(parsed, parsed.GetValue(batch))[0];
            var view = new ProfileTable(parsed.GetValue(depth), parsed.GetValue(nodes) || parsed.GetResult(sort) is { Implicit: false }, parsed.GetValue(sort)!, parsed.GetValue(top));
            var measures = !parsed.GetValue(noTime);
            return Run(loaded, view, parsed.GetValue(compiled) ? CompiledProfileOf(loaded, measures) : ProfileOf(loaded, measures), parsed.GetValue(json), parsed.GetValue(html));
        });
        return command;
    }

    private static GraphProfile ProfileOf(LoadedGraph loaded, bool measures) =>
        measures ? GraphProfile.Measure(loaded.Graph, loaded.RandomInputs()) : GraphProfile.Of(loaded.Graph);

    private static GraphProfile CompiledProfileOf(LoadedGraph loaded, bool measures)
    {
        var compiled = loaded.Graph.Compile();
        return measures ? GraphProfile.Measure(compiled, loaded.RandomInputs()) : GraphProfile.Of(compiled.Graph);
    }

    private static int Run(LoadedGraph loaded, ProfileTable table, GraphProfile profile, bool json, string? html)
    {
        var roofline = profile.TotalMilliseconds is not null ? new Roofline(profile, MachineSpeed.Measure()) : null;
        if (html is not null)
        {
            var machine = FormattableString.Invariant($"input {loaded.InputText}, {Workers.Count} threads ({Simd.Level})");
            AtomicFile.WriteText(html, new ProfilePage { Title = loaded.Name, Setting = machine, Profile = profile, Roofline = roofline }.ToHtml());
            Console.Error.WriteLine($"vertebra: wrote {html}");
        }
        if (json)
            ProfileJson.Print(loaded, profile, roofline);
        else
            table.Print(loaded, profile, roofline);
        return Host.Success;
    }
}
