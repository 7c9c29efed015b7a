namespace Vertebra.Onnx;

/// <summary>The rows by domain and operator. A file of rows adds its own in <see cref="Create"/>.</summary>
internal sealed class OperatorTable
{
    private static readonly OperatorTable Shared = Create();

    private readonly Dictionary<(string Domain, string OpType), OnnxRow> _rows = [];

    /// <summary>Every operator that has a row.</summary>
    public static IReadOnlyCollection<string> Names => [.. Shared._rows.Keys.Select(k => k.Domain.Length == 0 ? k.OpType : $"{k.Domain}.{k.OpType}").Order(StringComparer.Ordinal)];

    /// <summary>The row of an operator; null when there is none.</summary>
    public static OnnxRow? Find(string domain, string opType) => Shared._rows.GetValueOrDefault((domain, opType));

    /// <summary>The standard domain has two names.</summary>
    public static string Domain(string domain) => domain == "ai.onnx" ? "" : domain;

    /// <summary>Adds an operator with one result.</summary>
    public void Add(string opType, Func<OnnxCall, OnnxValue> row, string domain = "") => _rows.Add((domain, opType), call => [row(call)]);

    /// <summary>Adds an operator with several results.</summary>
    public void AddMany(string opType, OnnxRow row, string domain = "") => _rows.Add((domain, opType), row);

    private static OperatorTable Create()
    {
        var table = new OperatorTable();
        MathRows.AddTo(table);
        ActivationRows.AddTo(table);
        ReductionRows.AddTo(table);
        MatrixRows.AddTo(table);
        ImageRows.AddTo(table);
        NormRows.AddTo(table);
        ResizeRows.AddTo(table);
        ShapeRows.AddTo(table);
        IndexRows.AddTo(table);
        SelectionRows.AddTo(table);
        FunctionRows.AddTo(table);
        DetectionRows.AddTo(table);
        RecurrentRows.AddTo(table);
        QuantisationRows.AddTo(table);
        WindowRows.AddTo(table);
        ControlRows.AddTo(table);
        SequenceRows.AddTo(table);
        SignalRows.AddTo(table);
        LossRows.AddTo(table);
        RandomRows.AddTo(table);
        ContribRows.AddTo(table);
        return table;
    }
}
