#!/usr/bin/env python3
"""Where the time of a network goes, ours beside ONNX Runtime's, by kind of node, as Markdown.

    profile_peers.py PEERS 'dotnet vertebra.dll' BATCH [MODEL ...]

PEERS is the set-up folder of the peers (its .work/onnx/MODEL_bBATCH.onnx exist: bench.py ort export MODEL --batch BATCH). Milliseconds
are medians of a node's times, summed over the nodes of a kind; "limit" is what this machine's multiply-add peak or memory would
take at least for our nodes (a mobile block's convolutions are theirs of 1x1 and depthwise), and "roofline" the share of it that our whole network reaches.
"""
import collections, glob, json, os, statistics, subprocess, sys, tempfile

MODELS = ["resnet18", "resnet50", "resnext50_32x4d", "densenet121", "vgg11_bn", "mobilenetv2_100", "mobilenetv3_large_100",
          "efficientnet_b0", "regnety_004", "convnext_tiny", "vit_base_patch16_224", "swin_tiny_patch4_window7_224"]
KINDS = ["first conv", "conv 1x1", "conv KxK", "grouped", "depthwise", "mobile block", "linear", "attention", "norm, softmax", "pool, mean", "other"]


def ours(command, model, batch):
    out = subprocess.run([*command.split(), "bench", model, "--batch", str(batch), "--explain", "--json"], check=True, capture_output=True, text=True).stdout
    result = json.loads(out.strip().splitlines()[-1])
    times, limits = collections.Counter(), collections.Counter()
    nodes = []
    for node in result["nodes"]:
        kind = our_kind(node)
        times[kind] += node["ms"]
        limits[kind] += node["ms"] * min(1, node.get("share_of_limit") or 0)
        nodes.append((node["ms"] * (1 - min(1, node.get("share_of_limit") or 0)), model, node["module"] or node["op"], node.get("text") or node["op"], node["method"] or "", node["ms"], node.get("share_of_limit") or 0))
    return times, limits, result["roofline_fraction"], nodes


def our_kind(node):
    text, op = node.get("text") or "", node["op"]
    if op == "InvertedResidual":
        return "mobile block"
    if "Conv" in op:
        if node.get("method") == "first layer":
            return "first conv"
        if node.get("method") == "depthwise":
            return "depthwise"
        if node.get("method") == "grouped":
            return "grouped"
        return "conv 1x1" if text.startswith("conv 1x1") else "conv KxK"
    if "Linear" in op:
        return "linear"
    if "Attention" in op or op == "MatMul":
        return "attention"
    if "Norm" in op or "Softmax" in op:
        return "norm, softmax"
    if "Pool" in op or op == "Mean":
        return "pool, mean"
    return "other"


def theirs(peers, model, batch, threads):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["node", os.path.join(os.path.dirname(__file__), "ort_profile.js"), os.path.join(peers, ".work", "node_modules"),
                        os.path.join(peers, ".work", "onnx", f"{model}_b{batch}.onnx"), str(batch), str(threads), os.path.join(folder, "p")], check=True)
        events = json.load(open(glob.glob(os.path.join(folder, "p*.json"))[0]))
    runs = collections.defaultdict(list)
    kinds = {}
    for event in events:
        args = event.get("args", {})
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            runs[event["name"]].append(event["dur"] / 1000)
            kinds[event["name"]] = their_kind(args)
    times = collections.Counter()
    for name, durations in runs.items():
        times[kinds[name]] += statistics.median(durations[3:] or durations)
    return times


def their_kind(args):
    op = args["op_name"]
    shapes = [list(s.values())[0] for s in args.get("input_type_shape", [])]
    if "Conv" in op and len(shapes) > 1:
        image, weight = shapes[0], shapes[1]
        groups = image[1] // weight[1] if weight[1] else 1
        if image[1] <= 4:
            return "first conv"
        if groups > 1:
            return "depthwise" if weight[1] == 1 else "grouped"
        return "conv 1x1" if weight[2:] == [1, 1] else "conv KxK"
    if op in ("Gemm", "FusedGemm"):
        return "linear"
    if op in ("MatMul", "FusedMatMul"):
        return "linear" if len(shapes) > 1 and len(shapes[1]) == 2 else "attention"
    if "Attention" in op:
        return "attention"
    if "Norm" in op or "Softmax" in op:
        return "norm, softmax"
    if "Pool" in op or op == "ReduceMean":
        return "pool, mean"
    return "other"


def main():
    peers, command, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])
    models = sys.argv[4:] or MODELS
    print("| network | " + " | ".join(KINDS) + " | sum | limit | roofline |")
    print("|---|" + "---:|" * (len(KINDS) + 3))
    losses = []
    for model in models:
        mine, limits, roofline, nodes = ours(command, model, batch)
        other = theirs(peers, model, batch, os.cpu_count())
        losses += nodes
        cells = [f"{mine[k]:.1f} / {other[k]:.1f}" if mine[k] or other[k] else "" for k in KINDS]
        print(f"| {model} | " + " | ".join(cells) + f" | {sum(mine.values()):.1f} / {sum(other.values()):.1f} | {sum(limits.values()):.1f} | {100 * roofline:.0f} % |", flush=True)
    print("\n| lost, ms | network | node | op | kernel | ms | share of the limit |")
    print("|---:|---|---|---|---|---:|---:|")
    for lost, model, module, text, method, ms, share in sorted(losses, reverse=True)[:10]:
        print(f"| {lost:.2f} | {model} | {module} | {text} | {method} | {ms:.2f} | {100 * share:.0f} % |")


main()
