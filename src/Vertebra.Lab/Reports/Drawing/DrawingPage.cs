using System.Text.Json;
using Vertebra.Graphs.Drawing;
using Vertebra.Graphs.Profiling;

namespace Vertebra.Lab.Reports.Drawing;

/// <summary>The page of a drawing: its boxes as data, which <c>drawing.js</c> places anew whenever one is folded or unfolded.</summary>
internal sealed class DrawingPage(string title, DrawnPart root, BoxText text, HashSet<DrawnPart> open, GraphProfile profile)
{
    private int _count;

    public override string ToString()
    {
        var total = profile.Root.Cost;
        var lead = Markup.Of($"<p class=\"faint\">{total.Parameters / 1e6:0.00} M parameters, {total.Macs / 1e9:0.00} G multiply-accumulates, {profile.Nodes.Count} nodes{(profile.TotalMilliseconds is { } ms ? FormattableString.Invariant($", {ms:0.0} ms node by node") : "")}</p>");
        var byTime = profile.TotalMilliseconds is null ? Markup.None : Markup.Of($"<option value=\"t\" selected>time</option>");
        return ReportPage.Write(title, lead, Markup.Of($"""
            <style>
            {ReportPage.Asset("drawing.css")}{ReportPage.Asset("drawing-page.css")}</style>
            <div class="tools" role="toolbar" aria-label="View">
            <button type="button" id="deeper">Unfold a level</button><button type="button" id="fold">Fold all</button>
            <button type="button" id="fit">Fit</button><button type="button" id="in" aria-label="Zoom in">+</button><button type="button" id="out" aria-label="Zoom out">−</button>
            <label>Colour by <select id="by">{byTime}<option value="m">multiply-accumulates</option><option value="q">parameters</option></select></label>
            <span id="legend"></span>
            </div>
            <div class="stage">
            <svg id="drawing" class="drawing" role="tree" aria-label="{title}: modules and operations" aria-describedby="keys"></svg>
            <aside id="facts" role="status" aria-live="polite">Point at a box, or press Tab and the arrow keys.</aside>
            </div>
            <p class="faint" id="keys">Click a module, or press Enter on it, to fold and unfold it. Arrow keys move: up and down to the neighbours, right into a module, left out of it. Plus, minus and 0 zoom; drag to pan. Blue lines pass operations by: residual connections and branches.</p>
            <script type="application/json" id="network">{Markup.Json(Write)}</script>

            """), "drawing.js");
    }

    private void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartObject("measures");
        foreach (var (name, value) in ((string, double)[])
            [("pad", Measures.Pad), ("header", Measures.Header), ("gap", Measures.Gap), ("trackTop", Measures.TrackTop), ("trackStep", Measures.TrackStep),
            ("laneHalf", Measures.LaneHalf), ("columnGap", Measures.ColumnGap), ("portStep", Measures.PortStep), ("boxHeight", Measures.BoxHeight), ("inputHeight", Measures.InputHeight)])
            json.WriteNumber(name, value);
        json.WriteEndObject();
        json.WritePropertyName("root");
        WritePart(json, root);
        json.WriteEndObject();
    }

    private void WritePart(Utf8JsonWriter json, DrawnPart part)
    {
        var detail = text.Detail(part);
        var width = Measures.BoxWidth(part.Name, detail);
        json.WriteStartObject();
        json.WriteNumber("id", _count++);
        json.WriteString("name", part.Name);
        json.WriteString("path", part.Path);
        json.WriteString("detail", detail);
        json.WriteString("shortName", SvgPicture.Fit(part.Name, width, 7.6));
        json.WriteString("shortDetail", SvgPicture.Fit(detail, width, 6.3));
        json.WriteNumber("width", width);
        json.WriteNumber("headerWidth", Measures.HeaderWidth(part.Name, detail));
        json.WriteNumber("m", part.Cost.Macs);
        json.WriteNumber("q", part.Cost.Parameters);
        if (part.Cost.Milliseconds is { } time)
            json.WriteNumber("t", Math.Round(time, 4));
        json.WriteString("shape", part.Outputs.Count > 0 ? BoxText.Sizes(part.Outputs[0].Shape) : "");
        json.WriteString("field", part.Nodes[^1].Field?.ToString() ?? "");
        json.WriteNumber("ops", part.Nodes.Count);
        json.WriteNumber("inputs", part.Inputs.Count);
        json.WriteNumber("outputs", part.Outputs.Count);
        if (open.Contains(part))
            json.WriteBoolean("open", true);
        if (part.Layout is { } layout)
            WriteInside(json, part, layout);
        json.WriteEndObject();
    }

    private void WriteInside(Utf8JsonWriter json, DrawnPart part, PartLayout layout)
    {
        json.WriteStartArray("parts");
        foreach (var child in part.Parts)
            WritePart(json, child);
        json.WriteEndArray();
        if (ReferenceEquals(part, root)) // only the whole network has boxes for what goes in and out
        {
            WriteEnds(json, "inputTexts", part.Inputs.Select(v => $"{v.Name} {BoxText.Sizes(v.Shape)}"));
            WriteEnds(json, "outputTexts", part.Outputs.Select(v => $"output {BoxText.Sizes(v.Shape)}"));
        }
        json.WriteNumber("columns", layout.Columns);
        WriteNumbers(json, "tracks", layout.Tracks);
        json.WriteStartArray("items");
        foreach (var (row, column) in layout.Items)
            WriteNumbers(json, null, [row, column]);
        json.WriteEndArray();
        json.WriteStartArray("wires");
        foreach (var wire in layout.Wires)
        {
            json.WriteStartObject();
            json.WriteNumber("from", wire.From);
            json.WriteNumber("port", wire.Port);
            json.WriteString("shape", BoxText.Sizes(wire.Value.Shape));
            json.WriteStartArray("to");
            foreach (var branch in wire.To)
                WriteNumbers(json, null, [branch.To, branch.Port, branch.Lane, branch.Departure, branch.Arrival]);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteEnds(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var end in texts)
        {
            json.WriteStartObject();
            json.WriteString("text", end);
            json.WriteNumber("width", Measures.BoxWidth("", end));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteNumbers(Utf8JsonWriter json, string? name, IEnumerable<int> numbers)
    {
        if (name is null)
            json.WriteStartArray();
        else
            json.WriteStartArray(name);
        foreach (var number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }
}
