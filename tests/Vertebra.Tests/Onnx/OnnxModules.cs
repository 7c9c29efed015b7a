using Vertebra.Kernels;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Tests.Onnx;

/// <summary>A vision transformer in small: patches, class token, attention written with reshapes and permutations.</summary>
internal sealed class TinyTransformer : Module
{
    private const int Width = 12, Heads = 3;
    private readonly Tensor _patch, _token, _place, _qkv, _out, _gain, _shift, _up, _down, _head;
    private readonly bool _fused;

    public TinyTransformer(bool fused, int tokens = 12)
    {
        _fused = fused;
        _patch = Parameter("patch_weight", [Width, 3, 4, 4], Init.Uniform(0.3f));
        _token = Parameter("cls_token", [1, 1, Width], Init.Uniform(1));
        _place = Parameter("pos_embed", [1, tokens + 1, Width], Init.Uniform(1));
        _qkv = Parameter("qkv_weight", [3 * Width, Width], Init.Uniform(0.5f));
        _out = Parameter("proj_weight", [Width, Width], Init.Uniform(0.5f));
        _gain = Parameter("norm_weight", [Width], Init.Uniform(1));
        _shift = Parameter("norm_bias", [Width], Init.Uniform(1));
        _up = Parameter("fc1_weight", [2 * Width, Width], Init.Uniform(0.5f));
        _down = Parameter("fc2_weight", [Width, 2 * Width], Init.Uniform(0.5f));
        _head = Parameter("head_weight", [5, Width], Init.Uniform(0.5f));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var batch = x.Shape[0];
        var tokens = x.Conv2d(_patch, null, stride: 4).Flatten(1, 2);
        tokens = TensorOps.Concat([_token.Expand([batch, -1, -1]), tokens], 1) + _place;
        tokens += Attend(tokens.LayerNorm(_gain, _shift));
        tokens += tokens.LayerNorm(_gain, _shift).Linear(_up).Gelu().Linear(_down);
        return tokens.LayerNorm(_gain, _shift).Slice(1, 0, 1).Reshape([batch, Width]).Linear(_head);
    }

    private Tensor Attend(Tensor x)
    {
        var (batch, count) = (x.Shape[0], x.Shape[1]);
        var qkv = x.Linear(_qkv).Reshape([batch, count, 3, Heads, Width / Heads]).Permute([2, 0, 3, 1, 4]).Split([1, 1, 1], 0);
        var (q, k, v) = (qkv[0].Squeeze(0), qkv[1].Squeeze(0), qkv[2].Squeeze(0));
        var y = _fused ? q.Attention(k, v) : (q * 0.5f).MatMul(k.Permute([0, 1, 3, 2])).Softmax(-1).MatMul(v);
        return y.Permute([0, 2, 1, 3]).Reshape([batch, count, Width]).Linear(_out);
    }
}

/// <summary>Windows as in Swin: cut, shift, put together, between convolutions.</summary>
internal sealed class TinyWindows : Module
{
    private const int Width = 8, Side = 4;
    private readonly Tensor _stem, _mix, _gain, _shift, _depthwise;

    public TinyWindows()
    {
        _stem = Parameter("stem_weight", [Width, 3, 2, 2], Init.Uniform(0.5f));
        _mix = Parameter("mix_weight", [Width, Width], Init.Uniform(0.5f));
        _gain = Parameter("norm_weight", [Width], Init.Uniform(1));
        _shift = Parameter("norm_bias", [Width], Init.Uniform(1));
        _depthwise = Parameter("dw_weight", [Width, 1, 3, 3], Init.Uniform(0.5f));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = x.Conv2d(_stem, null, stride: 2).LayerNorm(_gain, _shift);
        var (n, h, w) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        var rolled = TensorOps.Concat([x.Slice(1, 2), x.Slice(1, 0, 2)], 1);
        var windows = rolled.Reshape([n, h / Side, Side, w / Side, Side, Width]).Permute([0, 1, 3, 2, 4, 5]).Reshape([-1, Side * Side, Width]);
        windows = windows.Linear(_mix).Softmax(1);
        var back = windows.Reshape([n, h / Side, w / Side, Side, Side, Width]).Permute([0, 1, 3, 2, 4, 5]).Reshape([n, h, w, Width]);
        x += back;
        return (x + x.Conv2d(_depthwise, null, stride: 1, padding: (1, 1, 1, 1), groups: Width).Silu()).Mean([1, 2]);
    }
}

/// <summary>Down and up again, with a gate: what detection and segmentation networks do with sizes.</summary>
internal sealed class TinyPyramid : Module
{
    private readonly Tensor _stem, _deep, _lateral, _squeeze, _head;

    public TinyPyramid()
    {
        _stem = Parameter("stem_weight", [6, 3, 3, 3], Init.Uniform(0.4f));
        _deep = Parameter("deep_weight", [6, 6, 3, 3], Init.Uniform(0.4f));
        _lateral = Parameter("lateral_weight", [6, 6, 1, 1], Init.Uniform(0.4f));
        _squeeze = Parameter("squeeze_weight", [6, 6], Init.Uniform(0.4f));
        _head = Parameter("head_weight", [4, 12, 1, 1], Init.Uniform(0.4f));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var fine = x.Conv2d(_stem, null, stride: 2, padding: (1, 1, 1, 1)).Relu();
        var coarse = fine.Conv2d(_deep, null, stride: 2, padding: (1, 1, 1, 1)).GroupNorm(2).HardSwish();
        var gate = coarse.AdaptiveAvgPool2d(1).Flatten(1).Linear(_squeeze).Sigmoid().Reshape([x.Shape[0], 1, 1, 6]);
        var up = (coarse * gate).Interpolate((fine.Shape[1], fine.Shape[2]), InterpolationMode.Bilinear);
        return TensorOps.Concat([fine.Conv2d(_lateral), up], 3).Conv2d(_head);
    }
}
