using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Kernels;
using Vertebra.Lab.Data;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// A trained network that is asked and not trained. It sees the student's images as it is used to: normalised by its own mean and
/// deviation, at its own size. What it computes is a compiled graph, made when images of a shape come for the first time.
/// </summary>
/// <param name="network">The network, in evaluation mode; its weights stay as they are.</param>
/// <param name="own">How images are prepared for it.</param>
/// <param name="student">How the images that it is given are prepared.</param>
public sealed class Teacher(Backbone network, Preprocessing own, Preprocessing student)
{
    private readonly Dictionary<(Shape Images, bool HasFeatures), CompiledGraph> _compiled = [];

    public Backbone Network => network;

    /// <summary>Shape of one image [1, H, W, C] as it takes them.</summary>
    public Shape Images => [1, own.Height, own.Width, own.Channels];

    /// <summary>Paths of modules whose outputs are wanted beside its answers; not to be changed after the first answer.</summary>
    public IReadOnlyList<string> Layers { get; set; } = [];

    /// <summary>Its answer to images.</summary>
    /// <param name="images">float32 [N, H, W, C], prepared for the student.</param>
    /// <param name="withFeatures">Whether its maps are wanted.</param>
    /// <returns>Logits [N, classes], the maps of <see cref="Backbone.FeatureInfo"/>, finest first, and what <see cref="Layers"/> returned.</returns>
    public (Tensor Logits, IReadOnlyList<Tensor> Features, IReadOnlyList<Tensor> Layers) Answer(Tensor images, bool withFeatures = false)
    {
        if (!_compiled.TryGetValue((images.Shape, withFeatures), out var graph))
            _compiled[(images.Shape, withFeatures)] = graph = Compile(images.Shape, withFeatures);
        var outputs = graph.Graph.Outputs.Select(o => Tensor.Empty(o.Shape)).ToArray();
        graph.Run([images], outputs);
        return (outputs[0], outputs[1..^Layers.Count], outputs[^Layers.Count..]);
    }

    private CompiledGraph Compile(Shape images, bool withFeatures) => GraphTracer.Trace(network, [Tensor.Meta(images)], inputs =>
    {
        using var watch = new ModuleWatch(Layers.Select(l => network[l]));
        var (logits, maps) = network.ForwardWithFeatures(Prepare(inputs[0]), withFeatures ? network.FeatureInfo : []);
        return [logits, .. maps, .. Layers.Select(l => watch[network[l]])];
    }).Compile();

    /// <summary>The student's images as the teacher takes them.</summary>
    private Tensor Prepare(Tensor images)
    {
        if (!own.Mean.SequenceEqual(student.Mean) || !own.Std.SequenceEqual(student.Std))
            images = (images * PerChannel(c => student.Std[c] / own.Std[c])) + PerChannel(c => (student.Mean[c] - own.Mean[c]) / own.Std[c]);
        return (own.Height, own.Width) == (images.Shape[1], images.Shape[2]) ? images
            : images.Interpolate(new(own.Height, own.Width), InterpolationMode.Bilinear, antialias: true);
    }

    private Tensor PerChannel(Func<int, double> value) => Tensor.From(Enumerable.Range(0, own.Channels).Select(c => (float)value(c)).ToArray(), [own.Channels]);
}

/// <summary>Teachers that answer for themselves.</summary>
public sealed class LiveTeachers(IReadOnlyList<Teacher> teachers) : ITeaching
{
    public IReadOnlyList<Backbone> Networks { get; } = [.. teachers.Select(t => t.Network)];

    /// <inheritdoc/>
    public IReadOnlyList<Shape> Images { get; } = [.. teachers.Select(t => t.Images)];

    /// <inheritdoc/>
    public IReadOnlyList<string> Layers
    {
        get => teachers[0].Layers;
        set => teachers[0].Layers = value;
    }

    /// <inheritdoc/>
    public TeacherAnswers Answer(Batch batch, bool withFeatures)
    {
        using var off = GradMode.Off();
        var answers = teachers.Select(t => t.Answer(batch.Images, withFeatures)).ToList();
        return new([.. answers.Select(a => a.Logits)], [.. answers.Select(a => a.Features)])
        {
            Layers = Layers.Zip(answers[0].Layers).ToDictionary(l => l.First, l => l.Second),
        };
    }
}
