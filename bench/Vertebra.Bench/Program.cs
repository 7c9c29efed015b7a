using BenchmarkDotNet.Running;

BenchmarkSwitcher.FromAssembly(typeof(Vertebra.Bench.ConvolutionBenchmarks).Assembly).Run(args);
