using Vertebra.Ops;

namespace Vertebra.Lab.Training.Losses;

/// <summary>How a margin makes the target's angle harder.</summary>
public enum MarginKind
{
    /// <summary>cos θ - m: additive margin (Wang et al., "Additive margin softmax for face verification", 2018; CosFace).</summary>
    AdditiveCosine,

    /// <summary>cos(θ + m): additive angular margin (Deng et al., "ArcFace", CVPR 2019).</summary>
    AdditiveAngle,
}

/// <summary>Softmax losses with a margin, over the cosines of a cosine classifier.</summary>
public static class Margins
{
    // The sine's gradient has no bound where the cosine is ±1.
    private const float MostCosine = 1 - 1e-6f;

    /// <summary>The same cosines with the target's made harder.</summary>
    /// <param name="cosines">float32 [N, C], in [-1, 1].</param>
    /// <param name="labels">int64 [N].</param>
    /// <param name="kind">Which margin.</param>
    /// <param name="margin">m: a cosine, or an angle in radians.</param>
    public static Tensor Apply(Tensor cosines, Tensor labels, MarginKind kind, double margin)
    {
        var index = labels.Reshape([-1, 1]);
        var target = cosines.Gather(1, index);
        var harder = kind == MarginKind.AdditiveCosine ? target - (float)margin : Turned(target, margin);
        return cosines + (labels.OneHot(cosines.Shape[1]) * (harder - target));
    }

    /// <summary>cos(θ + m); beyond θ = π - m, where that would rise again, the line cos θ - m · sin m that ArcFace's authors go on with.</summary>
    private static Tensor Turned(Tensor cosine, double margin)
    {
        var clipped = cosine.Clamp(-MostCosine, MostCosine);
        var sine = (1 - clipped.Square()).Sqrt();
        var turned = (clipped * (float)Math.Cos(margin)) - (sine * (float)Math.Sin(margin));
        return cosine.Greater((float)-Math.Cos(margin)).Where(turned, cosine - (float)(margin * Math.Sin(margin)));
    }
}
