// From the speed of light to the wall of a steady iteration, one part below the other.
const PARTS = {
  roofline: ["needed", "p-steady"],
  lost: ["lost", "p-autotune"],
  unknown: ["unknown", "p-work"],
  idle: ["idle", "p-other"],
  overlap: ["at once", "p-other"],
};
const LEAST_SHARE = 0.015;
const NOISE = 1e-3;

PICTURES.waterfall = (section, place) => {
  const { waterfall, noun } = section.data;
  if (!waterfall) return null;
  return new Picture(place, (width) => drawWaterfall(waterfall, noun, width));
};

// Parts too small to see as one row each kind; what is noise is in the table alone.
const gathered = ({ parts }, whole) => {
  const rows = [];
  for (const kind of Object.keys(PARTS)) {
    const mine = parts.filter((part) => part.part === kind);
    const large = mine.filter((part) => Math.abs(part.us) >= LEAST_SHARE * whole);
    rows.push(...large);
    const rest = mine.filter((part) => !large.includes(part));
    if (rest.length === 1) rows.push(rest[0]);
    else if (rest.length) {
      const name = `${rest.length} ${large.length ? "more" : "parts"}`;
      rows.push({ part: kind, name, us: sum(rest.map((part) => part.us)) });
    }
  }
  return rows.filter((row) => Math.abs(row.us) >= NOISE * whole);
};

const drawWaterfall = (waterfall, noun, width) => {
  const whole = sum(waterfall.parts.map((part) => part.us));
  const rows = gathered(waterfall, whole);
  const [names, values, line] = [Math.min(230, width * 0.36), 66, 22];
  const room = width - names - values;
  const drawing = canvasOf(width, (rows.length + 1) * line + 6);
  let before = 0;
  const bar = (row, place, start, style, strong) => {
    const y = place * line;
    const x = names + (Math.min(start, start + row.us) / whole) * room;
    const shape = svg("rect", {
      class: style,
      x: x.toFixed(1),
      y: y + 4,
      width: Math.max(1, (Math.abs(row.us) / whole) * room).toFixed(1),
      height: line - 7,
    });
    drawing.append(
      titled(text(0, y + 16, fitting(row.said, names), strong ? { class: "strong" } : {}), row.said),
      titled(shape, `${row.said}: ${duration(row.us)}`),
      text(width, y + 16, unbroken(duration(row.us)), { "text-anchor": "end", ...(strong ? { class: "strong" } : {}) }),
    );
  };
  rows.forEach((row, place) => {
    const [kind, style] = PARTS[row.part];
    bar({ ...row, said: `${capitalized(kind)}: ${row.name}` }, place, before, style, false);
    before += row.us;
  });
  bar({ us: whole, said: `A steady ${noun}, as profiled` }, rows.length, 0, "p-ink", true);
  const of = (kind) => sum(waterfall.parts.filter((part) => part.part === kind).map((part) => part.us));
  const limits =
    of("roofline") < NOISE * whole
      ? ""
      : ` At the limits of ${waterfall.card} its work needs ${duration(of("roofline"))} (green). ` +
        `Slower kernels lose ${duration(of("lost"))} (orange).`;
  const unknown =
    of("unknown") < NOISE * whole ? "" : ` What the card needs for ${duration(of("unknown"))} of work is not known.`;
  const words =
    `A steady ${noun} takes ${duration(whole)} with the profiler.${limits} ` +
    `The GPU is idle for ${duration(of("idle"))}.${unknown}`;
  return { drawing, words };
};
