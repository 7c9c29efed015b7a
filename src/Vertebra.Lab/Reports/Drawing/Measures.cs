namespace Vertebra.Lab.Reports.Drawing;

/// <summary>Lengths of a drawing, in pixels at natural size. The page's script gets the same numbers.</summary>
internal static class Measures
{
    /// <summary>Space inside a box left and right of its parts.</summary>
    public const double Pad = 16;

    /// <summary>Height of the line with a module's name, above its parts.</summary>
    public const double Header = 22;

    /// <summary>Height of a gap between rows without tracks.</summary>
    public const double Gap = 30;

    /// <summary>From the top of a gap to its first track: a label has room there.</summary>
    public const double TrackTop = 15;

    public const double TrackStep = 9;

    /// <summary>Half the width of a column that only wires pass.</summary>
    public const double LaneHalf = 8;

    public const double ColumnGap = 14;

    /// <summary>Distance of the ports of a box.</summary>
    public const double PortStep = 14;

    public const double BoxHeight = 40;

    public const double InputHeight = 26;

    private const double NameWidth = 7.6;
    private const double DetailWidth = 6.3;

    /// <summary>Width of a folded box for its two lines.</summary>
    public static double BoxWidth(string name, string detail) => Math.Round(Math.Clamp(Math.Max(name.Length * NameWidth, detail.Length * DetailWidth) + 24, 110, 260));

    /// <summary>Least width that the header needs to the right of the first column's axis.</summary>
    public static double HeaderWidth(string name, string detail) => Math.Round((name.Length * NameWidth) + (detail.Length * DetailWidth) + 50);
}
