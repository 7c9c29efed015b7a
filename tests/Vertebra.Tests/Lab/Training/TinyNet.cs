using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Tests.Lab.Training;

/// <summary>Two linear layers with a ReLU between them: the smallest thing that can be trained.</summary>
internal sealed class TinyNet : Module
{
    private readonly Layer _fc1;
    private readonly Layer _fc2;

    public TinyNet(int inputs = 4, int hidden = 8, int outputs = 3)
    {
        _fc1 = Child("fc1", new Layer(inputs, hidden));
        _fc2 = Child("fc2", new Layer(hidden, outputs));
    }

    protected override Tensor OnForward(Tensor x) => _fc2.Forward(_fc1.Forward(x.Reshape([x.Shape[0], -1])).Relu());

    private sealed class Layer : Module
    {
        private readonly Tensor _weight;
        private readonly Tensor _bias;

        public Layer(int inputs, int outputs)
        {
            _weight = Parameter("weight", [outputs, inputs], Init.TorchDefault);
            _bias = Parameter("bias", [outputs], Init.Zeros);
        }

        protected override Tensor OnForward(Tensor x) => x.Linear(_weight, _bias);
    }
}
