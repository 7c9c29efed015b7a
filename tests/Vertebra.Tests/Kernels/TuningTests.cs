using Vertebra.Graphs;
using Vertebra.Graphs.Profiling;
using Vertebra.Kernels;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Tests.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Kernels;

/// <summary>Alone: choices, the cache folder and what is warned of belong to the whole process.</summary>
[Collection(Alone.Name)]
public sealed class TuningTests : IDisposable
{
    private static readonly ConvShape s_shape = new(2, 56, 56, 64, 64, 3, 3) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 };

    private readonly TemporaryFolder _place = new();
    private readonly string? _cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
    private readonly Action<string> _warn = Tuning.Warn;
    private readonly List<string> _warnings = [];

    public TuningTests()
    {
        Environment.SetEnvironmentVariable("XDG_CACHE_HOME", _place.Path);
        Environment.SetEnvironmentVariable("VERTEBRA_TUNE", null);
        Tuning.Warn = _warnings.Add;
        Tuning.Use(null);
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("XDG_CACHE_HOME", _cache);
        Environment.SetEnvironmentVariable("VERTEBRA_TUNE", "off");
        Tuning.Warn = _warn;
        Tuning.Use(null);
        _place.Dispose();
    }

    [Fact]
    public void Kept_choices_are_read_again_and_newer_ones_take_the_place_of_older()
    {
        Tuning.Keep([Choice("a", "Direct"), Choice("b", "Winograd2")]);
        Tuning.Keep([Choice("a", "Winograd4")]);
        Tuning.Use(null);
        Assert.Equal([("a", "Winograd4"), ("b", "Winograd2")], Tuning.Current.Choices.Select(c => (c.Problem, c.Choice)));
        Assert.Equal((3, 1.5), (Tuning.Current.Find("a")!.Threads, Tuning.Current.Find("a")!.Milliseconds["Direct"]));
        Assert.StartsWith(_place["vertebra"], Tuning.FilePath);
        Assert.Empty(_warnings);
    }

    [Theory]
    [InlineData("off")]
    [InlineData("OFF")]
    [InlineData("0")]
    public void Switched_off_the_file_is_not_read(string value)
    {
        Tuning.Keep([Choice("a", "Direct")]);
        Environment.SetEnvironmentVariable("VERTEBRA_TUNE", value);
        Tuning.Use(null);
        Assert.True(Tuning.Current.IsEmpty);
    }

    [Theory]
    [InlineData("")]
    [InlineData("nothing of the kind")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"format": 1, "processor": 3, "instruction_level": "Scalar", "choices": []}""")]
    [InlineData("""{"format": 2, "processor": "P", "instruction_level": "L", "choices": []}""")]
    [InlineData("""{"format": 1e99, "processor": "P", "instruction_level": "L", "choices": []}""")]
    [InlineData("""{"format": 1, "processor": "another", "instruction_level": "L", "choices": []}""")]
    [InlineData("""{"format": 1, "processor": "P", "instruction_level": "L", "choices": {}}""")]
    [InlineData("""{"format": 1, "processor": "P", "instruction_level": "L", "choices": [3]}""")]
    [InlineData("""{"format": 1, "processor": "P", "instruction_level": "L", "choices": [{"problem": "a"}]}""")]
    [InlineData("""{"format": 1, "processor": "P", "instruction_level": "L", "choices": [{"problem": "a", "choice": "Direct", "threads": 1.5, "ms": {}}]}""")]
    [InlineData("""{"format": 1, "processor": "P", "instruction_level": "L", "choices": [{"problem": "a", "choice": "Direct", "threads": 1, "ms": {"Direct": "fast"}}]}""")]
    [InlineData("""{"format": 1, "processor": "P", "instruction_level": "L", "choices": [{"problem": "\ud800", "choice": "Direct", "threads": 1, "ms": {}}]}""")]
    [InlineData("""{"format": 1, "processor": "P", "instruction_level": "L", "choices": [{"problem": "a", "choice": "Direct", "threads": 1, "ms": {"x": {"x": {"x": {"x": {"x": {"x": {"x": 1}}}}}}}}]}""")]
    public void A_malformed_file_is_one_warning_and_no_choices(string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Tuning.FilePath)!);
        File.WriteAllText(Tuning.FilePath, text.Replace("\"P\"", $"\"{Processor.Name}\"").Replace("\"L\"", $"\"{Simd.Level}\""));
        Assert.True(Tuning.Current.IsEmpty);
        Assert.True(Tuning.Current.IsEmpty);
        var warning = Assert.Single(_warnings);
        Assert.Contains(Tuning.FilePath, warning);
        Assert.Contains("vertebra tune", warning);
        Assert.DoesNotContain('\n', warning);
        Tuning.Keep([Choice("a", "Direct")]); // and tuning anew puts it right
        Tuning.Use(null);
        Assert.NotNull(Tuning.Current.Find("a"));
    }

    [Fact]
    public void A_file_of_any_size_is_not_read_into_memory()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Tuning.FilePath)!);
        using (var file = File.Create(Tuning.FilePath))
            file.SetLength(1L << 30);
        Assert.True(Tuning.Current.IsEmpty);
        Assert.Contains("bytes", Assert.Single(_warnings));
    }

    [Fact]
    public void A_compiled_graph_obeys_a_tuned_choice_unless_told_otherwise()
    {
        var graph = Graph.Trace(new OneConvolution(), [2, 56, 56, 64]);
        var estimated = MethodIn(graph.Compile());
        Assert.Equal(ConvMethod.Winograd4, estimated);
        var problem = new ConvProblem(s_shape, ConvUse.Forward, Packs: false);
        Tuning.Keep([Choice(problem.Text, "Direct")]);
        Assert.Equal(ConvMethod.Direct, MethodIn(graph.Compile()));
        Assert.Equal(estimated, MethodIn(graph.Compile(new CompileOptions { UsesTuned = false })));
        Assert.Equal(estimated, MethodIn(Graph.Trace(new OneConvolution(), [3, 56, 56, 64]).Compile())); // another batch was not measured
        Assert.Equal("tuned", ChoiceIn(graph.Compile()));
        Assert.Equal("estimated", ChoiceIn(graph.Compile(new CompileOptions { UsesTuned = false })));
        Assert.Null(ChoiceIn(graph.Compile(new CompileOptions { Winograd = false })));

        static ConvMethod MethodIn(CompiledGraph compiled) => ((FusedConv2d)compiled.Graph.Nodes.Single().Op).Method;
        static string? ChoiceIn(CompiledGraph compiled) => CompiledProfile.Measure(compiled, OpCases.Uniform([2, 56, 56, 64], 1)).Kernels.Single()!.Choice;
    }

    [Theory]
    [InlineData("Direct")]
    [InlineData("Winograd2")]
    [InlineData("Winograd4")]
    public void Training_obeys_tuned_choices_for_results_and_gradients(string choice)
    {
        var (forward, gradient) = (new ConvProblem(s_shape, ConvUse.Forward, Packs: true), new ConvProblem(s_shape, ConvUse.InputGradient, Packs: true));
        Tuning.Keep([Choice(forward.Text, choice)]);
        Tuning.Keep([Choice(gradient.Text, choice)]);
        var weight = OpCases.Uniform([64, 64, 3, 3], 2);
        weight.RequiresGrad = true;
        Assert.Equal(choice, PackedConvolution.MethodFor(weight, s_shape, ConvUse.Forward).ToString());
        Assert.Equal(choice, PackedConvolution.MethodFor(weight, s_shape, ConvUse.InputGradient).ToString());
    }

    [Fact]
    public void A_choice_that_is_unknown_or_does_not_exist_for_a_shape_is_not_taken()
    {
        var problem = new ConvProblem(s_shape, ConvUse.Forward, Packs: false);
        var strided = problem with { Shape = s_shape with { StrideH = 2, StrideW = 2 } };
        Tuning.Keep([Choice(problem.Text, "Winograd8"), Choice(strided.Text, "Winograd4")]);
        Assert.Equal(ConvMethod.Winograd4, ConvChoice.Of(problem));
        Assert.Equal(ConvMethod.Winograd4, ConvChoice.Of(problem));
        Assert.Contains("Winograd8", Assert.Single(_warnings));
        Tuning.Keep([Choice(strided.Text, "Winograd4")]);
        Assert.Equal(ConvMethod.Direct, ConvChoice.Of(strided));
    }

    [Fact]
    public void Every_way_is_measured_and_the_fastest_named()
    {
        var shape = s_shape with { N = 1, H = 12, W = 12, C = 16, OC = 16 };
        foreach (var (use, packs) in (ReadOnlySpan<(ConvUse, bool)>)[(ConvUse.Forward, false), (ConvUse.Forward, true), (ConvUse.InputGradient, true), (ConvUse.InputGradient, false)])
        {
            var choice = ConvTuner.Measure(new(shape, use, packs));
            Assert.Equal(Enum.GetNames<ConvMethod>(), choice.Milliseconds.Keys);
            Assert.All(choice.Milliseconds.Values, t => Assert.InRange(t, 1e-6, 1e4));
            Assert.InRange(choice.Milliseconds[choice.Choice], 0, 1.05 * choice.Milliseconds.Values.Min());
            Assert.Equal(Workers.Count, choice.Threads);
        }
    }

    [Fact]
    public void The_choices_of_a_network_are_those_of_its_convolutions()
    {
        using var meta = Construction.Meta();
        var graph = Graph.Trace(Models.Create("resnet18"), [4, 224, 224, 3]);
        // 3x3 of stride 1: four sizes of the blocks; nothing else has a choice.
        var inference = KernelTuner.ProblemsOf(graph, inference: true, training: false);
        Assert.Equal(
            ["conv forward packed 4x56x56x64 64x3x3 pad 1,1,1,1", "conv forward packed 4x28x28x128 128x3x3 pad 1,1,1,1", "conv forward packed 4x14x14x256 256x3x3 pad 1,1,1,1", "conv forward packed 4x7x7x512 512x3x3 pad 1,1,1,1"],
            inference.Select(p => p.Text));
        Assert.Equal(8, KernelTuner.ProblemsOf(graph, inference: false, training: true).Count);
        Assert.All(inference, p => Assert.Contains(p.Estimated, Enum.GetNames<ConvMethod>()));
    }

    private static TunedChoice Choice(string problem, string choice) => new(problem, choice, 3, new Dictionary<string, double> { ["Direct"] = 1.5 });

    private sealed class OneConvolution : Module
    {
        private readonly Tensor _weight;

        public OneConvolution() => _weight = Parameter("weight", [64, 64, 3, 3], Init.Ones);

        protected override Tensor OnForward(Tensor x) => x.Conv2d(_weight, padding: 1);
    }
}
