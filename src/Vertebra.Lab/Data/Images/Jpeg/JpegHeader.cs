namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>The application markers of a JPEG file that bear on its pixels.</summary>
internal sealed class JpegHeader
{
    /// <summary>A JFIF marker was seen: three components are YCbCr.</summary>
    public bool IsJfif { get; private set; }

    /// <summary>The transform of an Adobe marker: 0 none (RGB or CMYK), 1 YCbCr, 2 YCCK; null without such a marker.</summary>
    public int? AdobeTransform { get; private set; }

    /// <summary>EXIF orientation, 1 to 8.</summary>
    public int Orientation { get; private set; } = ExifOrientation.Upright;

    /// <summary>Takes note of one APPn segment; those of other kinds are passed over.</summary>
    public void ReadApplicationData(byte marker, ReadOnlySpan<byte> body)
    {
        if (marker == JpegMarker.App0 && body.StartsWith("JFIF\0"u8))
            IsJfif = true;
        else if (marker == JpegMarker.App14 && body.Length >= 12 && body.StartsWith("Adobe"u8))
            AdobeTransform = body[11];
        else if (marker == JpegMarker.App1 && body.StartsWith("Exif\0\0"u8))
            Orientation = ExifOrientation.Read(body[6..]);
    }

    /// <summary>What the components stand for, guessed as libjpeg guesses it.</summary>
    public JpegColorSpace ColorSpaceOf(JpegFrame frame)
    {
        var components = frame.Components;
        return components.Length switch
        {
            1 => JpegColorSpace.Gray,
            4 => AdobeTransform is null or 0 ? JpegColorSpace.Cmyk : JpegColorSpace.Ycck,
            _ when IsJfif => JpegColorSpace.YCbCr,
            _ when AdobeTransform is { } transform => transform == 0 ? JpegColorSpace.Rgb : JpegColorSpace.YCbCr,
            _ when components[0].Id == 'R' && components[1].Id == 'G' && components[2].Id == 'B' => JpegColorSpace.Rgb,
            _ => JpegColorSpace.YCbCr,
        };
    }
}
