using System.Runtime.InteropServices;
using Google.Protobuf;
using Vertebra.Onnx;
using Vertebra.Onnx.Format;
using DataType = Vertebra.Onnx.Format.TensorProto.Types.DataType;

namespace Vertebra.Tests.Onnx;

/// <summary>Bad files are refused in one line that says what and where; none crashes, hangs, or takes memory it does not need.</summary>
public class HostileOnnxTests
{
    private static readonly OnnxLimits Small = new() { LargestTensorBytes = 64 << 20, InitializerBytes = 64 << 20, MostNodes = 10_000, MostSteps = 20_000 };

    private static string Refusal(ModelBuilder model, OnnxLimits? limits = null) =>
        OneLine(Assert.ThrowsAny<VertebraException>(() => OnnxModel.Read(model.Bytes(), "bad.onnx", limits)));

    private static string RunRefusal(ModelBuilder model, params Tensor[] inputs)
    {
        var loaded = OnnxModel.Read(model.Bytes(), "bad.onnx", Small);
        return OneLine(Assert.ThrowsAny<VertebraException>(() => loaded.Run(inputs)));
    }

    private static string OneLine(VertebraException e)
    {
        Assert.DoesNotContain('\n', e.Message);
        Assert.Contains("bad.onnx", e.Message);
        return e.Message;
    }

    private static ModelBuilder Relu() => new ModelBuilder().Input("x", 2).Node("Relu", "x", "y").Output("y");

    [Fact]
    public void What_is_no_model_is_refused()
    {
        Assert.Contains("not an ONNX model", OneLine(Assert.ThrowsAny<VertebraException>(() => OnnxModel.Read([1, 2, 3, 255, 255], "bad.onnx"))));
        Assert.Contains("no graph", OneLine(Assert.ThrowsAny<VertebraException>(() => OnnxModel.Read([], "bad.onnx"))));
        var whole = Relu().Bytes();
        Assert.Contains("damaged", OneLine(Assert.ThrowsAny<VertebraException>(() => OnnxModel.Read(whole[..^7], "bad.onnx"))));
        Assert.Contains("cannot read", Assert.ThrowsAny<VertebraException>(() => OnnxModel.Load("/nowhere/bad.onnx")).Message);
    }

    [Fact]
    public void Cycles_doubles_and_dangling_names_are_refused()
    {
        Assert.Contains("cycle", Refusal(new ModelBuilder().Input("x", 2).Node("Add", "x b", "a").Node("Relu", "a", "b").Output("b")));
        Assert.Contains("nothing computes", Refusal(new ModelBuilder().Input("x", 2).Node("Add", "x ghost", "y").Output("y")));
        Assert.Contains("an output", Refusal(new ModelBuilder().Input("x", 2).Node("Relu", "x", "y").Output("z")));
        Assert.Contains("name that is taken", Refusal(new ModelBuilder().Input("x", 2).Node("Relu", "x", "y").Node("Abs", "x", "y").Output("y")));
        Assert.Contains("name that is taken", Refusal(new ModelBuilder().Input("x", 2).Longs("a", 1).Longs("a", 2).Node("Relu", "x", "y").Output("y")));
    }

    [Fact]
    public void Unknown_operators_are_named_all_at_once()
    {
        var message = Refusal(new ModelBuilder().Input("x", 2).Node("Frobnicate", "x", "a").Node("Frobnicate", "a", "b").Node("Quux", "b", "y").Output("y"));
        Assert.Contains("Frobnicate (2 times, first in node 'Frobnicate_a'), Quux (1 times", message);
        var foreign = Relu();
        foreign.Graph.Node[0].Domain = "com.example";
        Assert.Contains("com.example", Refusal(foreign));
    }

    [Theory]
    [InlineData(new long[] { 1 << 20, 1 << 20 }, "needs")]
    [InlineData(new long[] { int.MaxValue, int.MaxValue, int.MaxValue }, "impossible")]
    [InlineData(new long[] { -3 }, "size -3")]
    [InlineData(new long[] { long.MaxValue }, "size 9223372036854775807")]
    public void Tensors_whose_shape_and_data_disagree_are_refused(long[] dims, string expected)
    {
        var model = Relu().Constant(ModelBuilder.Tensor("w", DataType.Float, MemoryMarshal.AsBytes<float>([1, 2]), dims));
        Assert.Contains(expected, Refusal(model));
    }

