using System.Buffers.Binary;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>Walks the markers of a JPEG file (ITU-T T.81, annex B) and drives the decoding of its scans.</summary>
internal sealed class JpegReader : IPictureReader
{
    /// <summary>Real progressive files have about ten scans; one per coefficient of three components would be 192.</summary>
    private const int MaxScans = 256;
    private const int MaxTables = 4;
    private const int HighestBit = 13;

    private readonly ReadOnlyMemory<byte> _data;
    private readonly ImageFileErrors _errors;
    private readonly long _maxPixels;
    private readonly JpegHeader _header = new();
    private readonly ushort[]?[] _quantization = new ushort[MaxTables][];
    private readonly HuffmanTable?[] _dcTables = new HuffmanTable[MaxTables];
    private readonly HuffmanTable?[] _acTables = new HuffmanTable[MaxTables];
    private JpegFrame? _frame;
    private int _restartInterval;
    private int _scans;
    private int _position = 2;

    /// <param name="data">The file, beginning with the start-of-image marker.</param>
    /// <param name="name">What errors call the file.</param>
    /// <param name="maxPixels">Largest width times height accepted.</param>
    public JpegReader(ReadOnlyMemory<byte> data, string name, long maxPixels)
    {
        _data = data;
        _errors = new ImageFileErrors(name, "JPEG");
        _maxPixels = maxPixels;
    }

    /// <inheritdoc/>
    public ImageInfo ReadInfo()
    {
        var frame = ReadToFrame();
        return new ImageInfo(ImageFormat.Jpeg, frame.Width, frame.Height, frame.Components.Length, 8, _header.Orientation);
    }

    /// <inheritdoc/>
    public (RgbImage Image, int Orientation) Decode()
    {
        RgbImage? image = null;
        var frame = ReadToFrame();
        Decode(new(0, 0, frame.Width, frame.Height), () => PixelPart.Of(image = RgbImage.Uninitialized(frame.Width, frame.Height)), checksRest: true);
        return (image!, _header.Orientation);
    }

    /// <inheritdoc/>
    public PixelPart DecodePart(CropBox box, bool checksRest)
    {
        PixelPart? part = null;
        try
        {
            Decode(box, () => part = PixelPart.Rent(box), checksRest);
            return part!;
        }
        catch
        {
            part?.Dispose();
            throw;
        }
    }

    public void Dispose() => _frame?.Dispose();

    /// <summary>Decodes what a part of the picture needs.</summary>
    /// <param name="box">The part.</param>
    /// <param name="target">Asked for the part's memory once, when the file is known to be long enough for its picture.</param>
    /// <param name="checksRest">Read what lies behind the part too.</param>
    private void Decode(CropBox box, Func<PixelPart> target, bool checksRest)
    {
        var frame = ReadToFrame();
        using var entropy = new EntropyReader(_data);
        RowAssembler? rows = null;
        try
        {
            var isComplete = false;
            while (!isComplete && ReadMarker() is var marker && marker != JpegMarker.EndOfImage)
            {
                if (marker != JpegMarker.StartOfScan)
                {
                    ReadTableOrMiscellaneous(marker);
                    continue;
                }
                var scan = ReadScanHeader();
                rows ??= Begin(frame, box, target);
                isComplete = DecodeScan(scan, entropy, rows, checksRest);
            }
            if (rows is null || frame.Components.FirstOrDefault(c => frame.IsProgressive ? c.LowestBit[0] < 0 : !c.IsDecoded) is not null)
                throw _errors.Damaged("the file ends without all colour components", _position);
            if (frame.IsProgressive)
                TransformCoefficients(frame, rows);
        }
        finally
        {
            rows?.Dispose();
        }
    }

    /// <summary>Takes memory for the picture.</summary>
    private RowAssembler Begin(JpegFrame frame, CropBox box, Func<PixelPart> target)
    {
        CheckEnoughData(frame);
        foreach (var component in frame.Components)
        {
            component.Need(frame, box);
            Allocate(component);
        }
        return new RowAssembler(frame, _header.ColorSpaceOf(frame), target());
    }

    private ReadOnlySpan<byte> Data => _data.Span;

