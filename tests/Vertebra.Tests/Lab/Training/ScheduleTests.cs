using System.Text.Json;
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

    /// <summary>Three cycles of 100, 200 and 400 steps from 0.5, 0.25 and 0.125, worked out in Python by timm's closed form.</summary>
    [Theory]
    [InlineData(99, 0.0011231131887499658)]
    [InlineData(100, 0.25)]
    [InlineData(150, 0.21353479425772515)]
    [InlineData(299, 0.0010153592560332568)]
    [InlineData(300, 0.125)]
    [InlineData(500, 0.063)]
    [InlineData(699, 0.001001912226023041)]
    [InlineData(700, 0.001)]
    [InlineData(5000, 0.001)]
    public void Cosine_restarts_lengthen_and_decay(long step, double expected)
    {
        var schedule = new LearningRateSchedule(ScheduleKind.Cosine, 0.5, 100) { MinRate = 1e-3, CycleLimit = 3, CycleMul = 2, CycleDecay = 0.5 };
        Assert.Equal(expected, schedule.At(step), 1e-12);
        Assert.Equal(700, schedule.Length);
    }

    /// <summary>Worked out in Python by timm's closed forms (tanh from -7 to 3; poly with power 2; k = 1.5) and sharpDARTS's equation.</summary>
    [Theory]
    [InlineData(ScheduleKind.Tanh, 1, 5, 0.25499846702843676)]
    [InlineData(ScheduleKind.Tanh, 1, 10, 0.4999969340568735)]
    [InlineData(ScheduleKind.Tanh, 1, 60, 0.4405177419109634)]
    [InlineData(ScheduleKind.Poly, 1, 50, 0.12575)]
    [InlineData(ScheduleKind.Poly, 1.5, 30, 0.34948486628295333)]
    [InlineData(ScheduleKind.Cosine, 1.5, 30, 0.4674883996185693)]
    [InlineData(ScheduleKind.CosinePower, 1, 25, 0.34129690174881994)]
    [InlineData(ScheduleKind.CosinePower, 1, 50, 0.12088628360266902)]
    [InlineData(ScheduleKind.CosinePower, 1, 75, 0.02323473791351479)]
    [InlineData(ScheduleKind.CosinePower, 1, 100, 0.001)]
    public void Curves_are_those_of_their_formulas(ScheduleKind kind, double k, long step, double expected)
    {
        var schedule = new LearningRateSchedule(kind, 0.5, 100) { MinRate = 1e-3, DecayRate = 2, KDecay = k, WarmupSteps = 10, WarmupRate = 0.01 };
        Assert.Equal(expected, schedule.At(step), 1e-12);
    }

    [Fact]
    public void Cosine_power_of_1_is_the_cosine()
    {
        var (power, cosine) = (new LearningRateSchedule(ScheduleKind.CosinePower, 1, 50) { CosinePower = 1 }, new LearningRateSchedule(ScheduleKind.Cosine, 1, 50));
        Assert.All(Enumerable.Range(0, 51), step => Assert.Equal(cosine.At(step), power.At(step), 1e-12));
    }

    [Theory]
    [InlineData("cos")]
    [InlineData("linear")]
    [InlineData("three_phase")]
    public void One_cycle_is_that_of_torch(string run)
    {
        using var golden = Golden();
        var expected = golden.RootElement.GetProperty("one_cycle").GetProperty(run);
        var cycle = run switch
        {
            "cos" => new OneCycle(0.4, 37),
            "linear" => new OneCycle(0.4, 40) { IsCosine = false, RisingShare = 0.25, Divisor = 10, FinalDivisor = 100 },
            _ => new OneCycle(2, 50) { IsThreePhase = true, RisingShare = 0.4, BaseMomentum = 0.8, MaxMomentum = 0.9 },
        };
        Assert.Equal(cycle.TotalSteps, expected.GetArrayLength());
        for (var step = 0; step < cycle.TotalSteps; step++)
        {
            Assert.Equal(expected[step][0].GetDouble(), cycle.RateAt(step), 1e-12);
            Assert.Equal(expected[step][1].GetDouble(), cycle.MomentumAt(step), 1e-12);
        }
    }

    [Theory]
    [InlineData("max")]
    [InlineData("min")]
    public void Plateau_decays_where_torch_does(string mode)
    {
        using var golden = Golden();
        var expected = golden.RootElement.GetProperty("plateau").GetProperty(mode);
        var metrics = golden.RootElement.GetProperty("metrics").EnumerateArray().Select(m => (double?)(mode == "max" ? m.GetDouble() : 100 - m.GetDouble())).ToList();
        var plateau = new PlateauDecay(0.1, 2, 1e-3);
        for (var i = 0; i < metrics.Count; i++)
            Assert.Equal(expected[i].GetDouble(), plateau.After(0.5, metrics.Take(i + 1), mode == "min", 0), 1e-12);
        // Two epochs of warm-up and one without an evaluation count for nothing.
        Assert.Equal(expected[3].GetDouble(), plateau.After(0.5, new double?[] { 1000, -1000, null }.Concat(metrics.Take(4)), mode == "min", 2), 1e-12);
    }

    private static JsonDocument Golden() =>
        JsonDocument.Parse(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/optimizers/schedules.json")));

    [Fact]
    public void Cycles_warm_up_and_cool_down_make_the_run_longer_as_in_timm()
    {
        Assert.Equal(10, Total(new() { Epochs = 10 }));
        Assert.Equal(73, Total(new() { Epochs = 10, LrCycleLimit = 3, LrCycleMul = 2, CooldownEpochs = 3 }));
        Assert.Equal(15, Total(new() { Epochs = 10, WarmupEpochs = 5, WarmupPrefix = true }));
        Assert.Equal(10, Total(new() { Epochs = 10, Sched = "step", LrCycleLimit = 3, CooldownEpochs = 3 }));

        static int Total(TrainingOptions options) => options.WithEffectiveValues().TotalEpochs(updatesPerEpoch: 7);
    }
}
