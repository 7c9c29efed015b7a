using Vertebra.Nn;

namespace Vertebra.Tests.Graphs;

/// <summary>A function as a module, for graphs of a few nodes.</summary>
internal sealed class Lambda(Func<Tensor, Tensor> function) : Module
{
    protected override Tensor OnForward(Tensor x) => function(x);
}
