using System.Diagnostics;

namespace Vertebra.Tests.Cli;

/// <summary>Runs the command line as users do: a process, its output, its exit code.</summary>
internal static class CommandLine
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "vertebra.dll");

    public static CommandResult Run(string folder, params string[] arguments)
    {
        using var process = Start(folder, arguments);
        return Finish(process);
    }

    /// <summary>The same with variables of the environment.</summary>
    public static CommandResult Run(string folder, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        using var process = Start(folder, environment, arguments);
        return Finish(process);
    }

    public static Process Start(string folder, params string[] arguments) => Start(folder, new Dictionary<string, string>(), arguments);

    private static Process Start(string folder, IReadOnlyDictionary<string, string> environment, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Program, .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    public static CommandResult Finish(Process process)
    {
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new(process.ExitCode, output, errors.Result);
    }
}

/// <summary>How a command ended.</summary>
internal sealed record CommandResult(int ExitCode, string Output, string Errors)
{
    /// <summary>The command worked.</summary>
    public string Succeeded()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}\n{Output}\n{Errors}");
        return Output;
    }

    /// <summary>The command refused, with exit code 2 and one line that says so.</summary>
    public string Refused()
    {
        Assert.True(ExitCode == 2, $"exit code {ExitCode}\n{Output}\n{Errors}");
        var lines = Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => !l.Contains("note:")).ToArray();
        Assert.True(lines.Length == 1, Errors);
        Assert.StartsWith("vertebra: ", lines[0]);
        return lines[0];
    }
}
