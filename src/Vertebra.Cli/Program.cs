using System.CommandLine;
using Vertebra.Cli.Verbs;

namespace Vertebra.Cli;

/// <summary>The program <c>vertebra</c>.</summary>
internal static class Program
{
    /// <summary>When <see cref="Main"/> began.</summary>
    public static Mark Started { get; private set; }

    private static int Main(string[] args)
    {
        Started = Mark.Now;
        var root = new RootCommand(
            """
            Vertebra: pick, train, check and ship vision backbones in pure C#.

            A first run, without any data of your own:
              vertebra train --model resnet20_cifar --epochs 5

            Every verb explains itself with --help.
            """);
        foreach (var verb in VerbList.All())
            root.Subcommands.Add(verb);
        return Host.Run(root, args);
    }
}
