using System.Text.Json;

namespace Vertebra.Zoo;

/// <summary>Reads fields of a JSON object that came from outside: absent or null gives null, a wrong kind one clear line.</summary>
internal readonly struct JsonFields
{
    private readonly JsonElement _object;
    private readonly string _source;

    /// <param name="element">The object.</param>
    /// <param name="source">What to call the file in messages.</param>
    public JsonFields(JsonElement element, string source)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw new FileFormatException($"{source}: expected a JSON object, found {element.ValueKind}");
        (_object, _source) = (element, source);
    }

    public JsonElement Element => _object;

    public JsonFields? Object(string name) => Get(name) is { } value ? new JsonFields(value, $"{_source}: {name}") : null;

    /// <summary>An object without fields.</summary>
    public JsonFields Empty()
    {
        using var document = JsonDocument.Parse("{}");
        return new(document.RootElement.Clone(), _source);
    }

    public string? Text(string name) => Get(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(name, "a text");

    public bool? Flag(string name) => Get(name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, "true or false");

    public int? Integer(string name) => Get(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : throw Wrong(name, "an integer");

    public float? Number(string name) => Get(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && float.IsFinite(value.GetSingle()) ? value.GetSingle() : throw Wrong(name, "a number");

    public double? Double(string name) => Get(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(name, "a number");

    public float[]? Numbers(string name)
    {
        if (Get(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(v => v.ValueKind != JsonValueKind.Number))
            throw Wrong(name, "a list of numbers");
        return [.. value.EnumerateArray().Select(v => v.GetSingle())];
    }

    public string[]? Texts(string name)
    {
        if (Get(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(v => v.ValueKind != JsonValueKind.String))
            throw Wrong(name, "a list of texts");
        return [.. value.EnumerateArray().Select(v => v.GetString()!)];
    }

    /// <summary>A path, or several as a list: they are joined by commas.</summary>
    public string? Paths(string name) => Get(name) is { ValueKind: JsonValueKind.Array } ? string.Join(',', Texts(name)!) : Text(name);

    /// <summary>Channels, height and width.</summary>
    public InputSize? Size(string name)
    {
        if (Numbers(name) is not { } sizes)
            return null;
        if (sizes.Length != 3 || sizes.Any(s => s is < 1 or > 1 << 20 || s != MathF.Floor(s)))
            throw Wrong(name, "[channels, height, width]");
        return new((int)sizes[0], (int)sizes[1], (int)sizes[2]);
    }

    /// <summary>The objects or arrays of a list; empty when absent.</summary>
    public IEnumerable<JsonElement> Items(string name)
    {
        if (Get(name) is not { } value)
            return [];
        return value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : throw Wrong(name, "a list");
    }

    /// <summary>A field that must be there.</summary>
    public T Required<T>(string name, T? value) where T : struct => value ?? throw Wrong(name, "present");

    /// <inheritdoc cref="Required{T}(string, T?)"/>
    public T Required<T>(string name, T? value) where T : class => value ?? throw Wrong(name, "present");

    private FileFormatException Wrong(string name, string kind) => new($"{_source}: field '{name}' must be {kind}");

    private JsonElement? Get(string name) => _object.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
