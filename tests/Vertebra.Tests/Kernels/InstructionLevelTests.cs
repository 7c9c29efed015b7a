using System.Diagnostics;
using Vertebra.Kernels;

namespace Vertebra.Tests.Kernels;

/// <summary>
/// Every op and kernel case at every instruction level below this machine's own, each in a process that asserts the level it
/// really runs at. (The machine's own level is what all other tests run at.)
/// </summary>
public class InstructionLevelTests
{
    [LowerLevelFact(SimdLevel.Scalar)]
    public Task Everything_holds_without_vectors() => Check(SimdLevel.Scalar, "DOTNET_EnableHWIntrinsic");

    [LowerLevelFact(SimdLevel.Vector128)]
    public Task Everything_holds_at_128_bits() => Check(SimdLevel.Vector128, "DOTNET_EnableAVX2");

    [LowerLevelFact(SimdLevel.Vector256)]
    public Task Everything_holds_at_256_bits() => Check(SimdLevel.Vector256, "DOTNET_EnableAVX512");

    [Fact]
    public async Task A_process_at_another_level_is_found_out()
    {
        var wrong = Simd.Level == SimdLevel.Scalar ? SimdLevel.Vector128 : SimdLevel.Scalar;
        var (exitCode, output) = await Run(wrong, switchedOff: null);
        Assert.Equal(3, exitCode);
        Assert.Contains($"this process runs at {Simd.Level}, not at {wrong}", output);
    }

    private static async Task Check(SimdLevel level, string switchedOff)
    {
        var (exitCode, output) = await Run(level, switchedOff);
        Assert.True(exitCode == 0, $"exit code {exitCode}\n{output}");
        Assert.Contains($"{level}: ", output);
    }

    private static async Task<(int ExitCode, string Output)> Run(SimdLevel level, string? switchedOff)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            ArgumentList = { typeof(Program).Assembly.Location, "--check-level", level.ToString() },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (switchedOff is not null)
            start.Environment[switchedOff] = "0";
        using var process = Process.Start(start)!;
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(8));
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(timeout.Token);
            var errors = process.StandardError.ReadToEndAsync(timeout.Token);
            await process.WaitForExitAsync(timeout.Token);
            return (process.ExitCode, await errors + await output);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"the check of {level} did not end within 8 minutes");
        }
    }
}

/// <summary>A fact for a level below the one this process runs at; skipped, with the reason, where the machine has it not or nothing above it.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LowerLevelFactAttribute : FactAttribute
{
    public LowerLevelFactAttribute(SimdLevel level)
    {
        if (level >= Simd.Level)
            Skip = level == Simd.Level ? $"all tests of this process run at {level}" : $"this machine has no {level}";
    }
}
