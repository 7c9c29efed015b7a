using System.CommandLine;
using System.Globalization;
using Vertebra.Graphs.Comparing;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Reports;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra diff A B</c>: two networks side by side.</summary>
internal static class DiffVerb
{
    private static readonly string[] ImageExtensions = [".jpg", ".jpeg", ".png"];

    public static Command Create()
    {
        var networks = new NetworkArgument("a", "b");
        var images = new Option<string[]>("--images") { Description = "JPEG or PNG files, or folders of them, to compare results on (default: one input of random numbers, always the same)", AllowMultipleArgumentsPerToken = true };
        var limit = new Option<int>("--limit") { Description = "images to take at most", DefaultValueFactory = _ => 8 };
        var tolerance = new Option<double>("--tolerance") { Description = "relative L2 difference up to which numbers count as equal", DefaultValueFactory = _ => 1e-4 };
        var judge = new Option<string>("--judge") { Description = "what must be equal for exit code 0: all, weights, activations or outputs", DefaultValueFactory = _ => "all" };
        judge.AcceptOnlyFromAmong("all", "weights", "activations", "outputs");
        var rows = new Option<int>("--rows") { Description = "rows to print of each list", DefaultValueFactory = _ => 12 };
        var html = new Option<string?>("--html") { Description = "write a page with everything to this file" };
        var command = new Command("diff",
            "Compare two networks: nodes added, removed and changed, weights tensor by tensor, results node by node, with the first node that diverges. Exit code 0 when they are equal within the tolerance, 1 when they differ, 2 when the command line or an input is wrong.");
        networks.AddTo(command);
        foreach (var option in (Option[])[images, limit, tolerance, judge, rows, html])
            command.Options.Add(option);
        command.SetAction(parsed =>
        {
            if (!(parsed.GetValue(tolerance) >= 0))
                throw new VertebraException("--tolerance must be 0 or more");
            if (parsed.GetValue(limit) < 1 || parsed.GetValue(rows) < 0)
                throw new VertebraException("--limit must be at least 1 and --rows 0 or more");
            var loaded = networks.LoadGraphs(parsed, weightsMatter: true);
            var files = FilesOf(parsed.GetValue(images) ?? [], parsed.GetValue(limit));
            return Run(loaded[0], loaded[1], files, new(parsed.GetValue(tolerance), parsed.GetValue(judge)!, parsed.GetValue(rows), parsed.GetValue(html)));
        });
        return command;
    }

    private sealed record View(double Tolerance, string Judge, int Rows, string? Html);

    private static int Run(LoadedGraph a, LoadedGraph b, IReadOnlyList<string> images, View view)
    {
        var comparison = new GraphComparison(a.Graph, b.Graph);
        var inputs = RunBoth(comparison, a, b, images);
        var isEqual = view.Judge switch
        {
            "weights" => comparison.HasSameWeights(view.Tolerance),
            "activations" => comparison.CanRun && comparison.HasSameActivations(view.Tolerance),
            "outputs" => comparison.HasSameOutputs(view.Tolerance),
            _ => comparison.HasSameStructure && comparison.HasSameWeights(view.Tolerance) && comparison.HasSameActivations(view.Tolerance),
        };
        var first = comparison.FirstDivergence(view.Tolerance);
        var verdict = string.Create(CultureInfo.InvariantCulture,
            $"{a.Name} and {b.Name} {(isEqual ? "are equal" : "differ")} ({(view.Judge == "all" ? "structure, weights and results" : view.Judge)}, tolerance {view.Tolerance:0.##e0}){(first is null ? "" : $"; the first node to diverge is {NameOf(first)}, by {first.Difference.Relative:0.0e0}")}.");
        Print(comparison, a, b, inputs, view);
        Console.WriteLine(verdict);
        if (view.Html is { } html)
        {
            AtomicFile.WriteText(html, new ComparisonPage { NameA = a.Name, NameB = b.Name, Comparison = comparison, Tolerance = view.Tolerance, Inputs = inputs, Verdict = verdict }.ToHtml());
            Console.Error.WriteLine($"vertebra: wrote {html}");
        }
        return isEqual ? Host.Success : Host.Failure;
    }

    // Both get the same pixels, prepared as each wants them: a difference there is one of the networks.
    private static string RunBoth(GraphComparison comparison, LoadedGraph a, LoadedGraph b, IReadOnlyList<string> images)
    {
        if (images.Count == 0)
        {
            if (!comparison.CanRun)
                return "";
            comparison.Run(a.RandomInputs(), b.RandomInputs());
            return "one input of random numbers";
        }
        var (first, second) = (Transform(a, b), Transform(b, a));
        foreach (var path in images)
        {
            var image = ImageDecoder.Decode(path);
            comparison.Run([first.Apply(image)], [second.Apply(image)]);
        }
        return images.Count == 1 ? Path.GetFileName(images[0]) : $"{images.Count} images";
    }

