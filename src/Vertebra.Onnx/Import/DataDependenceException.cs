namespace Vertebra.Onnx;

/// <summary>While a graph is made, an operator wanted to know elements that only a run will give.</summary>
internal sealed class DataDependenceException(string what)
    : VertebraException($"{what} depends on the data that the network is given, which a graph cannot hold; execute the file with `run` (OnnxModel.Run) instead");
