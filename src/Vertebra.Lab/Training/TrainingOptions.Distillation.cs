namespace Vertebra.Lab.Training;

public sealed partial class TrainingOptions
{
    // ---------------------------------------------------------------- distillation

    public string? Teacher { get; set; }

    public IReadOnlyList<string> Distill { get; set; } = ["kl"];

    public IReadOnlyList<double>? DistillLossWeight { get; set; }

    public double? TaskLossWeight { get; set; }

    public double? KdTemperature { get; set; }

    public string KdTokenDistillType { get; set; } = "hard";

    public string? Unlabeled { get; set; }

    public string? Reinforced { get; set; }

    public int? HintLevel { get; set; }

    public bool MealAdversarial { get; set; } = true;

    public IReadOnlyList<string> Peers { get; set; } = [];

    public int PeersPromoted { get; set; } = 1;

    /// <summary>Whether something else than labels teaches.</summary>
    internal bool HasTeacher => Teacher is not null || Reinforced is not null;
}
