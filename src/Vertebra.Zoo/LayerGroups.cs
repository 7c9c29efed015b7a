using System.Text.RegularExpressions;
using Vertebra.Graphs;
using Vertebra.Nn;

namespace Vertebra.Zoo;

/// <summary>Parameters that stand at the same depth of a network.</summary>
/// <param name="Id">0 for the stem; the classifier has the largest.</param>
/// <param name="Name">What it is: <c>stem</c>, the path of a block or stage, or <c>head</c>.</param>
/// <param name="Parameters">Names, in state-dict order.</param>
public sealed record LayerGroup(int Id, string Name, IReadOnlyList<string> Parameters);

/// <summary>
/// Cuts a network into layers from stem to head, for learning rates that fall towards the stem and for freezing. The cut is read off
/// the module tree and the trace: what the last feature map does not need is the head; numbered parts with parts of their own are blocks, numbered
/// parts with such blocks are stages; what stands before them is the stem, and what stands after one belongs to it. For most families that is
/// what timm's <c>group_matcher</c> says.
/// </summary>
public static partial class LayerGrouping
{
    /// <summary>The layers of a network.</summary>
    /// <param name="network">The network; shapes suffice, it may be meta.</param>
    /// <param name="coarse">A layer for each stage instead of each block.</param>
    /// <returns>The layers in order, <see cref="LayerGroup.Id"/> 0, 1, ...; every parameter is in exactly one.</returns>
    public static IReadOnlyList<LayerGroup> LayerGroups(this Backbone network, bool coarse = false)
    {
        var body = Body.Of(network);
        var head = UsedByHead(network);
        var places = new Dictionary<Place, (string Name, List<string> Parameters)>();
        var last = Place.Stem;
        foreach (var (name, tensor) in network.NamedParameters())
        {
            var (place, label) = head.Contains(tensor) ? (Place.Head, "head") : body.Find(name) ?? (last, "");
            if (place is { Stage: >= 0, Block: null })
                place = place with { Block = place.Stage == last.Stage ? last.Block : 0 };
            if (place != Place.Head)
                last = place;
            if (coarse && place != Place.Head && place != Place.Stem)
                (place, label) = (place with { Block = 0 }, label.Length == 0 ? label : body.StageOf(label));
            if (!places.TryGetValue(place, out var entry))
                places[place] = entry = (place == Place.Stem ? "stem" : label, []);
            else if (entry.Name.Length == 0)
                places[place] = entry with { Name = label };
            entry.Parameters.Add(name);
        }
        return [.. places.OrderBy(p => p.Key.Stage).ThenBy(p => p.Key.Block).Select((p, id) => new LayerGroup(id, p.Value.Name, p.Value.Parameters))];
    }

    /// <summary>The paths of a network's stages with those of their blocks; layers stand for both where it has none.</summary>
    internal static IReadOnlyList<(string Path, List<string> Blocks)> Stages(Backbone network) => Body.Of(network).Stages;

    /// <summary>An image of the size that a network is meant for, [1, H, W, C].</summary>
    internal static Shape ImageOf(Backbone network)
    {
        var (size, side) = (network.Description.Config.InputSize, network.Description.Options.ImgSize);
        return [1, side ?? size.Height, side ?? size.Width, network.InChans];
    }

    // What the logits need and the last feature map does not.
    private static HashSet<Tensor> UsedByHead(Backbone network)
    {
        var image = ImageOf(network);
        var isTraining = network.IsTraining;
        network.Eval();
        try
        {
            var used = Graph.Trace(network, image).Constants.Select(c => c.Data!).ToHashSet();
            used.ExceptWith(Graph.Trace(new FeatureMaker(network), image).Constants.Select(c => c.Data!));
            return used;
        }
        finally
        {
            network.Train(isTraining);
        }
    }

    /// <summary>Where a parameter stands; stages and blocks count from 0.</summary>
    /// <param name="Stage">-1 for the stem, largest for the head.</param>
    /// <param name="Block">null: in the stage, but in none of its blocks.</param>
    private readonly record struct Place(int Stage, int? Block)
    {
        public static readonly Place Stem = new(-1, 0);
        public static readonly Place Head = new(int.MaxValue, 0);
    }

