namespace Vertebra.Zoo.Layers;

/// <summary>
/// CBAM (Woo et al. 2018): <c>channel</c> gates the channels by what their mean and maximum give in one perceptron, then
/// <c>spatial</c> the pixels by a 7x7 convolution of the mean and maximum over the channels. The light form sees the half sum of
/// mean and maximum instead of both. Names follow timm.
/// </summary>
public sealed class ConvolutionalBlockAttention : Module
{
    private readonly ChannelGate _channel;
    private readonly SpatialGate _spatial;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="reduced">Channels inside the perceptron.</param>
    /// <param name="isLight">The light form.</param>
    /// <param name="initialiser">Fills the convolutions.</param>
    public ConvolutionalBlockAttention(int channels, int reduced, bool isLight, Initialiser? initialiser = null)
    {
        _channel = Child("channel", new ChannelGate(channels, reduced, isLight, initialiser));
        _spatial = Child("spatial", new SpatialGate(isLight, initialiser));
    }

    protected override Tensor OnForward(Tensor x) => _spatial.Forward(_channel.Forward(x));

    private sealed class ChannelGate : Module
    {
        private readonly Conv2d _reduce;
        private readonly ActivationLayer _act;
        private readonly Conv2d _expand;
        private readonly ActivationLayer _gate;
        private readonly bool _isLight;

        public ChannelGate(int channels, int reduced, bool isLight, Initialiser? initialiser)
        {
            _isLight = isLight;
            _reduce = Child("fc1", new Conv2d(channels, reduced, 1, bias: false, initialiser: initialiser));
            _act = Child("act", new ActivationLayer(ActivationKind.Relu));
            _expand = Child("fc2", new Conv2d(reduced, channels, 1, bias: false, initialiser: initialiser));
            _gate = Child("gate", new ActivationLayer(ActivationKind.Sigmoid));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var (mean, max) = (x.Mean([1, 2], keepAxes: true), x.Max([1, 2], keepAxes: true));
            return x * _gate.Forward(_isLight ? Score((mean + max) * 0.5f) : Score(mean) + Score(max));
        }

        private Tensor Score(Tensor pooled) => _expand.Forward(_act.Forward(_reduce.Forward(pooled)));
    }

    private sealed class SpatialGate : Module
    {
        private readonly ConvNormAct _conv;
        private readonly ActivationLayer _gate;
        private readonly bool _isLight;

        public SpatialGate(bool isLight, Initialiser? initialiser)
        {
            _isLight = isLight;
            _conv = Child("conv", new ConvNormAct(isLight ? 1 : 2, 1, 7, activation: ActivationKind.Identity, initialiser: initialiser));
            _gate = Child("gate", new ActivationLayer(ActivationKind.Sigmoid));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var (mean, max) = (x.Mean([3], keepAxes: true), x.Max([3], keepAxes: true));
            return x * _gate.Forward(_conv.Forward(_isLight ? (mean + max) * 0.5f : Tensor.Concat([mean, max], -1)));
        }
    }
}
