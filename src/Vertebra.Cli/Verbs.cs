using System.CommandLine;

namespace Vertebra.Cli;

/// <summary>The verbs, in the order that help lists them.</summary>
internal static class Verbs
{
    public static IEnumerable<Command> All() => [];
}
