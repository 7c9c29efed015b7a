using System.CommandLine;
using System.CommandLine.Parsing;

namespace Vertebra.Cli;

/// <summary>Runs a command line: errors become one line on standard error and an exit code.</summary>
internal static class Host
{
    public const int Success = 0;

    /// <summary>Something went wrong that the user could not have known.</summary>
    public const int Failure = 1;

    /// <summary>The command line or an input file is wrong; the message says what to do.</summary>
    public const int Usage = 2;

    /// <summary>Stopped by Ctrl-C, as shells report it.</summary>
    public const int Interrupted = 130;

    public static int Run(RootCommand root, string[] args)
    {
        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            Error(string.Join("; ", parsed.Errors.Select(e => e.Message.ReplaceLineEndings(" ").TrimEnd('.', ' '))) + Hint(parsed));
            return Usage;
        }
        try
        {
            return parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }).GetAwaiter().GetResult();
        }
        catch (VertebraException e)
        {
            Error(e.Message);
            return Usage;
        }
        catch (OperationCanceledException)
        {
            return Interrupted;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Error(e.Message);
            return Failure;
        }
        catch (Exception e)
        {
            Error($"internal error, please report it: {e}");
            return Failure;
        }
    }

    /// <summary>
    /// Runs an action that Ctrl-C asks to stop at its next safe point; a second Ctrl-C ends the process at once.
    /// </summary>
    public static T Interruptible<T>(Func<CancellationToken, T> action)
    {
        using var source = new CancellationTokenSource();
        void Stop(object? _, ConsoleCancelEventArgs e)
        {
            e.Cancel = !source.IsCancellationRequested;
            source.Cancel();
        }
        Console.CancelKeyPress += Stop;
        using var terminate = System.Runtime.InteropServices.PosixSignalRegistration.Create(
            System.Runtime.InteropServices.PosixSignal.SIGTERM,
            context =>
            {
                context.Cancel = true;
                source.Cancel();
            });
        try
        {
            return action(source.Token);
        }
        finally
        {
            Console.CancelKeyPress -= Stop;
        }
    }

    private static void Error(string message) => Console.Error.WriteLine($"vertebra: {message.ReplaceLineEndings(" ")}");

    private static string Hint(ParseResult parsed)
    {
        var path = new List<string>();
        for (SymbolResult? result = parsed.CommandResult; result is CommandResult command; result = result.Parent)
            path.Insert(0, command.Command is RootCommand ? "vertebra" : command.Command.Name);
        return $" (see '{string.Join(' ', path)} --help')";
    }
}
