using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Vertebra.Kernels;

/// <summary>Does something for some channels [first, end) of a segment.</summary>
internal delegate void ChannelsBody<TState>(in TState state, int segment, int first, int end) where TState : struct;

/// <summary>
/// How the normalisation kernels see channels-last data: <c>segments</c> matrices of rows × channels, one after the other.
/// Few channels would leave lanes empty, so <see cref="Fold"/> rows are read as one line of <see cref="Width"/> numbers;
/// what is left over at the end of a segment is a last, shorter line. Lines are cut into parts by shape alone.
/// </summary>
internal readonly struct ColumnGrid
{
    // Lines at least this wide keep every vector width busy.
    private const int NarrowestLine = 256;

    // About 128 KiB: large beside the cost of handing a part out, small enough that a few threads share evenly.
    private const long ElementsPerPart = 1 << 15;
    private const int MostParts = 64;

    // Each part of a reduction leaves one line of partial sums; fewer lines than this would not be worth it.
    private const int FewestLinesPerPart = 32;

    /// <summary>The most channels that <see cref="RunChannels"/> gives at once.</summary>
    public const int ChannelsPerGroup = 64;

    public ColumnGrid(int segments, long rows, int channels)
    {
        (Segments, Rows, Channels) = (segments, rows, channels);
        Fold = 1;
        while (channels * Fold < NarrowestLine && Fold * 2 <= rows)
            Fold *= 2;
        Width = channels * Fold;
        Lines = rows / Fold;
        Tail = (int)(rows % Fold) * channels;
        var wanted = Math.Clamp(rows * channels / ElementsPerPart, 1, MostParts);
        LinesPerPart = Math.Max(FewestLinesPerPart, (((Lines + wanted - 1) / wanted) + 3) / 4 * 4);
        PartsPerSegment = (int)Math.Max(1, (Lines + LinesPerPart - 1) / LinesPerPart);
    }

    public int Segments { get; }

    /// <summary>Rows of one segment.</summary>
    public long Rows { get; }

    public int Channels { get; }

    /// <summary>Rows in a line, a power of two.</summary>
    public int Fold { get; }

    /// <summary>Numbers in a line: <see cref="Fold"/> · <see cref="Channels"/>.</summary>
    public int Width { get; }

    /// <summary>Full lines of one segment.</summary>
    public long Lines { get; }

    /// <summary>Numbers in the short last line of a segment, or 0.</summary>
    public int Tail { get; }

    public long LinesPerPart { get; }

    public int PartsPerSegment { get; }

    public int Parts => Segments * PartsPerSegment;

    public bool IsEmpty => Segments == 0 || Rows == 0 || Channels == 0;

    public long SegmentLength => Rows * Channels;

    public int SegmentOf(int part) => part / PartsPerSegment;

    /// <summary>Position of the first number of a part.</summary>
    public long Start(int part) => (SegmentOf(part) * SegmentLength) + (FirstLine(part) * Width);

    /// <summary>Full lines of a part.</summary>
    public long LinesOf(int part) => Math.Min(Lines - FirstLine(part), LinesPerPart);

    /// <summary>Numbers that follow the part's full lines: the segment's tail after its last part, else 0.</summary>
    public int TailOf(int part) => (part + 1) % PartsPerSegment == 0 ? Tail : 0;

    private long FirstLine(int part) => part % PartsPerSegment * LinesPerPart;

    /// <summary>
    /// Numbers that <see cref="Widen"/> needs for one per-channel array: none when a line is one row.
    /// </summary>
    public long WidenedLength => Fold == 1 ? 0 : (long)Segments * Width;

    /// <summary>Repeats each segment's per-channel values so that they cover a line; gives the values themselves when a line is one row.</summary>
    public unsafe float* Widen(float* values, float* space)
    {
        if (Fold == 1)
            return values;
        for (var segment = 0; segment < Segments; segment++)
        {
            var source = new ReadOnlySpan<float>(values + ((long)segment * Channels), Channels);
            for (var copy = 0; copy < Fold; copy++)
                source.CopyTo(new Span<float>(space + ((long)segment * Width) + ((long)copy * Channels), Channels));
        }
        return space;
    }

    /// <summary>Calls <paramref name="body"/> with every segment and its channels in groups, (segment, first, end), on several threads.</summary>
    public void RunChannels<TState>(TState state, ChannelsBody<TState> body) where TState : struct
    {
        var groups = (Channels + ChannelsPerGroup - 1) / ChannelsPerGroup;
        Workers.Run(Segments * groups, (state, body, Channels, groups), static (in job, index) =>
        {
            var first = index % job.groups * ChannelsPerGroup;
            job.body(job.state, index / job.groups, first, Math.Min(job.Channels, first + ChannelsPerGroup));
        });
    }
}

/// <summary>
/// Asks for memory ahead of a sweep that goes through several lines side by side: the hardware follows one stream well, and
/// four lines of a wide matrix badly.
/// </summary>
internal static unsafe class Ahead
{
    /// <summary>Asks for the part of <paramref name="group"/>, four lines, that is read while column <paramref name="column"/> of the four before is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FetchFourLines<TVector>(float* group, int column) where TVector : unmanaged, IVector<TVector>
    {
        if (!Sse.IsSupported || TVector.Count == 1)
            return;
        // Four vectors' worth of memory, in its own order, a cache line (16 numbers) at a time.
        var next = group + (4L * column);
        Sse.Prefetch1(next);
        if (TVector.Count >= 8)
            Sse.Prefetch1(next + 16);
        if (TVector.Count < 16)
            return;
        Sse.Prefetch1(next + 32);
        Sse.Prefetch1(next + 48);
    }
}
