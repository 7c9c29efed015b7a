using System.Text.Json;
using Vertebra.Onnx;

namespace Vertebra.Cli.Verbs;

/// <summary>Runs the ONNX standard's backend tests and prints what came of them: a Markdown table by operator, and one line for every test that did not pass.</summary>
internal static class OnnxTestReport
{
    public static int Run(string folder, string pattern, bool json, CancellationToken stop)
    {
        var tests = NodeTests.Find(folder, pattern);
        if (tests.Count == 0)
            throw new VertebraException($"no test (a folder with a model.onnx) below {folder} fits '{pattern}'");
        var results = new List<NodeTestResult>();
        foreach (var test in tests)
        {
            stop.ThrowIfCancellationRequested();
            results.Add(NodeTests.Run(test));
        }
        if (json)
            PrintJson(results);
        else
            Print(results);
        return results.Any(r => r.Status == NodeTestStatus.Failed) ? Host.Failure : Host.Success;
    }

    private static int Count(List<NodeTestResult> results, NodeTestStatus status) => results.Count(r => r.Status == status);

    private static void Print(List<NodeTestResult> results)
    {
        Console.WriteLine("| operator | supported | passed | failed | unsupported |");
        Console.WriteLine("|---|---|---:|---:|---:|");
        foreach (var row in OperatorTests.Of(results))
            Console.WriteLine($"| {row.Operator} | {(row.IsSupported ? "yes" : "no")} | {row.Passed} | {row.Failed} | {row.Unsupported} |");
        var tested = results.SelectMany(r => r.Operators).ToHashSet(StringComparer.Ordinal);
        Console.WriteLine($"\nSupported, without a test here: {string.Join(", ", OnnxModel.SupportedOperators.Where(o => !tested.Contains(o)))}");
        foreach (var status in (NodeTestStatus[])[NodeTestStatus.Failed, NodeTestStatus.Unsupported])
        {
            var those = results.Where(r => r.Status == status).ToList();
            if (those.Count > 0)
                Console.WriteLine($"\n{status}:");
            foreach (var result in those)
                Console.WriteLine($"- {result.Name}: {result.Detail.ReplaceLineEndings(" ")}");
        }
        Console.WriteLine($"\n{results.Count} tests: {Count(results, NodeTestStatus.Passed)} passed, {Count(results, NodeTestStatus.Failed)} failed, {Count(results, NodeTestStatus.Unsupported)} unsupported");
    }

    private static void PrintJson(List<NodeTestResult> results)
    {
        using var stream = Console.OpenStandardOutput();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartArray("operators");
            foreach (var row in OperatorTests.Of(results))
            {
                json.WriteStartObject();
                json.WriteString("operator", row.Operator);
                json.WriteBoolean("supported", row.IsSupported);
                json.WriteNumber("passed", row.Passed);
                json.WriteNumber("failed", row.Failed);
                json.WriteNumber("unsupported", row.Unsupported);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteStartArray("tests");
            foreach (var result in results)
            {
                json.WriteStartObject();
                json.WriteString("name", result.Name);
                json.WriteString("status", result.Status.ToString().ToLowerInvariant());
                json.WriteString("detail", result.Detail);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        stream.WriteByte((byte)'\n');
    }
}
