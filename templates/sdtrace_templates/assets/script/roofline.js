// Work by op and shape against the card's roofs, on logarithmic axes. The larger, the more device time.
const BOUNDS = { compute: "p-compile", memory: "p-steady", latency: "p-autotune" };
const MOST_POINTS = 400;
const LEAST_OF_LONGEST = 0.01;

PICTURES.roofline = (section, place) => {
  const { peaks } = section.data;
  if (!peaks) return null;
  return new Picture(place, (width) => drawRoofline(pointsOf(section), peaks, width));
};

const pointsOf = ({ tables }) =>
  (tables?.ops_by_shape ?? [])
    .filter((row) => row.flops > 0 && row.moved > 0 && row.device_us > 0)
    .map((row) => ({ ...row, intensity: row.flops / row.moved }))
    .sort((a, b) => b.device_us - a.device_us)
    .slice(0, MOST_POINTS)
    .filter((row, place, rows) => row.device_us >= LEAST_OF_LONGEST * rows[0].device_us);

const logScale = (low, high, from, to) => {
  const [a, b] = [Math.log10(low), Math.log10(high)];
  const at = (value) => from + ((Math.log10(value) - a) / (b - a)) * (to - from);
  at.powers = Array.from({ length: Math.floor(b + 1e-9) - Math.ceil(a - 1e-9) + 1 }, (_, i) => 10 ** (Math.ceil(a - 1e-9) + i));
  return at;
};

const short = (value) => (value >= 1 ? count(value) : String(Number(value.toPrecision(1))));

const drawRoofline = (points, peaks, width) => {
  if (!points.length) return { drawing: canvasOf(width, 10), words: "Nothing here has known operations and bytes." };
  const [left, bottom, height] = [52, 38, 260];
  const rates = Object.entries(peaks.flops).sort((a, b) => b[1] - a[1]);
  const top = rates[0]?.[1] ?? 1e12;
  const intensities = points.map((point) => point.intensity);
  const x = logScale(Math.min(0.1, ...intensities) / 1.3, Math.max(1000, ...intensities) * 1.3, left, width - 12);
  const slowest = Math.min(...points.map((point) => point.tflops));
  const y = logScale(Math.max(1e-6, Math.min(0.1, slowest)) / 1.5, (top / 1e12) * 2, height, 8);
  const drawing = canvasOf(width, height + bottom);
  for (const power of x.powers) {
    drawing.append(
      svg("line", { class: "grid-line", x1: x(power), x2: x(power), y1: 8, y2: height }),
      text(x(power), height + 15, short(power), { "text-anchor": "middle", class: "axis" }),
    );
  }
  for (const power of y.powers) {
    drawing.append(
      svg("line", { class: "grid-line", x1: left, x2: width - 12, y1: y(power), y2: y(power) }),
      text(left - 6, y(power) + 4, short(power), { "text-anchor": "end", class: "axis" }),
    );
  }
  drawing.append(
    text((left + width) / 2, height + 32, "operations per byte", { "text-anchor": "middle", class: "axis" }),
    text(left + 4, 18, "TFLOP/s", { class: "axis" }),
  );
  drawRoofs(drawing, { x, y, left, right: width - 12 }, peaks, rates);
  const longest = points[0].device_us;
  for (const point of points) {
    const radius = 2 + 10 * Math.sqrt(point.device_us / longest);
    const circle = svg("circle", {
      class: `point ${BOUNDS[point.bound] ?? "p-other"}`,
      cx: x(point.intensity).toFixed(1),
      cy: y(point.tflops).toFixed(1),
      r: radius.toFixed(1),
    });
    const reached = point.pct_of_peak === null ? "" : `, ${share(point.pct_of_peak)} of the peak`;
    drawing.append(titled(circle, `${point.op} ${point.input_dims}: ${duration(point.device_us)}${reached}`));
  }
  return { drawing, words: wordsOf(points) };
};

const drawRoofs = (drawing, { x, y, left, right }, peaks, rates) => {
  let free = -Infinity;
  for (const [dtype, perSecond] of rates) {
    const knee = Math.max(x(perSecond / peaks.memory), left);
    if (knee >= right) continue;
    const at = y(perSecond / 1e12);
    if (at < free) continue;
    free = at + 14;
    drawing.append(
      svg("line", { class: "roof", x1: knee, x2: right, y1: at, y2: at }),
      text(Math.min(knee, right - 60), at - 4, dtype, { class: "axis" }),
    );
  }
  const first = 10 ** Math.log10(x.powers[0]);
  const best = (rates[0]?.[1] ?? 1e12) / peaks.memory;
  const line = { x1: x(first), x2: x(best), y1: y((first * peaks.memory) / 1e12), y2: y((best * peaks.memory) / 1e12) };
  drawing.append(svg("line", { class: "roof", ...line }));
};

const wordsOf = (points) => {
  const whole = sum(points.map((point) => point.device_us));
  const known = points.filter((point) => point.pct_of_peak !== null);
  const near = sum(known.filter((point) => point.pct_of_peak >= 50).map((point) => point.device_us));
  const most = known.reduce((best, point) => (point.lost_us > (best?.lost_us ?? 0) ? point : best), null);
  const lost = most ? ` Most is lost in ${most.op}: ${duration(most.lost_us)} of ${duration(most.device_us)}.` : "";
  return (
    `${share((100 * near) / whole)} of this GPU time is spent at half the card's limit (the lines) or above.${lost} ` +
    "Blue: limited by arithmetic. Green: by memory. Orange: too short for either. Larger: more GPU time."
  );
};
