#!/usr/bin/env python3
"""Turns the readings of the peers' compare.py (--json) into a table in the layout of timm's results/benchmark-*.csv.

    ./vertebra models --csv > models.csv
    bench/peers/results_csv.py readings.json models.csv > bench/results/infer-fp32-nhwc-cpu.csv

Times are medians in milliseconds, memory is the peak of the resident set in MB. The columns beyond timm's are the peers' readings of
the same rounds and their ratios to ours: above 1 we are faster, or need more memory.
"""
import csv, json, statistics, sys


def median(runs):
    return statistics.median(r["median_ms"] for r in runs) if runs else None


def peak(runs):
    return max(r.get("peak_rss_mb") or 0 for r in runs) if runs else None


def ratio(a, b):
    return f"{a / b:.3f}" if a and b else ""


def main():
    readings = json.load(open(sys.argv[1]))
    models = {row["model"]: row for row in csv.DictReader(open(sys.argv[2]))}
    mode = next(r["mode"] for e in readings for r in e["runs"]["ours"])
    peers = [p for p in readings[0]["runs"] if p != "ours"]
    head = ["model", f"{mode}_img_size", f"{mode}_samples_per_sec", f"{mode}_step_time", f"{mode}_batch_size", "param_count"]
    if mode == "infer":
        head += ["infer_gmacs", "infer_macts"]
    head += ["peak_rss_mb"] + [c for p in peers for c in (f"{p}_step_time", f"speedup_over_{p}")] + ["torch_peak_rss_mb", "memory_of_torch"]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(head)
    for e in readings:
        facts, runs = models[e["model"]], e["runs"]
        ours = median(runs["ours"])
        row = [e["model"], facts["input_size"].split("x")[-1], f"{1000 * e['batch'] / ours:.2f}", f"{ours:.3f}", e["batch"], facts["param_count"]]
        if mode == "infer":
            row += [facts["gmacs"], facts["macts"]]
        row.append(f"{peak(runs['ours']):.0f}")
        for p in peers:
            row += [f"{median(runs[p]):.3f}" if runs[p] else "", ratio(median(runs[p]), ours)]
        row += [f"{peak(runs['torch']):.0f}", ratio(peak(runs["ours"]), peak(runs["torch"]))]
        out.writerow(row)


main()
