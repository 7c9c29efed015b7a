using System.Diagnostics;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests;

/// <summary>A headless browser, in which reports are looked at.</summary>
internal static class Chromium
{
    /// <summary>Path of the browser; null where there is none.</summary>
    public static string? Program { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .SelectMany(folder => new[] { "chromium", "chromium-browser", "google-chrome" }.Select(name => Path.Combine(folder, name)))
        .FirstOrDefault(File.Exists);

    /// <summary>A picture of a page in a window of the given size.</summary>
    public static async Task<RgbImage> Screenshot(string htmlFile, int width, int height, bool isDark)
    {
        using var profile = new TemporaryFolder();
        var picture = profile["page.png"];
        var start = new ProcessStartInfo(Program!) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in new[]
        {
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars", $"--user-data-dir={profile["profile"]}",
            $"--blink-settings=preferredColorScheme={(isDark ? 0 : 1)}", $"--window-size={width},{height}", $"--screenshot={picture}",
            new Uri(htmlFile).AbsoluteUri,
        })
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        try
        {
            var errors = process.StandardError.ReadToEndAsync(timeout.Token);
            _ = process.StandardOutput.ReadToEndAsync(timeout.Token);
            await process.WaitForExitAsync(timeout.Token);
            Assert.True(File.Exists(picture), $"the browser drew nothing: {await errors}");
            return ImageDecoder.Decode(picture);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException("the browser did not end within 3 minutes");
        }
    }
}

/// <summary>A fact that needs a browser; skipped, with the reason, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute()
    {
        if (Chromium.Program is null)
            Skip = "needs Chromium (apt-get install chromium)";
    }
}
