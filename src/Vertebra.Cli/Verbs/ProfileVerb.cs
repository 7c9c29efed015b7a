using System.CommandLine;
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
        var json = new Option<bool>("--json") { Description = "print everything as one JSON document" };
        var html = new Option<string?>("--html") { Description = "write a page with the roofline and a sortable table to this file" };
        var command = new Command("profile",
            "What every node and module costs: parameters, multiply-accumulates, activations, bytes, receptive field, and milliseconds measured on this machine; and whether arithmetic or memory is the limit.");
        network.AddTo(command);
        foreach (var option in (Option[])[batch, depth, nodes, sort, top, noTime, json, html])
            command.Options.Add(option);
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(depth) < 0 || parsed.GetValue(top) < 0)
                throw new VertebraException("--depth and --top must be 0 or more");
            var loaded = network.LoadGraphs(parsed, parsed.GetValue(batch))[0];
            var view = new ProfileTable(parsed.GetValue(depth), parsed.GetValue(nodes) || parsed.GetResult(sort) is { Implicit: false }, parsed.GetValue(sort)!, parsed.GetValue(top));
            return Run(loaded, view, !parsed.GetValue(noTime), parsed.GetValue(json), parsed.GetValue(html));
        });
        return command;
    }

    private static int Run(LoadedGraph loaded, ProfileTable table, bool measure, bool json, string? html)
    {
        var profile = measure ? GraphProfile.Measure(loaded.Graph, loaded.RandomInputs()) : GraphProfile.Of(loaded.Graph);
        var roofline = measure ? new Roofline(profile, MachineSpeed.Measure()) : null;
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
