using Vertebra.Graphs;
using Vertebra.Nn;

namespace Vertebra.Tests.Graphs.Compilation;

public class WarmUpTests
{
    [Fact]
    public void The_sample_network_runs_and_draws_no_random_numbers()
    {
        WarmUp.Run();
        WarmUp.Begin();
        WarmUp.Begin();
        // Filled at once again on this thread: the warm-up's way of building ended with it.
        Assert.Contains(new Linear(8, 8).Weight.ToArray<float>(), v => v != 0);
    }
}
