// Memory of the device over time, and who held it when it was most.
PICTURES.memory = (section, place) => {
  const { memory } = section.run;
  if (!memory) return null;
  place.querySelector(".drawing").after(
    element("details", { className: "numbers", open: false }, element("summary", {}, "As a table"), heldTable(section)),
  );
  return new Picture(place, (width) => drawMemory(section, memory, width));
};

const heldOf = ({ run: { memory, names } }) => [
  ...memory.held.map(([component, op, size, blocks]) => ({ component, op: names[op], size, blocks })),
  ...(memory.before ? [{ component: "before the profile", op: "", size: memory.before, blocks: null }] : []),
];

const heldTable = (section) => {
  const { memory } = section.run;
  const head = element("tr");
  for (const [title, className] of [["Component", ""], ["Op", ""], ["At the peak", "n"], ["Share", "n"], ["Blocks", "n"]]) {
    head.append(element("th", { scope: "col", className }, title));
  }
  const rows = heldOf(section).map(({ component, op, size, blocks }) => {
    const numbers = [bytes(size), share((100 * size) / memory.peak), count(blocks)];
    const cells = numbers.map((number) => element("td", { className: "n" }, unbroken(number)));
    return element("tr", {}, element("th", { scope: "row" }, component), element("td", { className: "name" }, op), ...cells);
  });
  return scrollable(
    section.box.querySelector("[data-picture=memory] h3, [data-picture=memory] h4").id,
    tableElement({ help: "What held the memory at its peak" }, "", head, rows),
  );
};

const drawMemory = (section, memory, width) => {
  const [left, bottom, height, strip] = [64, 24, 180, 26];
  const drawing = canvasOf(width, height + bottom + strip);
  const y = (size) => height - ((height - 12) * size) / memory.peak;
  const x = (bin) => left + ((width - left) * bin) / memory.most.length;
  const unit = 1024 ** Math.max(0, Math.floor(Math.log(memory.peak) / Math.log(1024)));
  for (const tick of ticks(memory.peak / unit)) {
    drawing.append(
      svg("line", { class: "grid-line", x1: left, x2: width, y1: y(tick * unit), y2: y(tick * unit) }),
      text(left - 6, y(tick * unit) + 4, unbroken(bytes(tick * unit)), { "text-anchor": "end", class: "axis" }),
    );
  }
  const points = memory.most.map((size, bin) => `${x(bin).toFixed(1)},${y(size).toFixed(1)} ${x(bin + 1).toFixed(1)},${y(size).toFixed(1)}`);
  drawing.append(svg("polygon", { class: "p-warmup", points: `${left},${height} ${points.join(" ")} ${width},${height}` }));
  const whole = memory.end - memory.start || 1;
  const at = left + ((memory.peakAt - memory.start) / whole) * (width - left);
  drawing.append(
    svg("line", { class: "roof", x1: at, x2: at, y1: 8, y2: height }),
    text(Math.min(at + 4, width - 36), 16, "peak", { class: "axis" }),
  );
  for (const tick of ticks(whole)) {
    const place = left + (tick / whole) * (width - left);
    if (place < width - 40) drawing.append(text(place, height + 16, unbroken(duration((memory.start + tick) / 1000)), { class: "axis" }));
  }
  peakStrip(section, drawing, { left: 0, width, y: height + bottom + 4, height: strip - 6 });
  return { drawing, words: memoryWords(section) };
};

// The peak as one bar of its parts.
const peakStrip = (section, drawing, { left, width, y, height }) => {
  const { memory, components } = section.run;
  let x = left;
  for (const { component, op, size } of heldOf(section)) {
    const wide = (size / memory.peak) * width;
    const place = components.indexOf(component);
    const group = svg("g", { class: `c-${place < 0 ? "other" : place % 6}` });
    group.append(svg("rect", { class: "part", x: x.toFixed(1), y, width: Math.max(0.3, wide - 0.5).toFixed(1), height }));
    if (wide > 60) group.append(text(x + 4, y + 14, fitting(`${component} ${op}`.trim(), wide - 8), { class: "inside" }));
    drawing.append(titled(group, `${component} ${op}: ${bytes(size)}`));
    x += wide;
  }
};

const memoryWords = (section) => {
  const { memory } = section.run;
  const before = memory.before ? ` ${bytes(memory.before)} of it was there before the profile began.` : "";
  const [first] = heldOf(section).filter(({ op }) => op);
  const most = first ? ` Most of what was allocated since is from ${first.component}, ${first.op}: ${bytes(first.size)}.` : "";
  return `GPU ${memory.device} held at most ${bytes(memory.peak)}, ${duration(memory.peakAt / 1000)} into the run.${before}${most} The bar takes the peak apart.`;
};
