using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Inception v3 (Szegedy et al. 2016), v4 and Inception-ResNet v2 (Szegedy et al. 2017): parallel chains of convolutions whose
/// maps are concatenated. Names, state-dict keys and defaults follow timm; the networks are the plans of InceptionPlans.cs.
/// </summary>
public sealed class InceptionNet : PooledBackbone
{
    private readonly IReadOnlyList<Module> _layers;

    internal InceptionNet(InceptionPlan plan, ModelOptions options) : base(options, plan.FirstConv, plan.Classifier)
    {
        RefuseOutputStride(options, "Inception");
        var layers = plan.Layers(InChans).ToArray();
        _layers = [.. layers.Select(l => l.Module)];
        if (plan.Body is { } body)
        {
            Child(body, new Sequential(layers.Select(l => (l.Name, l.Module))));
        }
        else
        {
            foreach (var (name, module) in layers)
                Child(name, module);
        }
        foreach (var (channels, reduction, module) in plan.Features)
            AddFeature(channels, reduction, module);
        AddHead(plan.Features[^1].Channels, options);
    }

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        foreach (var layer in _layers)
            x = layer.Forward(x);
        return x;
    }
}

/// <summary>A network of the family: its layers in order.</summary>
/// <param name="Body">Module that holds them; null: the network itself does.</param>
/// <param name="FirstConv">Path of the convolution that sees the image.</param>
/// <param name="Classifier">Path of the classifier.</param>
/// <param name="Layers">Builds them for a number of image channels.</param>
/// <param name="Features">Levels of the pyramid.</param>
internal sealed record InceptionPlan(
    string? Body, string FirstConv, string Classifier, Func<int, IEnumerable<(string Name, Module Module)>> Layers,
    IReadOnlyList<(int Channels, int Reduction, string Module)> Features);

/// <summary>
/// Parallel branches whose outputs are concatenated; with <see cref="Residual"/>, mixed by a 1x1 convolution, scaled and added
/// to the input. A branch is a chain that may fork at its end.
/// </summary>
internal sealed class InceptionBlock : Module
{
    private readonly int _inWidth;
    private readonly List<(Func<Tensor, Tensor>? Pool, List<Module> Chain, Module[] Fork)> _branches = [];
    private Conv2d? _mix;
    private ActivationLayer? _act;
    private float _scale;
    private int _outWidth;

    public InceptionBlock(int inWidth) => _inWidth = inWidth;

    /// <summary>A branch as one child: a convolution, or a sequence after an optional pool.</summary>
    public InceptionBlock Branch(string name, string plan, Module? pool = null)
    {
        var chain = InceptionConvs.Chain(_inWidth, plan, out var width);
        _outWidth += width;
        Module module = chain.Count == 1 && pool is null ? chain[0] : new Sequential(pool is null ? chain : [pool, .. chain]);
        _branches.Add((null, [Child(name, module)], []));
        return this;
    }

    /// <summary>A branch that only pools.</summary>
    public InceptionBlock Pool(string name, Module pool)
    {
        _branches.Add((null, [Child(name, pool)], []));
        return this;
    }

    /// <summary>A branch of children of their own: <c>name1 name2 ...</c> for the steps of the plan, then those of a fork.</summary>
    public InceptionBlock Steps(string names, string plan, string forkNames = "", string fork = "", Func<Tensor, Tensor>? pool = null)
    {
        var width = _inWidth;
        var chain = new List<Module>();
        if (plan.Length > 0)
            chain = [.. InceptionConvs.Chain(_inWidth, plan, out width).Zip(names.Split(' '), (conv, name) => Child(name, conv))];
        var ends = Array.Empty<Module>();
        if (fork.Length > 0)
            ends = [.. fork.Split(' ').Zip(forkNames.Split(' '), (step, name) => Child(name, InceptionConvs.Chain(width, step, out _)[0]))];
        _branches.Add((pool, chain, ends));
        return this;
    }

    /// <summary>Adds the mixed branches to the input, scaled.</summary>
    /// <param name="scale">Factor of the branches.</param>
    /// <param name="activates">Whether a ReLU follows.</param>
    public InceptionBlock Residual(float scale, bool activates = true)
    {
        _scale = scale;
        _mix = Child("conv2d", new Conv2d(_outWidth, _inWidth, 1));
        _act = activates ? Child("act", new ActivationLayer(ActivationKind.Relu)) : null;
        return this;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var outputs = new List<Tensor>();
        foreach (var (pool, chain, fork) in _branches)
        {
            var y = pool?.Invoke(x) ?? x;
            foreach (var layer in chain)
                y = layer.Forward(y);
            if (fork.Length == 0)
                outputs.Add(y);
            else
                outputs.AddRange(fork.Select(f => f.Forward(y)));
        }
        var merged = Tensor.Concat([.. outputs], -1);
        if (_mix is null)
            return merged;
        merged = (_mix.Forward(merged) * _scale) + x;
        return _act?.Forward(merged) ?? merged;
    }
}

/// <summary>Convolutions written as <c>channels@kernel</c>: the kernel is <c>3</c> or <c>1x7</c>, padded to keep the size; <c>v</c> after it: not padded, <c>s</c>: not padded and striding by 2.</summary>
internal static class InceptionConvs
{
    public static List<ConvNormAct> Chain(int inWidth, string plan, out int width)
    {
        var convs = new List<ConvNormAct>();
        width = inWidth;
        foreach (var step in plan.Split(' '))
        {
            var (channels, kernel) = (int.Parse(step.Split('@')[0]), step.Split('@')[1]);
            var (isValid, strides) = (kernel[^1] is 'v' or 's', kernel[^1] == 's');
            var sides = kernel.TrimEnd('v', 's').Split('x').Select(int.Parse).ToArray();
            Size2d size = (sides[0], sides[^1]);
            WindowPadding padding = isValid ? 0 : WindowPadding.Centred(size, 1, 1);
            convs.Add(new(width, channels, size, strides ? 2 : 1, padding: padding, norm: new BatchNorm2d(channels, 1e-3f, activation: ActivationKind.Relu)));
            width = channels;
        }
        return convs;
    }
}