    private JpegFrame ReadToFrame()
    {
        while (_frame is null)
        {
            var marker = ReadMarker();
            if (marker is JpegMarker.EndOfImage or JpegMarker.StartOfScan)
                throw _errors.Damaged("no frame header before the picture data", _position);
            ReadTableOrMiscellaneous(marker);
        }
        return _frame;
    }

    /// <summary>The next marker that a segment or the end follows; stray bytes before it are passed over, as libjpeg does.</summary>
    private byte ReadMarker()
    {
        while (true)
        {
            var skip = Data[_position..].IndexOf((byte)0xFF);
            if (skip < 0 || _position + skip + 1 >= Data.Length)
                throw _errors.Truncated("a marker", Data.Length);
            _position += skip + 1;
            var marker = Data[_position];
            if (marker is 0xFF)
                continue;
            _position++;
            if (marker is not (0 or JpegMarker.Temporary or (>= JpegMarker.Restart0 and <= JpegMarker.Restart7)))
                return marker;
        }
    }

    private ReadOnlySpan<byte> ReadSegment(string what)
    {
        if (_position + 2 > Data.Length)
            throw _errors.Truncated(what, Data.Length);
        var length = BinaryPrimitives.ReadUInt16BigEndian(Data[_position..]);
        if (length < 2)
            throw _errors.Damaged($"length {length} of {what}", _position);
        if (_position + length > Data.Length)
            throw _errors.Truncated(what, Data.Length);
        var body = Data.Slice(_position + 2, length - 2);
        _position += length;
        return body;
    }

    private void ReadTableOrMiscellaneous(byte marker)
    {
        switch (marker)
        {
            case JpegMarker.HuffmanTables:
                ReadHuffmanTables(ReadSegment("Huffman table"));
                break;
            case JpegMarker.QuantizationTables:
                ReadQuantizationTables(ReadSegment("quantisation table"));
                break;
            case JpegMarker.RestartInterval:
                var body = ReadSegment("restart interval");
                if (body.Length != 2)
                    throw _errors.Damaged("restart interval of wrong length", _position);
                _restartInterval = BinaryPrimitives.ReadUInt16BigEndian(body);
                break;
            case JpegMarker.StartOfImage:
                throw _errors.Damaged("a second start of image", _position);
            case JpegMarker.BaselineFrame or JpegMarker.ExtendedFrame or JpegMarker.ProgressiveFrame:
                if (_frame is not null)
                    throw _errors.Damaged("a second frame header", _position);
                _frame = ReadFrame(ReadSegment("frame header"), marker == JpegMarker.ProgressiveFrame);
                break;
            case JpegMarker.ArithmeticConditioning:
                throw _errors.Unsupported("arithmetic-coded JPEG");
            case > JpegMarker.BaselineFrame and <= JpegMarker.LastFrame:
                throw _errors.Unsupported(marker switch
                {
                    JpegMarker.ReservedFrame => "a JPEG extension",
                    0xC3 => "lossless JPEG",
                    < JpegMarker.ReservedFrame => "hierarchical JPEG",
                    _ => "arithmetic-coded JPEG",
                });
            default:
                _header.ReadApplicationData(marker, ReadSegment("segment"));
                break;
        }
    }

    private JpegFrame ReadFrame(ReadOnlySpan<byte> body, bool isProgressive)
    {
        if (body.Length < 6 || body.Length != 6 + 3 * body[5])
            throw _errors.Damaged("frame header of wrong length", _position);
        int height = BinaryPrimitives.ReadUInt16BigEndian(body[1..]), width = BinaryPrimitives.ReadUInt16BigEndian(body[3..]);
        if (body[0] != 8)
            throw _errors.Unsupported($"{body[0]}-bit JPEG");
        if (width == 0 || height == 0)
            throw _errors.Damaged($"picture size {width}x{height}", _position);
        if ((long)width * height > _maxPixels)
            throw _errors.TooLarge(width, height, _maxPixels);
        if (body[5] is not (1 or 3 or 4))
            throw _errors.Unsupported($"JPEG of {body[5]} colour components");
        var components = new JpegComponent[body[5]];
        for (var i = 0; i < components.Length; i++)
        {
            var entry = body.Slice(6 + 3 * i, 3);
            int horizontal = entry[1] >> 4, vertical = entry[1] & 15;
            if (horizontal is < 1 or > 4 || vertical is < 1 or > 4)
                throw _errors.Damaged($"sampling factors {horizontal}x{vertical}", _position);
            if (entry[2] >= MaxTables)
                throw _errors.Damaged($"quantisation table number {entry[2]}", _position);
            components[i] = new JpegComponent(entry[0], horizontal, vertical, entry[2]);
        }
        return new JpegFrame(width, height, isProgressive, components);
    }

