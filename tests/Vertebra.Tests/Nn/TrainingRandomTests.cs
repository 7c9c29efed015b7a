using Vertebra.Nn;

namespace Vertebra.Tests.Nn;

public class TrainingRandomTests
{
    [Fact]
    public void Draws_depend_on_seed_step_and_order_only()
    {
        Assert.Equal(Draws(1, 5), Draws(1, 5));
        Assert.Equal(4 * 3, new[] { Draws(1, 5), Draws(1, 6), Draws(2, 5), Draws(1, 5 + (1L << 20)) }.SelectMany(d => d).Distinct().Count());
        using (TrainingRandom.Begin(1, 5))
        {
            var first = TrainingRandom.Next();
            using (TrainingRandom.Begin(9, 9))
                TrainingRandom.Next();
            Assert.Equal(Draws(1, 5)[1], TrainingRandom.Next());
            Assert.Equal(Draws(1, 5)[0], first);
        }
        Assert.NotEqual(TrainingRandom.Next(), TrainingRandom.Next());

        static (ulong, ulong)[] Draws(ulong seed, long step)
        {
            using var _ = TrainingRandom.Begin(seed, step);
            return [TrainingRandom.Next(), TrainingRandom.Next(), TrainingRandom.Next()];
        }
    }
}
