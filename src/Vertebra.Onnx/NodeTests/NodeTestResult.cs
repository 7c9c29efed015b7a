namespace Vertebra.Onnx;

/// <summary>How one of the standard's backend tests went.</summary>
public enum NodeTestStatus
{
    /// <summary>Every result of every data set agrees.</summary>
    Passed,

    /// <summary>A result differs, or the file could not be executed although its operators and element types are known.</summary>
    Failed,

    /// <summary>An operator or an element type is not there.</summary>
    Unsupported,
}

/// <summary>One of the standard's backend tests, executed.</summary>
/// <param name="Name">The name of its folder.</param>
/// <param name="Operators">The operators of its main graph, with their domain unless it is the standard one.</param>
/// <param name="Status">How it went.</param>
/// <param name="Detail">What is missing or differs; empty when it passed.</param>
public sealed record NodeTestResult(string Name, IReadOnlyList<string> Operators, NodeTestStatus Status, string Detail);

/// <summary>The tests of one operator: those in whose main graph it stands.</summary>
/// <param name="Operator">Its name, with the domain unless it is the standard one.</param>
/// <param name="IsSupported">Whether it has a row here.</param>
/// <param name="Passed">Number of tests that passed.</param>
/// <param name="Failed">Number of tests that failed.</param>
/// <param name="Unsupported">Number of tests that need another operator, or an element type, that is not there.</param>
public sealed record OperatorTests(string Operator, bool IsSupported, int Passed, int Failed, int Unsupported)
{
    /// <summary>The tests sorted by operator.</summary>
    public static IReadOnlyList<OperatorTests> Of(IReadOnlyCollection<NodeTestResult> results)
    {
        var supported = OnnxModel.SupportedOperators.ToHashSet(StringComparer.Ordinal);
        return [.. results.SelectMany(r => r.Operators.Select(o => (Operator: o, r.Status))).GroupBy(t => t.Operator, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => new OperatorTests(g.Key, supported.Contains(g.Key), Count(g, NodeTestStatus.Passed), Count(g, NodeTestStatus.Failed), Count(g, NodeTestStatus.Unsupported)))];
    }

    private static int Count(IEnumerable<(string Operator, NodeTestStatus Status)> tests, NodeTestStatus status) => tests.Count(t => t.Status == status);
}
