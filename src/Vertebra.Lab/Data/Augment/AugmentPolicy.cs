namespace Vertebra.Lab.Data.Augment;

/// <summary>A rule that draws operations and carries them out.</summary>
internal abstract class AugmentPolicy
{
    /// <summary>Changes the picture.</summary>
    /// <param name="canvas">The picture.</param>
    /// <param name="random">Numbers of this sample.</param>
    public abstract void Apply(PixelCanvas canvas, ref SampleRandom random);
}
