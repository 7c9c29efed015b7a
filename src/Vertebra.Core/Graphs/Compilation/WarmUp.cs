using System.Runtime.CompilerServices;
using Vertebra.Nn;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Graphs;

/// <summary>
/// Has the runtime compile what convolutional networks need, tracing, compiling and kernels, on a thread of its own, while the
/// program does what it has to do anyway: find and build a network, load its weights. A first result then comes up to a third
/// sooner where there is more than one processor. Nothing that is computed changes.
/// </summary>
public static class WarmUp
{
    private static int s_begun;

    /// <summary>Begins once; returns at once. Does nothing where code is compiled ahead of time, or by a processor alone.</summary>
    public static void Begin()
    {
        if (!RuntimeFeature.IsDynamicCodeCompiled || Environment.ProcessorCount == 1 || Interlocked.Exchange(ref s_begun, 1) != 0)
            return;
        new Thread(Run) { IsBackground = true, Name = "vertebra-warm-up" }.Start();
    }

    /// <summary>What the thread does.</summary>
    internal static void Run()
    {
        // Weights are zeros: a module that draws them would move the streams of those built meanwhile.
        using var deferred = Construction.Deferred();
        var image = Tensor.Zeros([1, 32, 32, 3]);
        _ = Graph.Trace(new Sample(), image.Shape).Compile().Run(image);
    }

    // The parts of mobile and residual networks, as small as they can be.
    private sealed class Sample : Module
    {
        private const int Narrow = 16;
        private const int Wide = 64;
        private readonly Module _stem;
        private readonly Module _depthwise;
        private readonly Module _expansion;
        private readonly Module _reduce;
        private readonly Module _expand;
        private readonly Module _projection;
        private readonly Module _residual;
        private readonly Module _classifier;

        public Sample()
        {
            _stem = Child("stem", Block(3, Narrow, 3, 2, ActivationKind.HardSwish));
            _depthwise = Child("depthwise", Block(Narrow, Narrow, 3, 1, ActivationKind.Relu, Narrow));
            _expansion = Child("expansion", new Sequential(Block(Narrow, Wide, 1, 1, ActivationKind.HardSwish), Block(Wide, Wide, 5, 2, ActivationKind.HardSwish, Wide)));
            _reduce = Child("reduce", new Conv2d(Wide, Narrow, 1));
            _expand = Child("expand", new Conv2d(Narrow, Wide, 1));
            _projection = Child("projection", Block(Wide, Narrow, 1, 1, ActivationKind.Identity));
            _residual = Child("residual", Block(Narrow, Narrow, 3, 1, ActivationKind.Identity));
            _classifier = Child("classifier", new Linear(Narrow, Narrow));
        }

        protected override Tensor OnForward(Tensor x)
        {
            x = _expansion.Forward(_depthwise.Forward(_stem.Forward(x)));
            var gate = _expand.Forward(_reduce.Forward(x.Mean([1, 2], keepAxes: true)).Relu()).HardSigmoid();
            x = _projection.Forward(x * gate);
            x = (x + _residual.Forward(x)).Relu();
            return _classifier.Forward(x.Mean([1, 2]));
        }

        private static Sequential Block(int inputs, int outputs, int kernel, int stride, ActivationKind activation, int groups = 1) =>
            new(new Conv2d(inputs, outputs, kernel, stride, kernel / 2, groups: groups, bias: false), new BatchNorm2d(outputs), new ActivationLayer(activation));
    }
}
