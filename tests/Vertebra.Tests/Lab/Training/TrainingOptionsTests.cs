using System.Reflection;
using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

public class TrainingOptionsTests
{
    [Fact]
    public void Every_property_is_an_option_and_survives_the_file()
    {
        var properties = typeof(TrainingOptions).GetProperties();
        Assert.Equal(properties.Length, TrainingOption.All.Count);
        var options = new TrainingOptions();
        foreach (var option in TrainingOption.All)
            option.Set(options, Sample(option));
        var copy = new TrainingOptions();
        ArgsFile.Read(ArgsFile.Write(options), "args.yaml", copy);
        foreach (var property in properties)
            Assert.NotEqual(Text(property, new TrainingOptions()), Text(property, copy));
        Assert.All(TrainingOption.All, o => Assert.Equal(Sample(o), o.Get(copy)));
    }

    private static string[] Sample(TrainingOption option) => option.Kind switch
    {
        OptionKind.Flag => [option.Get(new())![0] == "true" ? "false" : "true"],
        OptionKind.Integer => ["17"],
        OptionKind.Number => ["1.25e-05"],
        OptionKind.Numbers => ["0.25", "0.75"],
        _ => ["it's: \"odd\"\n# no comment \u00fc"],
    };

    private static string Text(PropertyInfo property, TrainingOptions options) =>
        property.GetValue(options) is IReadOnlyList<double> list ? string.Join(' ', list) : $"{property.GetValue(options)}";

    [Fact]
    public void What_is_not_given_stays_open_in_the_file()
    {
        var text = ArgsFile.Write(new TrainingOptions { DataDir = "true" });
        Assert.Contains("lr: null\n", text);
        Assert.Contains("data_dir: \"true\"\n", text);
        Assert.Contains("scale: [0.08, 1]\n", text);
        Assert.Contains("weight_decay: 2.0e-05\n", text);
        Assert.Contains("dataset: shapes\n", text);
        var copy = new TrainingOptions();
        ArgsFile.Read(text, "args.yaml", copy);
        Assert.Null(copy.Lr);
        Assert.Equal("true", copy.DataDir);
    }

    [Theory]
    [InlineData("epochs: 1.5", "--epochs: '1.5' is not a whole number")]
    [InlineData("learning_speed: 3", "line 1: there is no option 'learning_speed'")]
    [InlineData("lr: {a: 1}", "line 1")]
    [InlineData("- 1", "line 1")]
    [InlineData("a: &x [*x]", "option 'a'")]
    [InlineData("lr: *x", "line 1")]
    [InlineData("lr: \"open", "line ")]
    [InlineData("lr: [1, 2]", "--lr takes one value, not 2")]
    [InlineData("lr: inf", "--lr: 'inf' is not a number")]
    public void A_bad_file_gets_one_clear_line(string yaml, string expected)
    {
        var error = Assert.ThrowsAny<VertebraException>(() => ArgsFile.Read(yaml, "bad.yaml", new TrainingOptions()));
        Assert.Contains(expected, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("batch-size", "0")]
    [InlineData("momentum", "1")]
    [InlineData("opt", "sgdd")]
    [InlineData("sched", "linear")]
    [InlineData("smoothing", "-0.1")]
    [InlineData("opt-betas", "0.9")]
    [InlineData("vflip", "1.5")]
    [InlineData("color-jitter", "-1")]
    [InlineData("color-jitter-prob", "2")]
    [InlineData("grayscale-prob", "2")]
    [InlineData("gaussian-blur-prob", "-1")]
    [InlineData("reprob", "1.1")]
    [InlineData("remode", "black")]
    [InlineData("recount", "0")]
    [InlineData("aug-repeats", "-1")]
    [InlineData("aug-splits", "1")]
    public void Values_out_of_range_name_their_flag(string name, string value)
    {
        var options = new TrainingOptions();
        TrainingOption.Find(name)!.Set(options, [value]);
        Assert.Contains($"--{name} is {value}; it must be", Assert.Throws<VertebraException>(options.Validate).Message);
    }

    [Fact]
    public void Open_values_follow_timms_rules()
    {
        var sgd = new TrainingOptions { BatchSize = 128, Epochs = 200 }.WithEffectiveValues();
        Assert.Equal((0.05, 5.0, 128), (sgd.Lr, sgd.WarmupEpochs, sgd.ValidationBatchSize));
        var adam = new TrainingOptions { BatchSize = 32, GradAccumSteps = 2, Opt = "adamw", Epochs = 10 }.WithEffectiveValues();
        Assert.Equal((5e-4, 0.5), (adam.Lr, adam.WarmupEpochs));
        var schedule = adam.Schedule(updatesPerEpoch: 100);
        Assert.Equal((50, 1000), (schedule.WarmupSteps, schedule.TotalSteps));
        Assert.Equal(1e-5, schedule.At(0), 1e-12);
        Assert.Equal(0, schedule.At(1000), 1e-12);
    }
}
