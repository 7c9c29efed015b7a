namespace Vertebra.Zoo.Layers;

/// <summary>
/// The sum of one or several equal convolutions, a 1x1 convolution and, where shapes allow, the input, each normalised; then
/// attention and activation. It folds into one convolution <c>reparam_conv</c>. RepVGG (Ding et al. 2021) and MobileOne (Vasu et
/// al. 2023).
/// </summary>
public sealed class MultiBranchBlock : Module, IReparameterisable
{
    private readonly Module? _attention;
    private readonly ActivationLayer _act;
    private BatchNorm2d? _identity;
    private IReadOnlyList<ConvNormAct> _branches;
    private ConvNormAct? _pointwise;
    private DropPath? _dropPath;
    private Conv2d? _folded;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="kernel">Side of the equal convolutions; with 1 there is no other 1x1 convolution.</param>
    /// <param name="stride">Step between outputs.</param>
    /// <param name="dilation">Step between taps.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="branches">Number of equal convolutions, <c>conv_kxk.0</c> ... beside <c>conv_scale</c>; null: one, named as RepVGG does.</param>
    /// <param name="hasIdentity">Whether the input is a branch.</param>
    /// <param name="attention">Attention after the sum.</param>
    /// <param name="activation">At the end.</param>
    /// <param name="dropPathRate">Stochastic depth of all branches but the identity.</param>
    /// <param name="initialiser">Fills the convolutions.</param>
    /// <param name="normInitialiser">Fills the normalisers' scales.</param>
    /// <param name="hasPointwise">Whether there is the other 1x1 convolution.</param>
    /// <param name="excitation">Attention after the sum that comes first in the state dict, as child <c>se</c>.</param>
    public MultiBranchBlock(
        int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1, int groups = 1, int? branches = null, bool hasIdentity = false,
        Module? attention = null, ActivationKind activation = ActivationKind.Relu, float dropPathRate = 0,
        Initialiser? initialiser = null, Initialiser? normInitialiser = null, bool hasPointwise = true, SqueezeExcite? excitation = null)
    {
        _attention = excitation is null ? null : Child("se", excitation);
        if (hasIdentity)
            _identity = Child("identity", new BatchNorm2d(outChannels, initialiser: normInitialiser));
        _branches = [.. Enumerable.Range(0, branches ?? 1).Select(_ => Branch(kernel))];
        if (branches is null)
            Child("conv_kxk", _branches[0]);
        else
            Child("conv_kxk", new ModuleList<ConvNormAct>(_branches));
        if (kernel > 1 && hasPointwise)
            _pointwise = Child(branches is null ? "conv_1x1" : "conv_scale", Branch(1));
        if (dropPathRate > 0 && hasIdentity)
            _dropPath = Child("drop_path", new DropPath(dropPathRate));
        _attention ??= attention is null ? null : Child("attn", attention);
        _act = Child("act", new ActivationLayer(activation));

        ConvNormAct Branch(int side) =>
            new(inChannels, outChannels, side, stride, ActivationKind.Identity, dilation, groups, initialiser: initialiser, normInitialiser: normInitialiser);
    }

    public bool IsReparameterised => _folded is not null;

    public void Reparameterise()
    {
        if (IsReparameterised)
            return;
        var kernel = Fold();
        foreach (var (name, module) in Children.ToArray())
        {
            if (module != _attention && module != _act)
                Remove(name);
        }
        (_identity, _branches, _pointwise, _dropPath) = (null, [], null, null);
        _folded = Child("reparam_conv", kernel.ToConvolution());
        _folded.Train(IsTraining);
    }

    /// <summary>The sum of the branches as one kernel.</summary>
    internal FoldedKernel Fold()
    {
        var kernel = new FoldedKernel(_branches[0].Conv);
        foreach (var branch in _branches)
            kernel.Add(branch);
        if (_pointwise is not null)
            kernel.Add(_pointwise);
        return _identity is null ? kernel : kernel.AddIdentity(_identity);
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _folded?.Forward(x) ?? Sum(x);
        x = _attention?.Forward(x) ?? x;
        return _act.Forward(x);
    }

    private Tensor Sum(Tensor x)
    {
        var sum = _pointwise?.Forward(x);
        foreach (var branch in _branches)
            sum = sum is null ? branch.Forward(x) : sum + branch.Forward(x);
        sum = _dropPath?.Forward(sum!) ?? sum!;
        return _identity is null ? sum : sum + _identity.Forward(x);
    }
}