    private void ReadQuantizationTables(ReadOnlySpan<byte> body)
    {
        while (body.Length > 0)
        {
            int bytes = body[0] >> 4 == 0 ? 1 : 2, number = body[0] & 15;
            if (body[0] >> 4 > 1 || number >= MaxTables || body.Length < 1 + 64 * bytes)
                throw _errors.Damaged("quantisation table", _position);
            var table = new ushort[64];
            for (var k = 0; k < 64; k++)
                table[k] = bytes == 1 ? body[1 + k] : BinaryPrimitives.ReadUInt16BigEndian(body[(1 + 2 * k)..]);
            _quantization[number] = table;
            body = body[(1 + 64 * bytes)..];
        }
    }

    private void ReadHuffmanTables(ReadOnlySpan<byte> body)
    {
        while (body.Length > 0)
        {
            int kind = body[0] >> 4, number = body[0] & 15;
            if (kind > 1 || number >= MaxTables || body.Length < 17)
                throw _errors.Damaged("Huffman table", _position);
            var counts = body.Slice(1, 16);
            var total = 0;
            foreach (var count in counts)
                total += count;
            if (total > 256 || body.Length < 17 + total || HuffmanTable.Find(counts, body.Slice(17, total), kind == 0) is not { } table)
                throw _errors.Damaged("Huffman table", _position);
            (kind == 0 ? _dcTables : _acTables)[number] = table;
            body = body[(17 + total)..];
        }
    }

    private JpegScan ReadScanHeader()
    {
        var body = ReadSegment("scan header");
        if (++_scans > MaxScans)
            throw _errors.Damaged($"more than {MaxScans} scans", _position);
        if (body.Length < 1 || body[0] is < 1 or > 4 || body.Length != 4 + 2 * body[0])
            throw _errors.Damaged("scan header of wrong length", _position);
        var count = body[0];
        var components = new JpegComponent[count];
        var dc = new HuffmanTable?[count];
        var ac = new HuffmanTable?[count];
        int first = body[^3], last = body[^2], highBit = body[^1] >> 4, lowBit = body[^1] & 15;
        var isProgressive = _frame!.IsProgressive;
        if (!isProgressive)
            (first, last, highBit, lowBit) = (0, 63, 0, 0);
        else if (last > 63 || first > last || (first == 0) != (last == 0) || (first > 0 && count > 1) || lowBit > HighestBit)
            throw _errors.Damaged($"scan of coefficients {first} to {last} for {count} components", _position);
        for (var i = 0; i < count; i++)
        {
            var id = body[1 + 2 * i];
            var tables = body[2 + 2 * i];
            var component = Array.Find(_frame.Components, c => c.Id == id);
            if (component is null || Array.IndexOf(components, component) >= 0)
                throw _errors.Damaged($"scan of component {id}", _position);
            if (first == 0 && highBit == 0)
                dc[i] = Table(_dcTables, tables >> 4);
            if (last > 0)
                ac[i] = Table(_acTables, tables & 15);
            component.Quantization ??= _quantization[component.QuantizationIndex]
                ?? throw _errors.Damaged($"no quantisation table {component.QuantizationIndex}", _position);
            components[i] = component;
        }
        return new JpegScan
        {
            Components = components, DcTables = dc, AcTables = ac, First = first, Last = last, HighBit = highBit, LowBit = lowBit,
            RestartInterval = _restartInterval, DataStart = _position,
        };
    }

    private HuffmanTable Table(HuffmanTable?[] tables, int number) =>
        (number < MaxTables ? tables[number] : null) ?? throw _errors.Damaged($"no Huffman table {number}", _position);

