// Folds, unfolds, places and draws the boxes of a network. The grid (rows, columns, lanes, tracks) comes with the data and does
// not depend on what is unfolded; only widths and heights do. Placement.cs computes the same coordinates for SVG files.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("network").textContent);
  const m = data.measures;
  const svg = document.getElementById("drawing");
  const facts = document.getElementById("facts");
  const colourBy = document.getElementById("by");
  const root = data.root;
  const byId = new Map();
  let current = null; // the box that the keyboard is on
  let view = { x: 20, y: 20, scale: 1 };

  (function link(part, parent, level) {
    part.parent = parent;
    part.level = level;
    byId.set(part.id, part);
    for (const child of part.parts ?? []) link(child, part, level + 1);
  })(root, null, 0);

  // ---------------------------------------------------------------- placing

  const isOpen = part => part.open && part.parts !== undefined;
  const child = (part, item) => part.parts[item - part.inputs];
  const end = (part, item) => part !== root ? null
    : item < part.inputs ? part.inputTexts[item] : part.outputTexts[item - part.inputs - part.parts.length] ?? null;

  function place(part) {
    if (!isOpen(part)) {
      Object.assign(part, { w: part.width, h: m.boxHeight, axis: part.width / 2 });
      return;
    }
    part.parts.forEach(place);
    const left = Array(part.columns).fill(m.laneHalf), right = [...left];
    const heights = Array(part.tracks.length + 1).fill(0);
    part.items.forEach(([row, column], item) => {
      const box = child(part, item);
      const half = (end(part, item)?.width ?? 0) / 2;
      left[column] = Math.max(left[column], box ? box.axis : half);
      right[column] = Math.max(right[column], box ? box.w - box.axis : half);
      heights[row] = Math.max(heights[row], box ? box.h : part === root ? m.inputHeight : 0);
    });
    part.xs = [];
    let x = m.pad;
    for (let c = 0; c < part.columns; c++) {
      part.xs.push(x + left[c]);
      x = part.xs[c] + right[c] + m.columnGap;
    }
    part.axis = part.xs[0];
    part.w = Math.max(x - m.columnGap + m.pad, part === root ? 0 : part.axis + part.headerWidth);
    part.tops = [0];
    part.gaps = [];
    part.tracks.forEach((tracks, g) => {
      part.gaps.push(part.tops[g] + heights[g] + (g === 0 && part !== root ? m.header : 0));
      part.tops.push(part.gaps[g] + m.gap + m.trackStep * tracks);
    });
    part.h = part.tops.at(-1) + (part === root ? m.inputHeight : 0);
    part.items.forEach(([row, column], item) => {
      const box = child(part, item);
      if (box) Object.assign(box, { x: part.xs[column] - box.axis, y: part.tops[row] });
    });
  }

  function portX(part, port, isInput) {
    if (isOpen(part)) return part.xs[part.items[isInput ? port : part.inputs + part.parts.length + port][1]];
    const count = isInput ? part.inputs : part.outputs;
    return part.axis + (count < 2 ? 0 : port * Math.min(m.portStep, (part.w / 2 - 10) / (count - 1)));
  }

  function trace(part, wire, [to, port, lane, departure, arrival]) {
    const source = child(part, wire.from), target = child(part, to);
    const [fromRow, fromColumn] = part.items[wire.from], [toRow, toColumn] = part.items[to];
    const x1 = source ? source.x + portX(source, wire.port, false) : part.xs[fromColumn];
    const y1 = source ? source.y + source.h : part.tops[fromRow] + (part === root ? m.inputHeight : 0);
    const x2 = target ? target.x + portX(target, port, true) : part.xs[toColumn];
    const y2 = target ? target.y : part.tops[toRow];
    const track = (gap, n) => part.gaps[gap] + m.trackTop + m.trackStep * n;
    let path = `M${round(x1)} ${round(y1)}`, x = x1;
    if (departure >= 0) {
      x = part.xs[lane];
      path += `V${round(track(fromRow, departure))}H${round(x)}`;
    }
    if (arrival >= 0 && x !== x2) path += `V${round(track(toRow - 1, arrival))}H${round(x2)}`;
    return { path: path + `V${round(y2)}`, x: x1 - 5, y: y1 + 11 };
  }

  const round = n => Math.round(n * 10) / 10;

  // ---------------------------------------------------------------- drawing

  function make(parent, tag, attributes, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  }

  const share = part => root[colourBy.value] > 0 ? part[colourBy.value] / root[colourBy.value] : 0;
  const heat = s => 0.85 * Math.sqrt(s);
  const percent = s => (100 * s).toFixed(s < 0.1 ? 1 : 0) + " %";

  let stage;
  function draw() {
    const focused = svg.contains(document.activeElement);
    place(root);
    svg.replaceChildren();
    const marker = make(make(svg, "defs", {}), "marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" });
    make(marker, "path", { class: "arrow", d: "M0 0L8 4L0 8z" });
    make(svg, "rect", { class: "ground", width: "100%", height: "100%" });
    stage = make(svg, "g", { role: "none" });
    inside(stage, root);
    move();
    if (focused && current) current.element.focus({ preventScroll: true });
  }

  function inside(parent, part) {
    const ends = part.inputs + part.parts.length;
    const wires = make(parent, "g", { "aria-hidden": "true" });
    for (const wire of part.wires) {
      for (const branch of wire.to) {
        const path = make(wires, "path", { class: branch[2] >= 0 ? "wire skip" : "wire", d: trace(part, wire, branch).path });
        if (branch[0] < ends || part === root) path.setAttribute("marker-end", "url(#arrow)");
        path.dataset.ends = [child(part, wire.from)?.id, child(part, branch[0])?.id].join(" ");
      }
    }
    const boxes = make(parent, "g", { role: part === root ? "none" : "group" });
    part.parts.forEach(p => box(boxes, p));
    const labels = make(parent, "g", { "aria-hidden": "true" });
    for (const wire of part.wires) {
      if (wire.from < part.inputs || wire.to.every(b => b[0] >= ends)) continue;
      const { x, y } = trace(part, wire, wire.to[0]);
      make(labels, "text", { class: "shape", x: round(x), y: round(y), "text-anchor": "end" }, wire.shape);
    }
    if (part === root) {
      part.items.forEach(([row, column], item) => {
        const text = end(part, item);
        if (!text || child(part, item)) return;
        const x = part.xs[column], y = part.tops[row];
        make(labels, "rect", { class: "end", x: round(x - text.width / 2), y: round(y), width: text.width, height: m.inputHeight, rx: 13 });
        make(labels, "text", { class: "detail", x: round(x), y: round(y + 17), "text-anchor": "middle" }, text.text);
      });
    }
  }

  function box(parent, part) {
    const folds = part.parts !== undefined;
    const element = make(parent, "g", {
      class: "part", transform: `translate(${round(part.x)} ${round(part.y)})`, role: "treeitem", "aria-level": part.level, "data-id": part.id,
      tabindex: part === (current ?? root.parts[0]) ? 0 : -1,
      "aria-label": `${part.name}${part.detail && ", " + part.detail}, ${percent(share(part))} of the ${colourBy.selectedOptions[0].text}, gives ${part.shape}`,
    });
    part.element = element;
    if (folds) element.setAttribute("aria-expanded", String(isOpen(part)));
    if (isOpen(part)) {
      make(element, "rect", { class: `module level${part.level % 2}`, width: round(part.w), height: round(part.h), rx: 8 });
      inside(element, part);
      const head = make(element, "text", { x: round(part.axis + 12), y: 15, "aria-hidden": "true" });
      make(head, "tspan", { class: "name" }, part.name);
      make(head, "tspan", { class: "detail", dx: 8 }, part.detail);
      return;
    }
    make(element, "rect", { class: "box", width: part.w, height: part.h, rx: 6 });
    make(element, "rect", { class: "heat", width: part.w, height: part.h, rx: 6, "fill-opacity": heat(share(part)).toFixed(2) });
    make(element, "text", { class: "name", x: part.axis, y: part.detail ? 17 : 24, "text-anchor": "middle", "aria-hidden": "true" }, part.shortName + (folds ? " ⊞" : ""));
    make(element, "text", { class: "detail", x: part.axis, y: 32, "text-anchor": "middle", "aria-hidden": "true" }, part.shortDetail);
  }

  function tell(part) {
    const lines = [...(part.detail ? [part.detail] : []), `${part.ops} operation${part.ops === 1 ? "" : "s"}, output ${part.shape}`,
      `${part.q.toLocaleString("en")} parameters`, `${(part.m / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} M multiply-accumulates`];
    if (part.t !== undefined) lines.push(`${part.t.toFixed(3)} ms`);
    if (part.field) lines.push(`receptive field ${part.field}`);
    lines.push(`${percent(share(part))} of the ${colourBy.selectedOptions[0].text}`);
    const name = document.createElement("b");
    name.textContent = part.path === "" ? part.name : part.parts || part.path.endsWith(part.name) ? part.path : `${part.path} ${part.name}`;
    facts.replaceChildren(name, ...lines.flatMap((line, i) => i === 0 ? [line] : [document.createElement("br"), line]));
    for (const path of svg.querySelectorAll(".wire"))
      path.classList.toggle("lit", path.dataset.ends.split(" ").includes(String(part.id)));
  }

  function legend() {
    document.getElementById("legend").replaceChildren(...[0, 0.01, 0.05, 0.2, 0.5, 1].map(s => {
      const sample = document.createElement("i");
      sample.textContent = `${100 * s} %`;
      sample.style.background = `color-mix(in srgb, #e5672b ${100 * heat(s)}%, transparent)`;
      return sample;
    }));
  }

  // ---------------------------------------------------------------- moving about

  function move() {
    stage.setAttribute("transform", `translate(${round(view.x)} ${round(view.y)}) scale(${view.scale.toFixed(4)})`);
  }

  function zoom(factor, x = svg.clientWidth / 2, y = svg.clientHeight / 2) {
    const scale = Math.min(4, Math.max(0.05, view.scale * factor));
    view = { x: x - (x - view.x) * scale / view.scale, y: y - (y - view.y) * scale / view.scale, scale };
    move();
  }

  function fit() {
    const scale = Math.min(1.2, (svg.clientWidth - 40) / root.w, Math.max((svg.clientHeight - 40) / root.h, 0.7)); // smaller, and nothing could be read
    view = { x: (svg.clientWidth - root.w * scale) / 2, y: 20, scale };
    move();
  }

  function position(part) {
    let x = 0, y = 0;
    for (let p = part; p !== root; p = p.parent) {
      x += p.x;
      y += p.y;
    }
    return { x: view.x + x * view.scale, y: view.y + y * view.scale };
  }

  function reveal(part) {
    const { x, y } = position(part);
    const bottom = y + Math.min(part.h * view.scale, 80), right = x + Math.min(part.w * view.scale, 120);
    if (y < 10) view.y += 10 - y;
    else if (bottom > svg.clientHeight - 10) view.y -= bottom - svg.clientHeight + 10;
    if (x < 10) view.x += 10 - x;
    else if (right > svg.clientWidth - 10) view.x -= right - svg.clientWidth + 10;
    move();
  }

  // The box stays under the pointer while the others make room.
  function toggle(part) {
    if (!part.parts) return;
    const before = position(part);
    part.open = !part.open;
    draw();
    const after = position(part);
    view.x += before.x - after.x;
    view.y += before.y - after.y;
    move();
    focus(part, false);
  }

  function focus(part, scroll = true) {
    current?.element?.setAttribute("tabindex", -1);
    current = part;
    part.element.setAttribute("tabindex", 0);
    part.element.focus({ preventScroll: true });
    if (scroll) reveal(part);
    tell(part);
  }

  const shown = (part = root) => part.parts.flatMap(p => isOpen(p) ? [p, ...shown(p)] : [p]);

  function onKey(event) {
    const part = byId.get(Number(event.target.dataset?.id));
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const list = shown(), at = list.indexOf(part);
    const step = to => list[to] && focus(list[to]);
    const keys = {
      ArrowDown: () => step(at + 1),
      ArrowUp: () => step(at - 1),
      ArrowRight: () => part?.parts && (isOpen(part) ? focus(part.parts[0]) : toggle(part)),
      ArrowLeft: () => part && (isOpen(part) ? toggle(part) : part.parent !== root && focus(part.parent)),
      Enter: () => part && toggle(part),
      " ": () => part && toggle(part),
      Home: () => step(0),
      End: () => step(list.length - 1),
      "+": () => zoom(1.25),
      "-": () => zoom(0.8),
      0: fit,
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  let drag = null;
  svg.addEventListener("pointerdown", e => { drag = { x: e.clientX, y: e.clientY, moved: false }; });
  svg.addEventListener("pointermove", e => {
    if (!drag || !(e.buttons & 1)) return;
    const dx = e.clientX - drag.x, dy = e.clientY - drag.y;
    if (!drag.moved && Math.hypot(dx, dy) < 4) return;
    Object.assign(drag, { x: e.clientX, y: e.clientY, moved: true });
    svg.classList.add("dragging");
    view.x += dx;
    view.y += dy;
    move();
  });
  svg.addEventListener("click", e => {
    const wasDrag = drag?.moved;
    drag = null;
    svg.classList.remove("dragging");
    const part = byId.get(Number(e.target.closest?.(".part")?.dataset.id));
    if (wasDrag || !part) return;
    if (part.parts) toggle(part);
    else focus(part, false);
  });
  svg.addEventListener("pointerover", e => {
    const part = byId.get(Number(e.target.closest?.(".part")?.dataset.id));
    if (part && !drag?.moved) tell(part);
  });
  svg.addEventListener("focusin", e => {
    const part = byId.get(Number(e.target.dataset?.id));
    if (part && part !== current) focus(part);
  });
  svg.addEventListener("wheel", e => {
    e.preventDefault();
    const frame = svg.getBoundingClientRect();
    zoom(Math.exp(-e.deltaY * 0.0015), e.clientX - frame.left, e.clientY - frame.top);
  }, { passive: false });
  svg.addEventListener("keydown", onKey);

  const visible = part => { for (let p = part.parent; p && p !== root; p = p.parent) if (!isOpen(p)) return false; return true; };
  function redraw() {
    while (current && !visible(current)) current = current.parent;
    draw();
    fit();
  }
  document.getElementById("deeper").addEventListener("click", () => {
    for (const part of shown().filter(p => p.parts && !isOpen(p))) part.open = true;
    redraw();
  });
  document.getElementById("fold").addEventListener("click", () => {
    for (const part of byId.values()) if (part !== root) part.open = false;
    redraw();
  });
  document.getElementById("fit").addEventListener("click", fit);
  document.getElementById("in").addEventListener("click", () => zoom(1.25));
  document.getElementById("out").addEventListener("click", () => zoom(0.8));
  colourBy.addEventListener("change", draw);
  legend();
  draw();
  fit();
})();
