namespace Vertebra.Nn;

/// <summary>
/// A module some of whose parameters are subspaces: tensors [count, dimension, features] whose rows are an orthonormal basis of
/// each. Only the subspace counts, not the basis; optimisers move such parameters on the Grassmann manifold.
/// </summary>
public interface ISubspaceLayer
{
    /// <summary>Names of those parameters in the module.</summary>
    IReadOnlyList<string> SubspaceParameters { get; }
}