    /// <summary>
    /// Refuses a header that promises far more picture than the file can hold, before memory is taken for it: every
    /// block costs at least two bits, or one in a progressive file.
    /// </summary>
    private void CheckEnoughData(JpegFrame frame)
    {
        var bits = frame.CodedBlocks * (frame.IsProgressive ? 1 : 2);
        if (bits > (Data.Length - _position) * 8L)
            throw _errors.Truncated($"most of the data of {frame.Width}x{frame.Height} pixels", Data.Length);
    }

    private void Allocate(JpegComponent component)
    {
        if ((long)component.Stride * component.PaddedBlockRows * 8 > Array.MaxLength / 2)
            throw _errors.TooLarge(_frame!.Width, _frame.Height, Array.MaxLength / 2);
        component.AllocatePlane();
        if (_frame!.IsProgressive)
            component.AllocateCoefficients();
    }

    /// <summary>Decodes a scan.</summary>
    /// <returns>True when nothing can follow that the picture needs.</returns>
    private bool DecodeScan(JpegScan scan, EntropyReader entropy, RowAssembler rows, bool checksRest)
    {
        var frame = _frame!;
        if (frame.IsProgressive)
        {
            CheckProgression(scan);
            new ProgressiveScanDecoder(frame, scan, entropy, _errors).Decode();
            _position = entropy.End;
            return false;
        }
        foreach (var component in scan.Components)
        {
            if (component.IsDecoded)
                throw _errors.Damaged($"a second scan of component {component.Id}", _position);
            component.IsDecoded = true;
        }
        // Only when one scan holds everything can rows be written while it is decoded, and can it end with the rows that are needed.
        var holdsAll = scan.Components.Length == frame.Components.Length && scan.IsInterleaved;
        new SequentialScanDecoder(frame, scan, entropy, _errors).Decode(holdsAll ? rows.WriteRows : _ => true, checksRest);
        _position = entropy.End;
        var isComplete = frame.Components.All(c => c.IsDecoded);
        if (isComplete)
            rows.WriteRows(frame.UnitRows);
        return isComplete;
    }

    /// <summary>Each scan must send bits not sent before (T.81, G.1.1.1): this also bounds the work that a hostile file can ask for.</summary>
    private void CheckProgression(JpegScan scan)
    {
        foreach (var component in scan.Components)
        {
            for (var k = scan.First; k <= scan.Last; k++)
            {
                ref var lowest = ref component.LowestBit[k];
                var isFirst = scan.HighBit == 0;
                if (isFirst ? lowest != JpegComponent.NothingSent : lowest != scan.HighBit || scan.LowBit != scan.HighBit - 1)
                    throw _errors.Damaged($"scan of bits {scan.HighBit} to {scan.LowBit} of coefficient {k} out of turn", _position);
                lowest = (sbyte)scan.LowBit;
            }
        }
    }

    private static void TransformCoefficients(JpegFrame frame, RowAssembler rows)
    {
        for (var unitRow = 0; unitRow < frame.UnitRows; unitRow++)
        {
            foreach (var component in frame.Components)
            {
                for (var v = 0; v < component.Vertical; v++)
                {
                    if (component.NeededRows.Contains(unitRow * component.Vertical + v))
                        TransformRow(component, unitRow * component.Vertical + v);
                }
            }
            if (!rows.WriteRows(unitRow + 1))
                return;
        }
    }

    private static void TransformRow(JpegComponent component, int blockRow)
    {
        var factors = InverseDct.Factors(component.Quantization!);
        var coefficients = component.Coefficients.AsSpan(blockRow * component.PaddedBlockColumns * InverseDct.BlockSize);
        var plane = component.Plane.AsSpan(blockRow * 8 * component.Stride);
        for (var column = component.NeededColumns.First; column < component.NeededColumns.End; column++)
        {
            var source = coefficients.Slice(column * InverseDct.BlockSize, InverseDct.BlockSize);
            if (component.Nonzero[blockRow * component.PaddedBlockColumns + column] != 0)
                InverseDct.Transform(source, factors, plane[(column * 8)..], component.Stride);
            else
                InverseDct.FillFlat((short)(source[0] * factors[0]), plane[(column * 8)..], component.Stride);
        }
    }
}
