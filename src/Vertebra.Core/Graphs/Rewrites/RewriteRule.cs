namespace Vertebra.Graphs;

/// <summary>
/// A rewrite of graphs: a pattern, and what stands in its place. It reads like the pattern:
/// <code>
/// RewriteRule.Define("x · sigmoid(x) is SiLU", () =>
/// {
///     var x = Pattern.Any();
///     return (Pattern.Op&lt;Multiply&gt;(x, Pattern.Op&lt;Sigmoid&gt;(x)), (match, write) => write.Apply(new Silu(), match[x]));
/// });
/// </code>
/// The replacement returns the value that takes the place of the pattern's result, or null to leave the match alone. A rule
/// must keep the graph's results (up to rounding) and must not match what it wrote, or rewriting would not end.
/// </summary>
public sealed class RewriteRule
{
    private RewriteRule(string name, OpPattern pattern, Func<Match, Writer, Value?> replace) => (Name, Pattern, Replace) = (name, pattern, replace);

    /// <summary>What the rule does, for people.</summary>
    public string Name { get; }

    internal OpPattern Pattern { get; }

    internal Func<Match, Writer, Value?> Replace { get; }

    /// <summary>A rule of a pattern and its replacement; the parts of the pattern are variables of <paramref name="define"/>.</summary>
    public static RewriteRule Define(string name, Func<(OpPattern Pattern, Func<Match, Writer, Value?> Replace)> define)
    {
        var (pattern, replace) = define();
        return new(name, pattern, replace);
    }

    public override string ToString() => Name;
}
