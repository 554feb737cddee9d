// Wall and device time of the denoising steps of one iteration.
PICTURES.steps = (section, place) => {
  const { steps } = section.data;
  if (!steps.length) return null;
  return new Picture(place, (width) => drawSteps(section, stepsShown(section), width));
};

const stepsShown = ({ part, run, data }) => {
  const iteration = part.iteration ?? run.median ?? 0;
  return { iteration, rows: data.steps.filter((step) => step.iteration === iteration) };
};

const drawSteps = (section, { iteration, rows }, width) => {
  const { noun, iterationLabels } = section.data;
  const named = iterationLabels[iteration];
  const title = `${capitalized(noun)} ${iteration + 1}${named ? ` (${named})` : ""}`;
  if (!rows.length) return { drawing: canvasOf(width, 10), words: `${title} has no steps.` };
  const [left, bottom, height] = [58, 24, 190];
  const longest = Math.max(...rows.map((row) => Math.max(row.wall_us, row.gpu_us)));
  const drawing = canvasOf(width, height + bottom);
  const y = (us) => height - ((height - 12) * us) / longest;
  for (const tick of ticks(longest)) {
    drawing.append(
      svg("line", { class: "grid-line", x1: left, x2: width, y1: y(tick), y2: y(tick) }),
      text(left - 6, y(tick) + 4, unbroken(duration(tick)), { "text-anchor": "end", class: "axis" }),
    );
  }
  const each = (width - left) / rows.length;
  const gap = each > 6 ? Math.min(8, each * 0.2) : 0;
  const every = Math.ceil(rows.length / Math.max(1, Math.floor((width - left) / 34)));
  rows.forEach((row, place) => {
    const x = left + place * each;
    const chosen = section.part.step === row.index;
    const group = svg("g", { class: chosen ? "chosen" : "", "data-step": row.index });
    for (const [us, style] of [[row.wall_us, "p-steady faint"], [row.gpu_us, "p-steady"]]) {
      const size = { x: (x + gap / 2).toFixed(1), width: Math.max(1, each - gap).toFixed(1) };
      group.append(svg("rect", { class: style, ...size, y: y(us).toFixed(1), height: (height - y(us)).toFixed(1) }));
    }
    titled(group, `Step ${row.index + 1}: ${duration(row.wall_us)}, GPU work ${duration(row.gpu_us)}, ${count(row.launches)} launches`);
    group.addEventListener("click", () => section.select({ iteration, step: chosen ? null : row.index }));
    drawing.append(group);
    if (place % every === 0) drawing.append(text(x + each / 2, height + 16, String(row.index + 1), { "text-anchor": "middle", class: "axis" }));
  });
  const walls = rows.map((row) => row.wall_us).sort((a, b) => a - b);
  const median = walls[(walls.length - 1) >> 1];
  const gpu = sum(rows.map((row) => row.gpu_us)) / sum(rows.map((row) => row.wall_us));
  const words =
    `${title}: ${count(rows.length)} steps, median ${duration(median)}, slowest ${duration(walls.at(-1))}. ` +
    `Full colour: GPU work, ${share(100 * gpu)} of the time of the steps.`;
  return { drawing, words };
};
