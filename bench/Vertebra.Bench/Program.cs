using BenchmarkDotNet.Running;
using Vertebra.Bench;

// "guard": ratios only, in seconds; anything else is BenchmarkDotNet's.
if (args is ["guard"])
    return SpeedGuard.Run();
BenchmarkSwitcher.FromAssembly(typeof(ConvolutionBenchmarks).Assembly).Run(args);
return 0;