    /// <summary>The paths of stages and blocks.</summary>
    private sealed class Body
    {
        private readonly List<(string Path, List<string> Blocks)> _stages = [];

        public IReadOnlyList<(string Path, List<string> Blocks)> Stages => _stages;

        public static Body Of(Module network)
        {
            var body = new Body();
            body.Scan("", network);
            // A single wrapper (features) stands around everything in some families.
            foreach (var (name, child) in network.Children)
            {
                if (body._stages.Count == 0 && !IsNumbered(name))
                    body.Scan(name, child);
            }
            if (body._stages.Count == 0)
                body.AddLayers(network);
            return body;
        }

        public (Place Place, string Label)? Find(string parameter)
        {
            for (var stage = 0; stage < _stages.Count; stage++)
            {
                var (path, blocks) = _stages[stage];
                if (!IsBelow(parameter, path))
                    continue;
                var block = blocks.FindIndex(b => IsBelow(parameter, b));
                return block < 0 ? (new(stage, null), "") : (new(stage, block), blocks[block]);
            }
            return null;
        }

        public string StageOf(string block) => _stages.First(s => s.Blocks.Contains(block)).Path;

        // Stages are numbered children, or the numbered children of one child (stages, layers, blocks).
        private void Scan(string prefix, Module parent)
        {
            foreach (var (name, child) in parent.Children)
            {
                var path = Join(prefix, name);
                if (IsNumbered(name) && BlocksOf(path, child) is { Count: > 0 } own)
                {
                    _stages.Add((path, own));
                    continue;
                }
                var parts = Parts(child, digitsOnly: true).ToList();
                if (IsNumbered(name) || parts.Count == 0)
                    continue;
                foreach (var (part, module) in parts)
                {
                    var blocks = BlocksOf(Join(path, part), module);
                    _stages.Add((Join(path, part), blocks.Count > 0 ? blocks : [Join(path, part)]));
                }
            }
        }

        // The numbered parts of a stage, or of one child of it.
        private static List<string> BlocksOf(string path, Module stage)
        {
            var own = Parts(stage, digitsOnly: false).ToList();
            if (own.Count > 0 && own.Select(p => p.Name.TrimEnd("0123456789".ToCharArray())).Distinct().Count() == 1)
                return [.. own.Select(p => Join(path, p.Name))];
            return [.. stage.Children.Where(c => !IsNumbered(c.Name)).SelectMany(c => Parts(c.Module, digitsOnly: true).Select(p => Join(Join(path, c.Name), p.Name)))];
        }

        // Networks without blocks in stages: each numbered layer is one, or else each part.
        private void AddLayers(Module network)
        {
            var numbered = network.Children.SelectMany(c => c.Module.Children.Where(p => IsNumbered(p.Name)).Select(p => (Path: Join(c.Name, p.Name), p.Module))).Where(p => p.Module.NamedParameters().Any()).ToList();
            var layers = numbered.Count > 0 ? numbered : [.. network.Children.Select(c => (Path: c.Name, c.Module))];
            foreach (var (path, _) in layers)
                _stages.Add((path, [path]));
        }

        private static IEnumerable<(string Name, Module Module)> Parts(Module parent, bool digitsOnly) =>
            parent.Children.Where(c => (digitsOnly ? c.Name.All(char.IsAsciiDigit) : IsNumbered(c.Name)) && HasParts(c.Module));

        private static bool HasParts(Module module) => module.Children.Any(c => c.Module.NamedParameters().Any());

        private static bool IsBelow(string parameter, string path) => parameter.StartsWith(path, StringComparison.Ordinal) && parameter.Length > path.Length && parameter[path.Length] == '.';

        private static bool IsNumbered(string name) => Number().IsMatch(name);

        private static string Join(string prefix, string name) => prefix.Length == 0 ? name : $"{prefix}.{name}";
    }

    [GeneratedRegex(@"^[A-Za-z_]*\d+(_\d+)?$")]
    private static partial Regex Number();
}
