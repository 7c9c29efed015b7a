using Vertebra.Graphs.Drawing;
using Vertebra.Graphs.Profiling;

namespace Vertebra.Lab.Reports.Drawing;

/// <summary>A drawing of a network: as one SVG picture, or as a page in which modules fold and unfold.</summary>
public sealed class NetworkDrawing
{
    private const int BoxesAtFirst = 40;

    private readonly DrawnPart _root;
    private readonly GraphProfile _profile;
    private readonly BoxText _text;
    private readonly HashSet<DrawnPart> _open;

    /// <summary>Lays a network out.</summary>
    /// <param name="title">Name of the network.</param>
    /// <param name="profile">Its graph with costs; with times where they were measured.</param>
    /// <param name="moduleTypes">What kind of module stands at a path, as far as known.</param>
    /// <param name="depth">Levels of modules to unfold; as many as stay readable if not given.</param>
    public NetworkDrawing(string title, GraphProfile profile, IReadOnlyDictionary<string, string>? moduleTypes = null, int? depth = null)
    {
        (Title, _profile, _root, _text) = (title, profile, DrawnPart.Of(profile), new(moduleTypes ?? new Dictionary<string, string>()));
        _open = Unfolded(_root, depth);
    }

    public string Title { get; }

    /// <summary>The picture, as a file of its own.</summary>
    public string ToSvg() => new SvgPicture(Title, Place(), _profile).ToString();

    /// <summary>The page.</summary>
    public string ToHtml() => new DrawingPage(Title, _root, _text, _open, _profile).ToString();

    internal Placement Place() => new(_root, _text, _open.Contains, isRoot: true);

    // Level by level, as long as the boxes can be taken in at a glance.
    private static HashSet<DrawnPart> Unfolded(DrawnPart root, int? depth)
    {
        var open = new HashSet<DrawnPart> { root };
        IReadOnlyList<DrawnPart> level = [.. root.Parts];
        var boxes = level.Count;
        for (var d = 0; level.Count > 0; d++)
        {
            var inside = level.Where(p => p.Parts.Count > 0).ToList();
            boxes += inside.Sum(p => p.Parts.Count);
            if (depth is { } most ? d >= most : boxes > BoxesAtFirst)
                break;
            open.UnionWith(inside);
            level = [.. inside.SelectMany(p => p.Parts)];
        }
        return open;
    }
}
