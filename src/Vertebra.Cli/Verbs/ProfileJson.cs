using System.Text.Json;
using Vertebra.Graphs.Profiling;
using Vertebra.Kernels;

namespace Vertebra.Cli.Verbs;

/// <summary>A profile as one JSON document on standard output.</summary>
internal static class ProfileJson
{
    public static void Print(LoadedGraph loaded, GraphProfile profile, Roofline? roofline) => JsonOutput.Print(indented: true, json =>
    {
        json.WriteString("network", loaded.Source);
        json.WriteString("input", loaded.InputText);
        json.WriteNumber("threads", Workers.Count);
        json.WriteStartObject("total");
        WriteCost(json, profile.Root.Cost with { Milliseconds = profile.TotalMilliseconds });
        json.WriteEndObject();
        if (roofline is not null)
            WriteRoofline(json, roofline);
        json.WriteStartArray("modules");
        foreach (var module in profile.Root.All())
        {
            json.WriteStartObject();
            json.WriteString("path", module.Path);
            WriteOutput(json, module.Last);
            WriteCost(json, module.Cost);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("nodes");
        foreach (var node in profile.Nodes)
        {
            json.WriteStartObject();
            WriteNode(json, node);
            if (roofline is not null)
                json.WriteString("bound_by", roofline.IsBoundByArithmetic(node) ? "arithmetic" : "memory");
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    /// <summary>A node with its costs.</summary>
    public static void WriteNode(Utf8JsonWriter json, NodeProfile node)
    {
        json.WriteNumber("id", node.Node.Id);
        json.WriteString("module", node.Node.ModulePath);
        json.WriteString("op", node.Node.Op.Name);
        WriteOutput(json, node);
        WriteCost(json, node.Cost);
    }

    /// <summary>The ceilings, and what waits for which.</summary>
    public static void WriteRoofline(Utf8JsonWriter json, Roofline roofline)
    {
        json.WriteStartObject("roofline");
        json.WriteNumber("gmacs_per_s", Math.Round(roofline.Machine.GigaMacsPerSecond, 2));
        json.WriteNumber("gbytes_per_s", Math.Round(roofline.Machine.GigaBytesPerSecond, 2));
        json.WriteNumber("ridge_macs_per_byte", Math.Round(roofline.Machine.Ridge, 3));
        json.WriteNumber("arithmetic_time_share", Math.Round(roofline.ArithmeticTimeShare, 4));
        json.WriteNumber("arithmetic_mac_share", Math.Round(roofline.ArithmeticMacShare, 4));
        json.WriteNumber("least_ms", Math.Round(roofline.LeastMilliseconds, 4));
        json.WriteString("verdict", roofline.Verdict);
        json.WriteEndObject();
    }

    private static void WriteOutput(Utf8JsonWriter json, NodeProfile node)
    {
        json.WriteStartArray("output_shape");
        foreach (var size in node.OutputShape)
            json.WriteNumberValue(size);
        json.WriteEndArray();
        if (node.Field is not { } field)
            return;
        json.WriteStartObject("receptive_field");
        WriteAxis(json, "height", field.Height);
        WriteAxis(json, "width", field.Width);
        json.WriteEndObject();
    }

    private static void WriteAxis(Utf8JsonWriter json, string name, AxisField? axis)
    {
        if (axis is not { } field)
        {
            json.WriteNull(name);
        }
        else if (field.IsWhole)
        {
            json.WriteString(name, "global");
        }
        else
        {
            json.WriteStartObject(name);
            json.WriteNumber("size", field.Size);
            json.WriteNumber("stride", field.Stride);
            json.WriteNumber("first", field.First);
            json.WriteEndObject();
        }
    }

    private static void WriteCost(Utf8JsonWriter json, Cost cost)
    {
        json.WriteNumber("params", cost.Parameters);
        json.WriteNumber("macs", cost.Macs);
        json.WriteNumber("activations", cost.Activations);
        json.WriteNumber("bytes_read", cost.BytesRead);
        json.WriteNumber("bytes_written", cost.BytesWritten);
        json.WriteNumber("intensity_macs_per_byte", Math.Round(cost.Intensity, 4));
        if (cost.Milliseconds is { } time)
            json.WriteNumber("ms", Math.Round(time, 5));
    }
}
