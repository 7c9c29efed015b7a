using System.CommandLine;
using Vertebra.Cli.Verbs;

namespace Vertebra.Tests.Cli;

public class VerbListTests
{
    // A name that stands twice ends every call of the program with an exception, whichever verb is asked for.
    [Fact]
    public void Verbs_have_names_of_their_own_and_can_all_be_parsed()
    {
        var root = new RootCommand();
        foreach (var verb in VerbList.All())
            root.Subcommands.Add(verb);
        Check(root);
        Assert.Empty(root.Parse(["models"]).Errors);
    }

    private static void Check(Command command)
    {
        Assert.Equal(command.Subcommands.Count, command.Subcommands.Select(c => c.Name).Distinct().Count());
        foreach (var child in command.Subcommands)
            Check(child);
    }
}
