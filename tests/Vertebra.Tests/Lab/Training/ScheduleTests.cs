using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

public class ScheduleTests
{
    /// <summary>Worked out in Python from SGDR's equation 5; the warm-up lies over its first tenth, as in timm.</summary>
    [Theory]
    [InlineData(0, 0.01)]
    [InlineData(5, 0.255)]
    [InlineData(10, 0.4877886008156409)]
    [InlineData(50, 0.2505)]
    [InlineData(99, 0.0011231131887500)]
    [InlineData(100, 0.001)]
    [InlineData(250, 0.001)]
    public void Cosine_with_warmup(long step, double expected)
    {
        var schedule = new LearningRateSchedule(ScheduleKind.Cosine, 0.5, 100) { MinRate = 1e-3, WarmupSteps = 10, WarmupRate = 1e-2 };
        Assert.Equal(expected, schedule.At(step), 1e-9);
    }

    [Fact]
    public void A_warmup_prefix_moves_the_cosine_behind_the_warmup()
    {
        var schedule = new LearningRateSchedule(ScheduleKind.Cosine, 1, 100) { WarmupSteps = 10, WarmupPrefix = true };
        Assert.Equal(0.9, schedule.At(9), 1e-12);
        Assert.Equal(1, schedule.At(10), 1e-12);
        Assert.Equal(0.5, schedule.At(60), 1e-12);
        Assert.Equal(0, schedule.At(110), 1e-12);
    }

    [Fact]
    public void Steps_and_milestones_decay_from_their_step_on()
    {
        var steps = new LearningRateSchedule(ScheduleKind.Step, 1, 100) { DecaySteps = 30, DecayRate = 0.5 };
        Assert.Equal([1, 1, 0.5, 0.5, 0.25, 0.125], new long[] { 0, 29, 30, 59, 60, 99 }.Select(steps.At));
        var milestones = new LearningRateSchedule(ScheduleKind.MultiStep, 1, 100) { Milestones = [10, 80], DecayRate = 0.25 };
        Assert.Equal([1, 1, 0.25, 0.25, 0.0625], new long[] { 0, 9, 10, 79, 80 }.Select(milestones.At));
        Assert.Equal(1, new LearningRateSchedule(ScheduleKind.Constant, 1, 100).At(1000));
    }
}