    [Fact]
    public void Tensors_of_types_without_a_place_here_are_refused_by_name()
    {
        Assert.Contains("complex64", Refusal(Relu().Constant(ModelBuilder.Tensor("w", DataType.Complex64, new byte[8], 1))));
        Assert.Contains("number 99", Refusal(Relu().Constant(ModelBuilder.Tensor("w", (DataType)99, new byte[8], 1))));
        var sparse = Relu();
        sparse.Graph.SparseInitializer.Add(new SparseTensorProto { Values = new TensorProto { Name = "s" } });
        Assert.Contains("sparse initialisers ('s')", Refusal(sparse));
    }

    [Fact]
    public void Absurd_shapes_are_refused_before_memory_is_taken()
    {
        var filled = new ModelBuilder().Input("x", 1).Longs("shape", 1 << 20, 1 << 20).Node("ConstantOfShape", "shape", "y").Output("y");
        Assert.Contains("beyond the limit", RunRefusal(filled, Tensor.Scalar(1).View([1])));
        var tiled = new ModelBuilder().Input("x", 1).Longs("times", 1L << 30).Node("Tile", "x times", "y").Output("y");
        Assert.Contains("beyond the limit", RunRefusal(tiled, Tensor.Scalar(1).View([1])));
        var padded = new ModelBuilder().Input("x", 1).Longs("pads", 1L << 30, 1L << 30).Node("Pad", "x pads", "y").Output("y");
        Assert.Contains("Pad_y", RunRefusal(padded, Tensor.Scalar(1).View([1])));
        var counted = new ModelBuilder().Input("x", 1).Long("from", 0).Long("to", long.MaxValue).Long("by", 1).Node("Range", "from to by", "y").Output("y", DataType.Int64);
        Assert.Contains("too many", RunRefusal(counted, Tensor.Scalar(1).View([1])));
        var widePool = new ModelBuilder().Input("x", 1, 1, 4, 4)
            .Node("AveragePool", "x", "y", ("kernel_shape", new long[] { 1L << 30, 1L << 30 }), ("pads", new long[] { 1L << 29, 1L << 29, 1L << 29, 1L << 29 })).Output("y");
        Assert.Contains("kernel", RunRefusal(widePool, Tensor.Zeros([1, 1, 4, 4])));
    }

    [Fact]
    public void Initialisers_beyond_the_limit_are_refused()
    {
        var limits = new OnnxLimits { LargestTensorBytes = 1 << 20, InitializerBytes = 10_000 };
        var model = Relu();
        for (var i = 0; i < 3; i++)
            model.Floats($"w{i}", new float[1000], 1000);
        Assert.Contains("beyond the limit", Refusal(model, limits));
    }

    // ---------------------------------------------------------------- external data

