using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace Vertebra.Lab.Reports;

/// <summary>
/// A piece of HTML or SVG. It is made from interpolated strings in which every hole is escaped, unless it is itself markup:
/// names of classes, files and models come from outside, and so cannot become tags by being forgotten.
/// </summary>
public readonly struct Markup
{
    private readonly string? _text;

    private Markup(string text) => _text = text;

    /// <summary>Nothing.</summary>
    public static Markup None => default;

    /// <summary>The literal parts as they are, the holes escaped; numbers in invariant form.</summary>
    public static Markup Of(ref Builder builder) => new(builder.ToString());

    /// <summary>One after the other.</summary>
    public static Markup Join(IEnumerable<Markup> parts) => new(string.Concat(parts.Select(p => p._text)));

    /// <summary>JSON for a script element. The writer escapes the characters with which markup could begin.</summary>
    public static Markup Json(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
            write(json);
        return new(Encoding.UTF8.GetString(buffer.ToArray()));
    }

    public override string ToString() => _text ?? "";

    /// <summary>Puts an interpolated string together.</summary>
    [InterpolatedStringHandler]
    public readonly ref struct Builder(int literalLength, int formattedCount)
    {
        private readonly StringBuilder _text = new(literalLength + (16 * formattedCount));

        public void AppendLiteral(string text) => _text.Append(text);

        public void AppendFormatted(Markup markup) => _text.Append(markup);

        public void AppendFormatted(IEnumerable<Markup> parts)
        {
            foreach (var part in parts)
                _text.Append(part);
        }

        public void AppendFormatted(string? text) => Escape(text);

        public void AppendFormatted<T>(T value, string? format = null) where T : IFormattable =>
            Escape(value.ToString(format, CultureInfo.InvariantCulture));

        public override string ToString() => _text.ToString();

        private void Escape(string? text)
        {
            foreach (var c in text ?? "")
            {
                _ = c switch
                {
                    '&' => _text.Append("&amp;"),
                    '<' => _text.Append("&lt;"),
                    '>' => _text.Append("&gt;"),
                    '"' => _text.Append("&quot;"),
                    '\'' => _text.Append("&#39;"),
                    // Control characters are not allowed in HTML, not even escaped.
                    < ' ' and not ('\n' or '\t') or '\u007f' => _text.Append('\ufffd'),
                    _ => _text.Append(c),
                };
            }
        }
    }
}
