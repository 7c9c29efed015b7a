using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>
/// Random numbers. The standard leaves the generator open; here the node's seed (0 unless given) and its name decide, so that
/// a file gives the same result every time.
/// </summary>
internal static class RandomRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("RandomUniform", c => Uniform(c, StatedShape(c)));
        table.Add("RandomUniformLike", c => Uniform(c, c[0].Shape));
        table.Add("RandomNormal", c => Normal(c, StatedShape(c)));
        table.Add("RandomNormalLike", c => Normal(c, c[0].Shape));
        table.Add("Bernoulli", Bernoulli);
        table.Add("Multinomial", Multinomial);
    }

    private static Shape StatedShape(OnnxCall c) => c.IntList("shape") ?? throw c.Bad("the attribute 'shape' is missing");

    private static Philox Generator(OnnxCall c)
    {
        ulong stream = 14695981039346656037; // FNV-1a over the name, which is the same on every machine
        foreach (var letter in c.Node.Name + c.Node.Outputs.FirstOrDefault())
            stream = (stream ^ letter) * 1099511628211;
        return new(BitConverter.SingleToUInt32Bits(c.Float("seed", 0)), stream);
    }

    private static Tensor Filled(Shape shape, Func<int, float> value)
    {
        MemoryBudget.Check(new(shape, DType.Float32));
        var values = new float[shape.ElementCount];
        for (var i = 0; i < values.Length; i++)
            values[i] = value(i);
        return Tensor.From(values, shape);
    }

    private static OnnxValue Uniform(OnnxCall c, Shape shape)
    {
        var (random, low, high) = (Generator(c), c.Float("low", 0), c.Float("high", 1));
        return Filled(shape, i => low + ((high - low) * random.Uniform((ulong)i)));
    }

    private static OnnxValue Normal(OnnxCall c, Shape shape)
    {
        var (random, mean, scale) = (Generator(c), c.Float("mean", 0), c.Float("scale", 1));
        return Filled(shape, i => mean + (scale * random.Normal((ulong)i)));
    }

    private static OnnxValue Bernoulli(OnnxCall c)
    {
        var x = c.Plain(0);
        var random = Generator(c);
        var drawn = Filled(x.Shape, i => random.Uniform((ulong)i)).Less(x);
        return drawn.To(c.HasAttribute("dtype") ? Kind(c, (int)c.Int("dtype")) : x.DType);
    }

    private static DType Kind(OnnxCall c, int type) => TensorReader.TypeOf(type) ?? throw c.Bad($"elements of type {TensorReader.Name(type)} are not supported");

    // Unnormalised log-probabilities [batch, classes] → classes drawn [batch, samples].
    private static OnnxValue Multinomial(OnnxCall c)
    {
        var x = c.Plain(0);
        if (x.Rank != 2)
            throw c.Bad($"log-probabilities must be [batch, classes], got {c[0]}");
        var samples = c.ToInt(c.Int("sample_size", 1), "sample_size");
        // The largest of the log-probabilities with Gumbel noise is a draw from their softmax.
        var random = Generator(c);
        var (batch, classes) = (x.Shape[0], x.Shape[1]);
        var noise = Filled([batch, samples, classes], i => -MathF.Log(-MathF.Log(((random.Bits((ulong)i) >> 8) + 0.5f) / (1 << 24))));
        return (noise + x.Reshape([batch, 1, classes])).ArgMax(2).To(Kind(c, (int)c.Int("dtype", 6)));
    }
}
