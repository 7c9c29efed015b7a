using Vertebra.Zoo;
using Vertebra.Zoo.Verification;
using Xunit.Abstractions;

namespace Vertebra.Tests.Zoo;

public class FixtureTests(ITestOutputHelper output)
{
    public static TheoryData<string> Registered() => [.. Names().DefaultIfEmpty("none")];

    /// <summary>The fixtures of the reference that are about registered networks; none where the reference is absent.</summary>
    private static IEnumerable<string> Names() => SharedData.Root is null ? []
        : FixtureVerifier.FilesIn(SharedData.PathOf("reference/zoo")).Select(Path.GetFileNameWithoutExtension).OfType<string>().Where(f => Models.TryFind(f.Split('.')[0]) is not null);

    [SharedTheory]
    [MemberData(nameof(Registered))]
    public void Network_agrees_with_the_reference(string fixture)
    {
        var result = FixtureVerifier.Verify(SharedData.PathOf($"reference/zoo/models/{fixture}.json"));
        output.WriteLine(result.ToString());
        Assert.True(result.Status == FixtureStatus.Passed, result.ToString());
    }

    // Computed with the reference's own generator (timm 1.0.29.dev0 on PyTorch 1.13), so that a clone by itself compares numbers too.
    [Theory]
    [InlineData("test_resnet")]
    [InlineData("test_resnet.os16")]
    [InlineData("test_resnet.train")]
    [InlineData("pvt_tiny")] // of a twin, for the reference has no such network (pvt.py)
    public void The_smallest_network_agrees_with_the_reference(string fixture)
    {
        var result = FixtureVerifier.Verify(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/zoo", $"{fixture}.json"));
        Assert.True(result.Status == FixtureStatus.Passed, result.ToString());
    }

    public static TheoryData<string> Twins() => [.. Own("twins")];

    public static TheoryData<string> AttentionLayers() => [.. Own("attention")];

    private static IEnumerable<string> Own(string folder) => Directory.EnumerateFiles(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/zoo", folder), "*.json")
        .Select(f => $"{folder}/{Path.GetFileName(f)}").Order(StringComparer.Ordinal);

    // Written by make_twins.py and make_attention.py, which stand beside the folders.
    [Theory]
    [MemberData(nameof(Twins))]
    [MemberData(nameof(AttentionLayers))]
    public void Networks_beside_timms_agree_with_their_twins(string fixture)
    {
        var result = FixtureVerifier.Verify(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/zoo", fixture));
        Assert.True(result.Status == FixtureStatus.Passed, result.ToString());
    }

    // Gradients of networks with ReLUs can only be compared loosely: a unit that rounds to the other side of the kink changes them by percents. With
    // SiLU in their place (the reference's act_layer) every gradient is compared to 5e-4, which shows that the backward walk is right.
    [Theory]
    [InlineData("regnety_002.silu.train")]
    [InlineData("densenet121.silu.train")]
    public void Gradients_agree_where_no_kink_hides_them(string fixture)
    {
        var result = FixtureVerifier.Verify(Path.Combine(SharedData.RepositoryRoot, "tests/Vertebra.Tests/Golden/zoo", $"{fixture}.json"));
        Assert.True(result.Status == FixtureStatus.Passed, result.ToString());
        Assert.Equal(5e-4, result["gradient probe"]!.Tolerance);
    }

    // Another gradient of one parameter must fail, though this network's gradients move by rounding: the spread that is allowed is measured, and small.
    [SharedFact]
    public void A_wrong_gradient_is_not_taken_for_rounding()
    {
        var text = File.ReadAllText(SharedData.PathOf("reference/zoo/models/regnety_002.train.json"));
        using var document = System.Text.Json.JsonDocument.Parse(text);
        var row = document.RootElement.GetProperty("grads").EnumerateArray().First(r => r[0].GetString() == "s2.b1.conv2.conv.weight").GetRawText();
        Assert.Contains(row, text);
        var cells = row.Split(',');
        cells[1] = (double.Parse(cells[1], System.Globalization.CultureInfo.InvariantCulture) * 1.1).ToString(System.Globalization.CultureInfo.InvariantCulture);
        using var folder = new TemporaryFolder();
        var result = VerifyText(folder, text.Replace(row, string.Join(',', cells)));
        Assert.Equal(["gradient l2"], result.Checks.Where(c => !c.Passed).Select(c => c.What));
        Assert.StartsWith("s2.b1.conv2.conv.weight", result["gradient l2"]!.Detail);
    }

    [SharedFact]
    public void The_fixtures_of_the_family_are_all_there()
    {
        string[] wanted =
        [
            "ecaresnet50t", "resnet101", "resnet18", "resnet18.c10", "resnet18.train", "resnet34", "resnet50", "resnet50.c10", "resnet50_gn", "resnet50d",
            "resnetaa34d", "resnetaa50", "resnetblur50", "resnetrs50", "resnetv2_50", "resnetv2_50d_evos", "resnetv2_50d_gn", "resnetv2_50x1_bit",
            "resnext50_32x4d", "seresnet50", "seresnext26d_32x4d", "wide_resnet50_2",
        ];
        Assert.Subset(Names().ToHashSet(), wanted.ToHashSet());
    }

    [SharedFact]
    public void A_network_that_is_not_registered_is_missing_not_passed()
    {
        using var folder = new TemporaryFolder();
        var text = File.ReadAllText(SharedData.PathOf("reference/zoo/models/resnet18.json"));
        var result = VerifyText(folder, text.Replace("\"model\":\"resnet18\"", "\"model\":\"resnet18_of_tomorrow\""));
        Assert.Equal(FixtureStatus.Missing, result.Status);
        Assert.Contains("resnet18_of_tomorrow", result.ToString());
    }

    // A wrong constant must fail, and the place must be found: the fixture is changed, not the network.
    [SharedFact]
    public void A_difference_fails_and_names_the_first_module()
    {
        var text = File.ReadAllText(SharedData.PathOf("reference/zoo/models/resnet18.c10.json"));
        using var folder = new TemporaryFolder();
        var result = VerifyText(folder, text.Replace("eps=1e-05", "eps=0.001"));
        Assert.Equal(["norms"], result.Checks.Where(c => !c.Passed).Select(c => c.What));

        const string Row = "[\"layer2.0\",[1,128,8,8],119.351885]";
        Assert.Contains(Row, text);
        result = VerifyText(folder, text.Replace(Row, Row.Replace("119.351885", "119.4")));
        Assert.Equal(["trace"], result.Checks.Where(c => !c.Passed).Select(c => c.What));
        Assert.Equal(("layer2.0", FixtureStatus.Failed), (result.FirstDivergence, result.Status));

        const string Variance = "[\"bn1.running_var\",[64],\"float32\",-2]";
        Assert.Contains(Variance, text);
        result = VerifyText(folder, text.Replace(Variance, Variance.Replace("-2", "-3")));
        Assert.Equal("bn1", result.FirstDivergence);
        Assert.False(result["param_checksum"]!.Passed);
        Assert.False(result["logits"]!.Passed);
    }

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("{}", "'scheme' must be present")]
    [InlineData("""{"scheme": "zoo-2"}""", "scheme 'zoo-2'")]
    [InlineData("""{"scheme": "zoo-1", "model": "resnet18", "kind": "eval", "input_size": [3, 8, 8], "state_dict": [[1]]}""", "is not a fixture")]
    [InlineData("""{"scheme": "zoo-1", "model": "resnet18", "kind": "eval", "input_size": [3, 60000, 60000]}""", "too large")]
    [InlineData("""{"scheme": "zoo-1", "model": "test_resnet", "kind": "eval", "input_size": [3, 8, 8]}""", "'tol' must be present")]
    [InlineData("""{"scheme": "zoo-1", "model": "test_resnet", "kind": "eval", "input_size": [3, 32, 32], "tol": {"logits": 1, "features": 1}, "kept": [3]}""", "is not a fixture")]
    public void A_file_that_is_no_fixture_gets_one_clear_line(string text, string expected)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.ThrowsAny<VertebraException>(() => VerifyText(folder, text));
        Assert.Contains(expected, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_folder_without_fixtures_is_refused()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("no fixtures", Assert.Throws<VertebraException>(() => FixtureVerifier.FilesIn(folder.Path)).Message);
        Assert.Contains("no folder", Assert.Throws<VertebraException>(() => FixtureVerifier.FilesIn(Path.Combine(folder.Path, "x"))).Message);
    }

    private static FixtureResult VerifyText(TemporaryFolder folder, string text)
    {
        var path = Path.Combine(folder.Path, "changed.json");
        File.WriteAllText(path, text);
        return FixtureVerifier.Verify(path);
    }
}
