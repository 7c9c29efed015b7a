using System.Runtime.CompilerServices;

namespace Vertebra.Tests;

/// <summary>Choices that were tuned on the machine at hand must not change what tests compute, nor what the processes that they start do.</summary>
internal static class TestEnvironment
{
#pragma warning disable CA2255 // a test assembly has no other place that runs before all tests
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Prepare() => Environment.SetEnvironmentVariable("VERTEBRA_TUNE", "off");
}
