using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Cli.Verbs;

/// <summary>
/// <c>vertebra verify --fixtures DIR</c>: networks against golden values of the reference implementation;
/// <c>vertebra verify --table FILE.csv</c>: every registered network against the reference's table of names, sizes and costs;
/// <c>vertebra verify --published FILE.csv</c>: costs against a published table of benchmarks;
/// <c>vertebra verify --onnx-tests DIR</c>: ONNX operators against the standard's own tests.
/// </summary>
internal static class VerifyVerb
{
    public static Command Create()
    {
        var fixtures = new Option<string>("--fixtures") { Description = "a folder of golden fixtures (scheme zoo-1), or one such file" };
        var table = new Option<string>("--table") { Description = "the reference's table of all models (CSV)" };
        var published = new Option<string>("--published") { Description = "a table of inference benchmarks in timm's layout (CSV): parameters, multiply-accumulates and activations are compared" };
        var onnxTests = new Option<string>("--onnx-tests") { Description = "a folder of the ONNX standard's backend tests (model.onnx with test_data_set_0 beside it), searched at all depths" };
        var filter = new Option<string>("--filter") { Description = "names of the ONNX tests to run, with * and ? as wildcards", DefaultValueFactory = _ => "*" };
        var only = new Option<string>("--models") { Description = "names to verify, with * and ? as wildcards", DefaultValueFactory = _ => "*" };
        var markdown = new Option<string?>("--markdown") { Description = "with --fixtures: write the table of parity, a row for each network, to this file" };
        var json = new Option<bool>("--json") { Description = "print one JSON array instead of lines" };
        var command = new Command("verify",
            "Fill networks by rule and compare names, shapes, costs, outputs, feature maps, losses and gradients with golden files. " +
            "A file whose network is not registered is listed as missing, not as passed. Or compare every registered network with a table of parameters, costs and state-dict names. Or run the ONNX standard's tests and tell, operator by operator, " +
            "how many pass, fail, or need what is not supported. Exit code 1 if any fails.") { fixtures, table, published, only, onnxTests, filter, markdown, json };
        command.SetAction(parsed => Host.Interruptible(stop => (parsed.GetValue(fixtures), parsed.GetValue(table), parsed.GetValue(published), parsed.GetValue(onnxTests)) switch
        {
            ({ } folder, null, null, null) => Run(folder, parsed.GetValue(only)!, parsed.GetValue(json), parsed.GetValue(markdown), stop),
            (null, { } file, null, null) => RunTable(ModelTable.Read(file), parsed.GetValue(only)!, stop),
            (null, null, { } file, null) => RunPublished(PublishedCosts.Read(file), parsed.GetValue(only)!, stop),
            (null, null, null, { } folder) => OnnxTestReport.Run(folder, parsed.GetValue(filter)!, parsed.GetValue(json), stop),
            _ => throw new VertebraException("name one of --fixtures, --table, --published and --onnx-tests"),
        }));
        return command;
    }

    private static int Run(string path, string pattern, bool json, string? markdown, CancellationToken stop)
    {
        var files = FixtureVerifier.FilesIn(path)
            .Where(f => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern, Path.GetFileName(f).Split('.')[0])).ToList();
        if (files.Count == 0)
            throw new VertebraException($"no fixture in {path} fits '{pattern}'");
        var results = new List<FixtureResult>();
        foreach (var file in files)
        {
            stop.ThrowIfCancellationRequested();
            results.Add(FixtureVerifier.Verify(file));
            if (!json)
                Console.WriteLine(results[^1]);
        }
        var (passed, failed, missing) = (Count(results, FixtureStatus.Passed), Count(results, FixtureStatus.Failed), Count(results, FixtureStatus.Missing));
        if (markdown is not null)
            AtomicFile.WriteText(markdown, ParityTable.Write(results, TableBeside(path)));
        if (json)
            PrintJson(results);
        else
            Console.WriteLine($"{passed} passed, {failed} failed, {missing} missing");
        return failed == 0 ? Host.Success : Host.Failure;
    }

    // The table of all models lies with the fixtures.
    private static ModelTable? TableBeside(string path) => Path.Combine(path, "all_models.csv") is var file && File.Exists(file) ? ModelTable.Read(file) : null;

    private static int RunTable(ModelTable table, string pattern, CancellationToken stop)
    {
        var models = Models.List(pattern).Where(m => table.Knows(m.Name)).ToList();
        if (models.Count == 0)
            throw new VertebraException($"no registered network of the table fits '{pattern}'");
        var failed = 0;
        foreach (var model in models)
        {
            stop.ThrowIfCancellationRequested();
            var differences = table.Differences(model);
            foreach (var difference in differences)
                Console.WriteLine($"{model.Name}: {difference}");
            failed += differences.Count > 0 ? 1 : 0;
        }
        Console.WriteLine($"{models.Count - failed} of {models.Count} registered networks agree; the table has {table.Count}");
        return failed == 0 ? Host.Success : Host.Failure;
    }

    // Published tables count normalisers and pools too, so a difference is news, not a failure.
    private static int RunPublished(PublishedCosts table, string pattern, CancellationToken stop)
    {
        var rows = new List<CostRow>();
        Console.WriteLine("| model | size | params (M) | published | GMACs | published | ratio | activations (M) | published | ratio |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        foreach (var model in Models.List(pattern))
        {
            stop.ThrowIfCancellationRequested();
            if (table.Compare(model) is not { } row)
                continue;
            rows.Add(row);
            if (!row.Agrees)
            {
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {row.Model} | {row.Size} | {row.Counted.Params:0.00} | {row.Published.Params:0.00} | {row.Counted.Macs:0.00} | {row.Published.Macs:0.00} | {row.MacsRatio:0.000} | {row.Counted.Acts:0.00} | {row.Published.Acts:0.00} | {row.ActsRatio:0.000} |"));
            }
        }
        if (rows.Count == 0)
            throw new VertebraException($"no registered network of the table fits '{pattern}'");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"\n{rows.Count(r => r.Agrees)} of {rows.Count} networks agree in parameters and activations, and in multiply-accumulates up to what normalisers and pools add; the table has {table.Count} rows"));
        return Host.Success;
    }

    private static int Count(List<FixtureResult> results, FixtureStatus status) => results.Count(r => r.Status == status);

    private static void PrintJson(List<FixtureResult> results)
    {
        using var stream = Console.OpenStandardOutput();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartArray();
            foreach (var result in results)
                result.WriteJson(json);
            json.WriteEndArray();
        }
        stream.WriteByte((byte)'\n');
    }
}