    private static string ExternalRefusal(TemporaryFolder folder, string location, string? offset = null, string? length = null)
    {
        var model = Relu();
        var proto = new TensorProto { Name = "w", DataType = (int)DataType.Float, DataLocation = TensorProto.Types.DataLocation.External };
        proto.Dims.Add(2);
        proto.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
        if (offset is not null)
            proto.ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = offset });
        if (length is not null)
            proto.ExternalData.Add(new StringStringEntryProto { Key = "length", Value = length });
        model.Constant(proto);
        var path = folder["bad.onnx"];
        File.WriteAllBytes(path, model.Bytes());
        return OneLine(Assert.ThrowsAny<VertebraException>(() => OnnxModel.Load(path)));
    }

    [Fact]
    public void External_data_stays_in_the_models_folder()
    {
        using var outside = new TemporaryFolder();
        File.WriteAllBytes(outside["secret"], new byte[8]);
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["data"], new byte[8]);
        File.CreateSymbolicLink(folder["link"], outside["secret"]);
        Directory.CreateSymbolicLink(folder["linked"], outside.Path);
        foreach (var location in (string[])[outside["secret"], "../" + Path.GetFileName(outside.Path) + "/secret", "a/../../x", "", "C:\\secret", "data\0"])
            Assert.Contains("only a relative path", ExternalRefusal(folder, location));
        Assert.Contains("symbolic link", ExternalRefusal(folder, "link"));
        Assert.Contains("symbolic link", ExternalRefusal(folder, "linked/secret"));
        Assert.Contains("not beside the model", ExternalRefusal(folder, "missing"));
        Assert.Contains("truncated", ExternalRefusal(folder, "data", offset: "4"));
        Assert.Contains("truncated", ExternalRefusal(folder, "data", offset: long.MaxValue.ToString()));
        Assert.Contains("offset '-1'", ExternalRefusal(folder, "data", offset: "-1"));
        Assert.Contains("length of 4", ExternalRefusal(folder, "data", length: "4"));
    }

    [Fact]
    public void External_data_beside_the_model_is_read()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["weights"]);
        File.WriteAllBytes(folder["weights/w.bin"], [0, 0, 0, 0, .. MemoryMarshal.AsBytes<float>([3, 4])]);
        var model = new ModelBuilder().Input("x", 2).Node("Add", "x w", "y").Output("y");
        var proto = new TensorProto { Name = "w", DataType = (int)DataType.Float, DataLocation = TensorProto.Types.DataLocation.External };
        proto.Dims.Add(2);
        foreach (var (key, value) in (ReadOnlySpan<(string, string)>)[("location", "weights/w.bin"), ("offset", "4"), ("length", "8")])
            proto.ExternalData.Add(new StringStringEntryProto { Key = key, Value = value });
        model.Constant(proto);
        File.WriteAllBytes(folder["net.onnx"], model.Bytes());
        Assert.Equal([4f, 6f], OnnxModel.Load(folder["net.onnx"]).Run(Tensor.From(1f, 2f))[0].ToArray<float>());
    }

    // ---------------------------------------------------------------- functions and nesting

    [Fact]
    public void A_function_that_calls_itself_is_refused()
    {
        var model = new ModelBuilder().Input("x", 2).Node("F", "x", "y").Output("y");
        model.Graph.Node[0].Domain = "local";
        var function = new FunctionProto { Name = "F", Domain = "local", Input = { "a" }, Output = { "b" } };
        var call = ModelBuilder.NewNode("F", "a", "b");
        call.Domain = "local";
        function.Node.Add(call);
        model.Model.Functions.Add(function);
        Assert.Contains("nested", Refusal(model));
    }

    [Fact]
    public void Functions_that_double_at_every_level_are_refused()
    {
        // 2^30 nodes when written out.
        var model = new ModelBuilder().Input("x", 2).Node("F30", "x", "y").Output("y");
        model.Graph.Node[0].Domain = "local";
        for (var level = 1; level <= 30; level++)
        {
            var function = new FunctionProto { Name = $"F{level}", Domain = "local", Input = { "a" }, Output = { "c" } };
            foreach (var (from, to) in (ReadOnlySpan<(string, string)>)[("a", "b"), ("b", "c")])
            {
                var call = ModelBuilder.NewNode(level == 1 ? "Relu" : $"F{level - 1}", from, to);
                call.Domain = level == 1 ? "" : "local";
                function.Node.Add(call);
            }
            model.Model.Functions.Add(function);
        }
        Assert.Contains("more than 10000 nodes", Refusal(model, Small));
    }

    [Fact]
    public void Functions_are_computed_with_the_attributes_of_their_calls()
    {
        var model = new ModelBuilder().Input("x", 2).Node("Leaky", "x", "y", ("slope", 0.5f)).Output("y");
        model.Graph.Node[0].Domain = "local";
        var body = ModelBuilder.NewNode("LeakyRelu", "a", "b");
        body.Attribute.Add(new AttributeProto { Name = "alpha", RefAttrName = "slope", Type = AttributeProto.Types.AttributeType.Float });
        model.Model.Functions.Add(new FunctionProto { Name = "Leaky", Domain = "local", Input = { "a" }, Output = { "b" }, Attribute = { "slope" }, Node = { body } });
        Assert.Equal([-1f, 3f], OnnxModel.Read(model.Bytes()).Run(Tensor.From(-2f, 3f))[0].ToArray<float>());
    }

    // ---------------------------------------------------------------- fuzz

    /// <summary>Ten thousand damaged variants of small files: each runs, or is refused in one line.</summary>
    [Fact]
    public void Damaged_variants_of_files_are_refused_or_run_and_never_crash()
    {
        var files = Fuzzing.Files();
        foreach (var (model, inputs) in files)
            OnnxModel.Read(model).Run(inputs); // undamaged they run
        var random = new Random(20261120);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var (ran, longest) = (0, TimeSpan.Zero);
        for (var i = 0; i < 10_000; i++)
        {
            var (model, inputs) = files[i % files.Count];
            var variant = Fuzzing.Damage(model, files[random.Next(files.Count)].Model, random);
            var start = watch.Elapsed;
            try
            {
                var loaded = OnnxModel.Read(variant, "bad.onnx", Small);
                loaded.Run(inputs.Where(p => loaded.Inputs.Any(n => n.Name == p.Key)).ToDictionary());
                loaded.ToGraph();
                ran++;
            }
            catch (VertebraException e)
            {
                Assert.True(!e.Message.Contains('\n') || e.Message.Length < 4000, e.Message);
            }
            catch (Exception e)
            {
                Assert.Fail($"variant {i}: {e}");
            }
            longest = watch.Elapsed - start > longest ? watch.Elapsed - start : longest;
        }
        Assert.True(ran > 100, $"only {ran} variants ran: the damage is too coarse to test the rows");
        Assert.True(longest < TimeSpan.FromSeconds(20), $"one variant took {longest}");
    }
}
