namespace Vertebra.Zoo.Families;

/// <summary>
/// GoogLeNet, the first Inception (Szegedy et al. 2015), with batch normalisation. Names and state-dict keys are torchvision's,
/// whose "5x5" branches have 3x3 kernels. The auxiliary classifiers are kept for their weights; they classify nothing here, in
/// training neither.
/// </summary>
public sealed class GoogLeNet : PooledBackbone
{
    private const float Epsilon = 1e-3f;
    private const string Classifiers = "fc,aux1.fc2,aux2.fc2";
    private readonly List<Module> _layers = [];
    private readonly AuxiliaryHead[] _auxiliary;

    internal GoogLeNet(ModelOptions options) : base(options, "conv1.conv", Classifiers)
    {
        RefuseOutputStride(options, "GoogLeNet");
        Add("conv1", Conv(InChans, 64, 7, stride: 2));
        AddFeature(64, 2, "conv1");
        Add("maxpool1", Pool(3));
        Add("conv2", Conv(64, 64, 1));
        Add("conv3", Conv(64, 192, 3));
        AddFeature(192, 4, "conv3");
        Add("maxpool2", Pool(3));
        AddBlock("inception3a", 192, 64, 96, 128, 16, 32, 32);
        AddBlock("inception3b", 256, 128, 128, 192, 32, 96, 64);
        AddFeature(480, 8, "inception3b");
        Add("maxpool3", Pool(3));
        AddBlock("inception4a", 480, 192, 96, 208, 16, 48, 64);
        AddBlock("inception4b", 512, 160, 112, 224, 24, 64, 64);
        AddBlock("inception4c", 512, 128, 128, 256, 24, 64, 64);
        AddBlock("inception4d", 512, 112, 144, 288, 32, 64, 64);
        AddBlock("inception4e", 528, 256, 160, 320, 32, 128, 128);
        AddFeature(832, 16, "inception4e");
        Add("maxpool4", Pool(2));
        AddBlock("inception5a", 832, 256, 160, 320, 32, 128, 128);
        AddBlock("inception5b", 832, 384, 192, 384, 48, 128, 128);
        AddFeature(1024, 32, "inception5b");
        _auxiliary = [Child("aux1", new AuxiliaryHead(512, NumClasses)), Child("aux2", new AuxiliaryHead(528, NumClasses))];
        AddHead(1024, options);
    }

    public static Family Family { get; } = new(
        "googlenet",
        "Szegedy et al.: Going deeper with convolutions, CVPR 2015, arXiv:1409.4842",
        [TorchvisionRows.Row("googlenet", "googlenet", Classifiers, "conv1.conv", options => new GoogLeNet(options))],
        TorchvisionRows.Aliases("googlenet"))
    {
        Idea = "Inception modules look at a map through 1x1, 3x3 and larger kernels at once and concatenate what they find, with 1x1 reductions that keep it affordable. Classifiers at two middle layers helped gradients while training and are not used afterwards.",
        FollowsTimm = false,
    };

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        foreach (var layer in _layers)
            x = layer.Forward(x);
        return x;
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        base.OnResetClassifier(numClasses, pool);
        foreach (var head in _auxiliary)
            head.Reset(numClasses);
    }

    private void Add(string name, Module layer) => _layers.Add(Child(name, layer));

    private void AddBlock(string name, int width, int one, int threeIn, int three, int fiveIn, int five, int pooled) => Add(name, new Block(
        Conv(width, one, 1),
        new Sequential(Conv(width, threeIn, 1), Conv(threeIn, three, 3)),
        new Sequential(Conv(width, fiveIn, 1), Conv(fiveIn, five, 3)),
        new Sequential(new MaxPool2d(3, 1, 1, ceilMode: true), Conv(width, pooled, 1))));

    private static MaxPool2d Pool(int kernel) => new(kernel, 2, ceilMode: true);

    private static ConvNormRelu Conv(int inWidth, int outWidth, int kernel, int stride = 1) => new(inWidth, outWidth, kernel, stride);

    /// <summary>A convolution, its normaliser, and a ReLU that belongs to neither.</summary>
    private sealed class ConvNormRelu : Module
    {
        private readonly Conv2d _conv;
        private readonly BatchNorm2d _norm;
        private readonly ActivationLayer _act;

        public ConvNormRelu(int inWidth, int outWidth, int kernel, int stride)
        {
            _conv = Child("conv", new Conv2d(inWidth, outWidth, kernel, stride, WindowPadding.Centred(kernel, stride, 1), bias: false));
            _norm = Child("bn", new BatchNorm2d(outWidth, Epsilon));
            _act = Child("act", new ActivationLayer(ActivationKind.Relu));
        }

        protected override Tensor OnForward(Tensor x) => _norm.Forward(_conv.Forward(x), _act);
    }

    /// <summary>Branches side by side, whose outputs are concatenated.</summary>
    private sealed class Block : Module
    {
        private readonly Module[] _branches;

        public Block(params Module[] branches) => _branches = [.. branches.Select((branch, i) => Child($"branch{i + 1}", branch))];

        protected override Tensor OnForward(Tensor x) => Tensor.Concat([.. _branches.Select(b => b.Forward(x))], -1);
    }

    /// <summary>The weights of an auxiliary classifier, which classified a 4x4 map of inner features while the published weights were trained.</summary>
    private sealed class AuxiliaryHead : Module
    {
        private const int HiddenWidth = 1024;

        public AuxiliaryHead(int width, int numClasses)
        {
            Child("conv", Conv(width, 128, 1));
            Child("fc1", new Linear(128 * 4 * 4, HiddenWidth));
            Child("fc2", Make(numClasses));
        }

        public void Reset(int numClasses) => Replace("fc2", Make(numClasses));

        protected override Tensor OnForward(Tensor x) => throw new VertebraException("an auxiliary classifier of GoogLeNet only keeps its weights");

        private static Module Make(int numClasses) => numClasses == 0 ? new Identity() : new Linear(HiddenWidth, numClasses);
    }
}
