namespace Vertebra.Ops;

/// <summary>What becomes of the losses of the single samples.</summary>
public enum LossReduction
{
    /// <summary>Their mean: a scalar. With class weights, the mean weighted by them; ignored samples do not count.</summary>
    Mean,

    /// <summary>Their sum: a scalar.</summary>
    Sum,

    /// <summary>They stay: one loss per sample.</summary>
    None,
}