    private static InputTransform Transform(LoadedGraph network, LoadedGraph other)
    {
        if (network.Graph.Inputs.Count != 1 || network.Graph.Inputs[0].Shape is not { Rank: 4 } shape)
            throw new VertebraException($"{network.Source} does not take one image: --images does not fit it");
        if (network.Preprocessing is null && other.Preprocessing is null)
            Console.Error.WriteLine($"vertebra: note: {network.Source} does not say how images are prepared: taking ImageNet's mean and deviation");
        var facts = network.Preprocessing ?? other.Preprocessing ?? Preprocessing.ImageNet;
        return new(facts.WithChannels(shape[3]) with { Height = shape[1], Width = shape[2] });
    }

    private static List<string> FilesOf(string[] paths, int limit)
    {
        var files = new List<string>();
        foreach (var path in paths)
        {
            if (Directory.Exists(path))
                files.AddRange(Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(f => ImageExtensions.Contains(Path.GetExtension(f).ToLowerInvariant())).Order(StringComparer.Ordinal));
            else if (File.Exists(path))
                files.Add(path);
            else
                throw new VertebraException($"there is no image or folder {path}");
        }
        if (paths.Length > 0 && files.Count == 0)
            throw new VertebraException($"there are no JPEG or PNG files in {string.Join(", ", paths)}");
        return [.. files.Take(limit)];
    }

    private static string NameOf(ActivationPair pair) => $"{(pair.Pair.A!.ModulePath.Length == 0 ? "(network)" : pair.Pair.A.ModulePath)} {pair.Pair.A.Op.Name}";

    private static void Print(GraphComparison comparison, LoadedGraph a, LoadedGraph b, string inputs, View view)
    {
        var changed = comparison.Nodes.Where(p => p.Change != NodeChange.Same).ToList();
        Console.WriteLine($"structure: {comparison.Nodes.Count} nodes, {Count(changed, NodeChange.Added)} added, {Count(changed, NodeChange.Removed)} removed, {Count(changed, NodeChange.Changed)} changed, {Count(changed, NodeChange.Moved)} in other modules");
        PrintRows(changed.Select(Describe), view.Rows);

        var far = comparison.Weights.Where(w => w.Difference is { } d ? !(d.Relative <= view.Tolerance) : !w.IsEqual).OrderByDescending(w => w.Difference?.Relative ?? double.PositiveInfinity).ToList();
        Console.WriteLine($"weights: {far.Count} of {comparison.Weights.Count} tensors differ");
        PrintRows(far.Select(w => Describe(w, a.Name, b.Name)), view.Rows);

        if (comparison.Activations.Count == 0)
        {
            Console.WriteLine(inputs.Length == 0 ? $"results: not compared, for the inputs are {a.InputText} and {b.InputText}" : "results: no two nodes have results of the same shape");
            return;
        }
        var diverging = comparison.Activations.Where(p => !(p.Difference.Relative <= view.Tolerance)).ToList();
        Console.WriteLine($"results on {inputs}: {diverging.Count} of {comparison.Activations.Count} nodes differ");
        PrintRows(diverging.Select(p => $"{NameOf(p),-40} {Text(p.Difference)}"), view.Rows);
        foreach (var (difference, i) in comparison.Outputs.Select((d, i) => (d, i)))
            Console.WriteLine($"output {i}: {Text(difference)}");
    }

    private static int Count(List<NodePair> pairs, NodeChange change) => pairs.Count(p => p.Change == change);

    private static void PrintRows(IEnumerable<string> rows, int most)
    {
        var all = rows.ToList();
        foreach (var row in all.Take(most))
            Console.WriteLine("  " + row);
        if (all.Count > most)
            Console.WriteLine($"  ... and {all.Count - most} more");
    }

    private static string Describe(NodePair pair) => pair.Change switch
    {
        NodeChange.Added => $"+ {pair.B!.ModulePath} {pair.B.Op.Name} {pair.B.Outputs[0].Shape}",
        NodeChange.Removed => $"- {pair.A!.ModulePath} {pair.A.Op.Name} {pair.A.Outputs[0].Shape}",
        NodeChange.Moved => $"> {pair.A!.ModulePath} {pair.A.Op.Name} is {pair.B!.ModulePath}",
        _ => $"~ {pair.A!.ModulePath} {pair.A.Op} {pair.A.Outputs[0].Shape} is {pair.B!.Op} {pair.B.Outputs[0].Shape}",
    };

    private static string Describe(WeightPair weight, string a, string b) => weight switch
    {
        { Difference: { } difference } => $"{weight.Name,-40} {Text(difference)}, norms {difference.NormA.ToString("0.####", CultureInfo.InvariantCulture)} and {difference.NormB.ToString("0.####", CultureInfo.InvariantCulture)}",
        { ShapeA: null } => $"{weight.Name} {weight.ShapeB} only in {b}",
        { ShapeB: null } => $"{weight.Name} {weight.ShapeA} only in {a}",
        _ => $"{weight.Name} {weight.ShapeA} against {weight.ShapeB}",
    };

    private static string Text(TensorDifference d) => string.Create(CultureInfo.InvariantCulture, $"relative {d.Relative:0.0e0}, cosine {d.Cosine:0.000000}, largest {d.Largest:0.0e0}");
}
