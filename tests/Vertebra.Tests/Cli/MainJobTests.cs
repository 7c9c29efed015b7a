using System.Text.Json;
using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Tests.Onnx;
using Vertebra.Zoo.Weights;

namespace Vertebra.Tests.Cli;

/// <summary>The main job from the command line: images in, a trained and checked network out.</summary>
public sealed class MainJobTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_with_all_that_goes_wrong_in_practice_trains_to_the_end_and_says_what_it_skipped()
    {
        MakeMessyFolder();
        var output = Train("--dataset", "folder", "--data-dir", "photos", "--val-split", "0.25", "--img-size", "32", "--batch-size", "8", "--epochs", "2", "--experiment", "messy");
        var run = Path.Combine("runs", "messy");
        foreach (var name in (string[])["args.yaml", "summary.csv", "config.json", "model_best.safetensors", "last.safetensors", "state.safetensors", "report.html"])
            Assert.True(File.Exists(_folder[Path.Combine(run, name)]), name);
        Assert.Contains("Skipped as unreadable", output.Output);
        Assert.Contains("broken.jpg", output.Errors);
        Assert.Contains("vertebra export runs/messy", output.Output);
        Assert.Equal(3, File.ReadAllLines(_folder[Path.Combine(run, "summary.csv")]).Length);
        Assert.Empty(Directory.EnumerateFiles(_folder[run], "*.tmp"));

        var prediction = CommandLine.Run(_folder.Path, "predict", run, "photos/red/0.png", "--topk", "1", "--json").Succeeded();
        using var json = JsonDocument.Parse(prediction);
        Assert.Contains(json.RootElement.GetProperty("predictions")[0].GetProperty("class").GetString(), (string[])["blue", "red"]);
        var judged = CommandLine.Run(_folder.Path, "validate", run, "--data-dir", "photos", "--results-file", "results.csv").Succeeded();
        Assert.Contains("Acc@1", judged);
        Assert.StartsWith("model,img_size,top1", File.ReadAllText(_folder["results.csv"]));
    }

    [Fact]
    public void A_run_stopped_by_ctrl_c_and_resumed_ends_with_the_bits_of_one_that_was_not()
    {
        MakeColours(count: 24);
        string[] options = ["--dataset", "folder", "--data-dir", "photos", "--val-split", "0.25", "--img-size", "32", "--batch-size", "4", "--epochs", "4", "--log-interval", "1"];
        Train([.. options, "--experiment", "whole"]);
        using (var process = CommandLine.Start(_folder.Path, ["train", "--model", "resnet20_cifar", .. options, "--experiment", "stopped"]))
        {
            string? line;
            while ((line = process.StandardOutput.ReadLine()) is not null && !line.StartsWith("Train: 1 [   2", StringComparison.Ordinal))
            {
            }
            Assert.NotNull(line);
            using (System.Diagnostics.Process.Start("kill", ["-INT", $"{process.Id}"]))
                Assert.Equal(130, CommandLine.Finish(process).ExitCode);
        }
        CommandLine.Run(_folder.Path, "train", "--resume", "runs/stopped").Succeeded();
        Assert.Equal(File.ReadAllBytes(_folder["runs/whole/last.safetensors"]), File.ReadAllBytes(_folder["runs/stopped/last.safetensors"]));
        Assert.Equal(File.ReadAllLines(_folder["runs/whole/summary.csv"]).Length, File.ReadAllLines(_folder["runs/stopped/summary.csv"]).Length);
    }

    [Fact]
    public void Models_and_bench_print_what_programs_read()
    {
        using var models = JsonDocument.Parse(CommandLine.Run(_folder.Path, "models", "resnet?8", "--json").Succeeded());
        var resnet18 = models.RootElement.EnumerateArray().Single(m => m.GetProperty("model").GetString() == "resnet18");
        Assert.Equal(11.69, resnet18.GetProperty("param_count").GetDouble(), 0.01);
        Assert.Equal(1.81, resnet18.GetProperty("gmacs").GetDouble(), 0.01);
        foreach (var mode in (string[])["infer", "train"])
        {
            using var line = JsonDocument.Parse(CommandLine.Run(_folder.Path, "bench", "resnet20_cifar", "--batch", "2", "--mode", mode, "--threads", "1", "--json").Succeeded());
            foreach (var key in (string[])["median_ms", "min_ms", "runs", "peak_rss_mb"])
                Assert.True(line.RootElement.GetProperty(key).GetDouble() > 0, key);
        }
    }

    [Fact]
    public void Help_teaches_every_verb()
    {
        var root = CommandLine.Run(_folder.Path, "--help").Succeeded();
        foreach (var verb in (string[])["train", "validate", "predict", "export", "models", "verify", "bench"])
        {
            Assert.Contains(verb, root);
            Assert.Contains("--", CommandLine.Run(_folder.Path, verb, "--help").Succeeded());
        }
    }

    [SharedTheory]
    [InlineData("resnet20", "resnet20-12fca82f.th", 9173)]
    [InlineData("resnet56", "resnet56.safetensors", 9339)]
    public void Published_cifar_weights_reach_the_published_accuracy(string name, string file, int right)
    {
        var weights = SharedData.PathOf($"data/weights-cifar10-resnet/{file}");
        var network = NetworkFiles.Load(weights, $"{name}_cifar");
        var data = DatasetFactory.Open("cifar10", SharedData.PathOf("data/cifar10"), DatasetSplit.Evaluation);
        var preprocessing = Preprocessing.Whole(32, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        var loader = new BatchLoader(data, new(preprocessing), LoaderOptions.ForEvaluation(500));
        var evaluation = Vertebra.Lab.Training.Evaluator.Run(network, loader, 10);
        Assert.Equal(10_000, evaluation.Count);
        Assert.InRange(evaluation.Top1 * 100, right - 2, right + 2);

        using var off = GradMode.Off();
        var expected = Checkpoint.Read(SharedData.PathOf($"data/weights-cifar10-resnet/{name}_logits_test_first1000.safetensors")).Tensors["logits"].ToArray<float>();
        var actual = loader.Epoch(0).Take(2).SelectMany(b => network.Forward(b.Images).ToArray<float>()).ToArray();
        Assert.True(actual.Zip(expected, (a, e) => Math.Abs(a - e)).Max() < 1e-3);
    }

    [SharedFact]
    public void An_exported_resnet_gives_our_logits_on_a_real_photo_in_onnx_runtime()
    {
        if (OnnxRuntime.Unavailable is not null)
            return;
        var photo = SharedData.PathOf("data/imagenet-sample/images/n01558993_robin.JPEG");
        var network = Vertebra.Zoo.Models.Create("resnet18");
        Directory.CreateDirectory(_folder["run"]);
        NetworkFiles.Save(network, network.Description, _folder["run/model.safetensors"]);
        CommandLine.Run(_folder.Path, "export", "run", "-o", "plain.onnx").Succeeded();
        CommandLine.Run(_folder.Path, "export", "run", "-o", "folded.onnx", "--fold-bn").Succeeded();
        var input = new InputTransform(NetworkPreprocessing.Of(network.Description.Config, "resnet18")).Apply(ImageDecoder.Decode(photo));
        using var off = GradMode.Off();
        var expected = network.Forward(input).ToArray<float>();
        foreach (var file in (string[])["plain.onnx", "folded.onnx"])
        {
            var actual = OnnxRuntime.Run(_folder[file], input.Permute([0, 3, 1, 2]).ToArray<float>(), [1, 3, 224, 224])["output"].Values;
            var error = Math.Sqrt(actual.Zip(expected, (a, e) => Math.Pow(a - e, 2)).Sum() / expected.Sum(e => Math.Pow(e, 2)));
            Assert.True(error < 1e-4, $"{file}: relative L2 error {error:g3}");
        }
    }

    private CommandResult Train(params string[] options)
    {
        var result = CommandLine.Run(_folder.Path, ["train", "--model", "resnet20_cifar", .. options]);
        result.Succeeded();
        return result;
    }

    private void MakeMessyFolder()
    {
        MakeColours(count: 12);
        var jpegs = Path.Combine(SharedData.RepositoryRoot, "tests", "Vertebra.Tests", "Lab", "Images", "Fixtures");
        var cmyk = Directory.EnumerateFiles(jpegs, "*cmyk*.jpg", SearchOption.AllDirectories).First();
        var grey = Directory.EnumerateFiles(jpegs, "*gr?y*.jpg", SearchOption.AllDirectories).First();
        File.Copy(cmyk, _folder["photos/red/cmyk.jpg"]);
        File.Copy(grey, _folder["photos/blue/grey.jpg"]);
        File.Copy(grey, _folder["photos/blue/really_a_jpeg.png"]);
        File.WriteAllBytes(_folder["photos/red/broken.jpg"], [0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3]);
        File.WriteAllBytes(_folder["photos/blue/broken_too.png"], File.ReadAllBytes(_folder["photos/blue/0.png"])[..40]);
        Save("photos/red/tiny.png", 1, 1, 250);
        Save("photos/blue/huge.png", 3000, 2500, 20);
        File.WriteAllText(_folder["photos/red/.hidden"], "not an image");
        File.WriteAllText(_folder["photos/blue/notes.txt"], "not an image");
    }

    private void MakeColours(int count)
    {
        Directory.CreateDirectory(_folder["photos/red"]);
        Directory.CreateDirectory(_folder["photos/blue"]);
        for (var i = 0; i < count; i++)
        {
            Save($"photos/red/{i}.png", 40, 36, (byte)(200 + i));
            Save($"photos/blue/{i}.png", 36, 40, (byte)(20 + i));
        }
    }

    private void Save(string name, int width, int height, byte red)
    {
        var image = new RgbImage(width, height);
        for (var i = 0; i < image.Pixels.Length; i += 3)
            (image.Pixels[i], image.Pixels[i + 2]) = (red, (byte)(255 - red));
        File.WriteAllBytes(_folder[name], PngWriter.Encode(image));
    }
}
