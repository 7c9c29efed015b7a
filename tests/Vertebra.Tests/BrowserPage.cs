using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Vertebra.Tests;

/// <summary>
/// A page in a headless browser that can be clicked, typed on and asked, through the DevTools protocol. What it complains about
/// and what it asks the network for is remembered.
/// </summary>
internal sealed class BrowserPage : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TemporaryFolder _profile;
    private readonly Process _browser;
    private readonly ClientWebSocket _socket = new();
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonNode>> _replies = [];
    private readonly TaskCompletionSource _loaded = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _sending = new(1);
    private string? _session;
    private int _next;

    private BrowserPage(TemporaryFolder profile, Process browser) => (_profile, _browser) = (profile, browser);

    /// <summary>Errors and warnings on the console, and exceptions.</summary>
    public ConcurrentQueue<string> Complaints { get; } = [];

    /// <summary>Addresses that the page asked for.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    public static async Task<BrowserPage> Open(string htmlFile, int width, int height, bool isDark = false)
    {
        var profile = new TemporaryFolder();
        var start = new ProcessStartInfo(Chromium.Program!) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in new[]
        {
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-port=0", $"--user-data-dir={profile["profile"]}", "about:blank",
        })
            start.ArgumentList.Add(argument);
        var page = new BrowserPage(profile, Process.Start(start)!);
        try
        {
            await page.Connect();
            await page.Send("Emulation.setDeviceMetricsOverride", new() { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = false });
            await page.Send("Emulation.setEmulatedMedia", new() { ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = isDark ? "dark" : "light" }) });
            await page.Send("Page.navigate", new() { ["url"] = new Uri(htmlFile).AbsoluteUri });
            await page._loaded.Task.WaitAsync(Patience);
            return page;
        }
        catch
        {
            await page.DisposeAsync();
            throw;
        }
    }

    /// <summary>The value of a JavaScript expression.</summary>
    public async Task<JsonNode?> Evaluate(string expression)
    {
        var reply = await Send("Runtime.evaluate", new() { ["expression"] = expression, ["returnByValue"] = true });
        Assert.True(reply["exceptionDetails"] is null, $"{expression}: {reply["exceptionDetails"]}");
        return reply["result"]!["value"];
    }

    /// <summary>Presses and releases a key, as "Enter" or "ArrowDown".</summary>
    public async Task Press(string key)
    {
        var code = key switch { "Enter" => 13, "Tab" => 9, " " => 32, "ArrowLeft" => 37, "ArrowUp" => 38, "ArrowRight" => 39, "ArrowDown" => 40, "Home" => 36, "End" => 35, _ => key[0] };
        var text = key switch { "Enter" => "\r", { Length: 1 } => key, _ => "" };
        await Send("Input.dispatchKeyEvent", new() { ["type"] = text.Length > 0 ? "keyDown" : "rawKeyDown", ["key"] = key, ["text"] = text, ["windowsVirtualKeyCode"] = code });
        await Send("Input.dispatchKeyEvent", new() { ["type"] = "keyUp", ["key"] = key, ["windowsVirtualKeyCode"] = code });
    }

    /// <summary>Clicks the middle of the upper edge (8 pixels inside) of the first element that fits a selector.</summary>
    public async Task Click(string selector)
    {
        var box = (await Evaluate($"(() => {{ const r = document.querySelector({JsonValue.Create(selector).ToJsonString()}).getBoundingClientRect(); return [r.x + r.width / 2, r.y + 8]; }})()"))!;
        foreach (var type in new[] { "mousePressed", "mouseReleased" })
            await Send("Input.dispatchMouseEvent", new() { ["type"] = type, ["x"] = box[0]!.GetValue<double>(), ["y"] = box[1]!.GetValue<double>(), ["button"] = "left", ["clickCount"] = 1 });
    }

    /// <summary>A picture of the window, as PNG.</summary>
    public async Task<byte[]> Screenshot() => Convert.FromBase64String((await Send("Page.captureScreenshot", []))["data"]!.GetValue<string>());

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _socket.Dispose();
        if (!_browser.HasExited)
            _browser.Kill(entireProcessTree: true);
        await _browser.WaitForExitAsync();
        _browser.Dispose();
        _stop.Dispose();
        _sending.Dispose();
        // Children of the browser may still be letting go of their files.
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                _profile.Dispose();
                return;
            }
            catch (IOException) when (attempt < 20)
            {
                await Task.Delay(100);
            }
        }
    }

    private async Task Connect()
    {
        using var timeout = new CancellationTokenSource(Patience);
        string? address = null;
        while (address is null)
        {
            var line = await _browser.StandardError.ReadLineAsync(timeout.Token) ?? throw new InvalidOperationException("the browser ended");
            address = Regex.Match(line, "ws://\\S+") is { Success: true } match ? match.Value : null;
        }
        _ = _browser.StandardError.ReadToEndAsync(_stop.Token);
        _ = _browser.StandardOutput.ReadToEndAsync(_stop.Token);
        await _socket.ConnectAsync(new Uri(address), timeout.Token);
        _ = Listen();
        var targets = await Send("Target.getTargets", []);
        var id = targets["targetInfos"]!.AsArray().First(t => t!["type"]!.GetValue<string>() == "page")!["targetId"]!.GetValue<string>();
        _session = (await Send("Target.attachToTarget", new() { ["targetId"] = id, ["flatten"] = true }))["sessionId"]!.GetValue<string>();
        foreach (var domain in new[] { "Page", "Runtime", "Log", "Network" })
            await Send($"{domain}.enable", []);
    }

    private async Task<JsonNode> Send(string method, JsonObject parameters)
    {
        var id = Interlocked.Increment(ref _next);
        var reply = _replies[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters };
        if (_session is not null)
            message["sessionId"] = _session;
        await _sending.WaitAsync();
        try
        {
            await _socket.SendAsync(Encoding.UTF8.GetBytes(message.ToJsonString()), WebSocketMessageType.Text, true, _stop.Token);
        }
        finally
        {
            _sending.Release();
        }
        return await reply.Task.WaitAsync(Patience);
    }

    private async Task Listen()
    {
        var buffer = new byte[1 << 16];
        using var message = new MemoryStream();
        try
        {
            while (true)
            {
                message.SetLength(0);
                WebSocketReceiveResult part;
                do
                {
                    part = await _socket.ReceiveAsync(buffer, _stop.Token);
                    message.Write(buffer, 0, part.Count);
                }
                while (!part.EndOfMessage);
                if (part.MessageType == WebSocketMessageType.Close)
                    return;
                Handle(JsonNode.Parse(message.ToArray())!);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException or ObjectDisposedException)
        {
            // The page is being closed.
        }
    }

    private void Handle(JsonNode message)
    {
        if (message["id"] is { } id && _replies.TryRemove(id.GetValue<int>(), out var reply))
        {
            if (message["error"] is { } error)
                reply.SetException(new InvalidOperationException(error.ToJsonString()));
            else
                reply.SetResult(message["result"]!);
            return;
        }
        var parameters = message["params"];
        switch (message["method"]?.GetValue<string>())
        {
            case "Page.loadEventFired":
                _loaded.TrySetResult();
                break;
            case "Runtime.exceptionThrown":
                Complaints.Enqueue(parameters!["exceptionDetails"]!.ToJsonString());
                break;
            case "Runtime.consoleAPICalled" when parameters!["type"]!.GetValue<string>() is "error" or "warning" or "assert":
                Complaints.Enqueue(parameters["args"]!.ToJsonString());
                break;
            case "Log.entryAdded":
                Complaints.Enqueue(parameters!["entry"]!.ToJsonString());
                break;
            case "Network.requestWillBeSent":
                Requests.Enqueue(parameters!["request"]!["url"]!.GetValue<string>());
                break;
        }
    }
}
