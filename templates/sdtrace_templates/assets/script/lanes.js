// What the timeline draws, row by row: bands, lanes of streams and threads, causes of idle time.
const BAND = 16;
const LEVEL = 14;
const MOST_DEPTH = 6;
const MOST_BIN = 6;

class Lanes {
  constructor(run, data, events) {
    this.run = run;
    this.data = data;
    this.events = events;
    this.rows = rowsOfEvents(events, data.events);
    this.list = this.laidOut();
    this.height = this.list.at(-1).y + this.list.at(-1).height + 2;
  }

  laidOut() {
    const { data, run } = this;
    const list = [{ title: "Phase", height: BAND, draw: "phases" }];
    if (data.iterations[0].length) list.push({ title: `${capitalized(data.noun)}s`, height: BAND, draw: "iterations" });
    if (data.steps[0].length) list.push({ title: "Steps", height: BAND, draw: "steps" });
    if (run.components.length) list.push({ title: "Components", height: BAND, draw: "components" });
    data.lanes.forEach(({ label, isStream }, lane) => {
      const depths = this.rows.filter((row) => row.lane === lane).map((row) => row.depth);
      const levels = isStream ? 1 : Math.min(MOST_DEPTH, Math.max(0, ...depths) + 1);
      list.push({ title: isStream ? `GPU ${label}` : label, height: Math.max(BAND, levels * LEVEL), lane, levels });
    });
    if (data.idle.length) list.push({ title: "GPU idle", height: BAND + 8, draw: "idle" });
    let y = 0;
    for (const each of list) {
      each.y = y;
      y += each.height + 4;
    }
    return list;
  }

  // The iteration whose every event is known and that holds most of a view.
  exactIn(from, to) {
    return this.data.events.find((span) => span.start < to && span.end > from) ?? null;
  }

  draw(context, view) {
    for (const lane of this.list) {
      if (lane.draw) this[lane.draw](context, view, lane);
      else this.lane(context, view, lane);
    }
  }

  spans(context, view, { y, height }, [start, end, number], style, words) {
    start.forEach((from, i) => {
      if (end[i] < view.from || from > view.to) return;
      const [a, b] = [view.x(from), view.x(end[i])];
      context.fillStyle = style(number[i]);
      context.fillRect(a, y, Math.max(1, b - a - (b - a > 3 ? 1 : 0)), height);
      write(context, words(number[i]), a, b, y + 12, view);
    });
  }

  phases(context, view, lane) {
    const { edges, phases } = this.data;
    const spans = [edges.slice(0, -1), edges.slice(1), phases];
    const names = this.run.phases;
    this.spans(context, view, lane, spans, (code) => PHASE_COLOURS[phaseStyle(names[code])], (code) => names[code]);
  }

  iterations(context, view, lane) {
    this.spans(context, view, lane, this.data.iterations, () => LANE_COLOURS[0], (number) => String(number + 1));
  }

  steps(context, view, lane) {
    const style = (number) => STEP_COLOURS[number % 2];
    this.spans(context, view, lane, this.data.steps, style, (number) => String(number + 1));
  }

  components(context, view, lane) {
    const { components } = this.run;
    const names = this.data.componentNames;
    const style = (code) => COMPONENT_COLOURS[components.indexOf(names[code]) % COMPONENT_COLOURS.length];
    this.spans(context, view, lane, this.data.components, style, (code) => names[code]);
  }

  // Bins of summed causes; the very gaps where they are known and a bin is wide.
  idle(context, view, lane) {
    const width = (this.data.end - this.data.start) / this.data.bins;
    const gaps = this.gapRows(view);
    for (let bin = view.firstBin; bin <= view.lastBin; bin += 1) {
      const [from, to] = [this.data.start + bin * width, this.data.start + (bin + 1) * width];
      if (gaps.some(({ span }) => span.start < to && span.end > from)) continue;
      const [a, b] = view.bin(bin);
      let top = lane.y;
      this.data.idle.forEach(({ ns }, place) => {
        const high = Math.min(1, ns[bin] / width) * lane.height;
        context.fillStyle = idleColour(this.data.idle, place);
        context.fillRect(a, top, b - a, high);
        top += high;
      });
    }
    this.gaps(context, view, lane);
  }

  gapRows(view) {
    const isWide = view.binSize * view.width > MOST_BIN * (view.to - view.from);
    return isWide ? this.rows.filter(({ lane }) => lane === this.data.lanes.length) : [];
  }

  gaps(context, view, { y, height }) {
    const { events } = this;
    for (const row of this.gapRows(view)) {
      for (let i = firstEnding(events, row, view.from); i < row.stop && events.start[i] < view.to; i += 1) {
        const [a, b] = [view.x(events.start[i]), view.x(events.start[i] + events.dur[i])];
        context.fillStyle = idleColour(this.data.idle, this.causePlace(events.kind[i]));
        context.globalAlpha = Math.min(1, b - a);
        context.fillRect(a, y, Math.max(1, b - a), height);
      }
    }
    context.globalAlpha = 1;
  }

  // Where a cause stands in the legend; past the last for what is not in it.
  causePlace(code) {
    const place = this.data.idle.findIndex((each) => each.code === code);
    return place < 0 ? IDLE_COLOURS.length : place;
  }

  // A lane: bins where events are not known, else events; those below a pixel add up to how dark it is.
  lane(context, view, lane) {
    const { isStream, busy } = this.data.lanes[lane.lane];
    const exact = this.rows.filter((row) => row.lane === lane.lane && row.depth < lane.levels);
    const known = this.data.events.filter((span) => span.start < view.to && span.end > view.from);
    const colour = LANE_COLOURS[Number(isStream)];
    const size = (this.data.end - this.data.start) / this.data.bins;
    for (let bin = view.firstBin; bin <= view.lastBin; bin += 1) {
      const [from, to] = [this.data.start + bin * size, this.data.start + (bin + 1) * size];
      if (known.some((span) => span.start <= from && span.end >= to)) continue;
      const [a, b] = view.bin(bin);
      context.globalAlpha = Math.min(1, busy[bin] / size);
      context.fillStyle = colour;
      context.fillRect(a, lane.y, b - a, lane.height);
    }
    context.globalAlpha = 1;
    for (const span of known) context.clearRect(view.x(span.start), lane.y, view.x(span.end) - view.x(span.start), lane.height);
    for (const row of exact) this.row(context, view, { ...lane, y: lane.y + (isStream ? 0 : row.depth * LEVEL) }, row, colour);
  }

  row(context, view, { y, levels }, row, colour) {
    const { events } = this;
    const height = levels === 1 ? BAND : LEVEL - 1;
    const busy = new Float64Array(Math.ceil(view.width) + 2);
    const add = (from, to) => {
      for (let x = Math.floor(from); x <= to && x < busy.length; x += 1) {
        if (x >= 0) busy[x] += Math.max(0, Math.min(to, x + 1) - Math.max(from, x));
      }
    };
    for (let i = firstEnding(events, row, view.from); i < row.stop && events.start[i] < view.to; i += 1) {
      const [a, b] = [view.x(events.start[i]), view.x(events.start[i] + events.dur[i])];
      if (b - a < 2) {
        add(a - view.left, b - view.left);
        continue;
      }
      context.fillStyle = colour;
      context.fillRect(a, y, b - a - 0.5, height);
      write(context, this.run.names[events.name[i]], a, b, y + 11, view);
    }
    context.fillStyle = colour;
    busy.forEach((share, x) => {
      if (!share) return;
      context.globalAlpha = Math.max(0.08, Math.min(1, share));
      context.fillRect(view.left + x, y, 1, height);
    });
    context.globalAlpha = 1;
  }

  // The event at a place, as words; null where there is none.
  at(x, y, view) {
    const instant = view.instant(x);
    const lane = this.list.find((each) => y >= each.y && y < each.y + each.height);
    if (!lane) return null;
    if (lane.draw === "idle") return this.gapAt(instant, view) ?? this.idleAt(instant);
    if (lane.draw) return null;
    const depth = lane.levels === 1 ? 0 : Math.floor((y - lane.y) / LEVEL);
    const slack = (view.to - view.from) / view.width;
    for (const row of this.rows) {
      if (row.lane !== lane.lane || row.depth !== depth) continue;
      const i = firstEnding(this.events, row, instant - slack);
      if (i < row.stop && this.events.start[i] <= instant + slack) return this.describe(i);
    }
    return null;
  }

  gapAt(instant, view) {
    for (const row of this.gapRows(view)) {
      const i = firstEnding(this.events, row, instant);
      if (i >= row.stop || this.events.start[i] > instant) continue;
      const known = this.data.idle.find(({ code }) => code === this.events.kind[i]);
      return `GPU idle: ${known?.cause ?? "another cause"} · ${duration(this.events.dur[i] / 1000)}`;
    }
    return null;
  }

  idleAt(instant) {
    const bin = Math.floor(((instant - this.data.start) / (this.data.end - this.data.start)) * this.data.bins);
    const parts = this.data.idle.filter(({ ns }) => ns[bin]).map(({ cause, ns }) => `${cause} ${duration(ns[bin] / 1000)}`);
    return parts.length ? `GPU idle: ${parts.join(", ")}` : null;
  }

  describe(i) {
    const { events, run } = this;
    const words = [run.names[events.name[i]], duration(events.dur[i] / 1000)];
    if (events.kind[i] >= 0) {
      const [op, , dims] = run.kinds.groups[run.kinds.group[events.kind[i]]];
      words.push(`by ${run.names[op]}`);
      if (run.names[dims]) words.push(`shapes ${run.names[dims]}`);
    }
    return words.join(" · ");
  }
}

// Dark enough for white letters, on paper of either colour.
const PHASE_COLOURS = {
  compile: "#0b5394",
  autotune: "#8a5200",
  capture: "#9a3b76",
  warmup: "#2c6f9b",
  steady: "#00694a",
  other: "#596069",
};
const STEP_COLOURS = ["#00694a", "#2b7f66"];
const LANE_COLOURS = ["#596069", "#1d5fa8"];
const COMPONENT_COLOURS = ["#0b5394", "#00694a", "#9a3b76", "#8a5200", "#5b4b9a", "#8d3a1f"];
const IDLE_COLOURS = ["#c23b22", "#b4488c", "#5aa7d8", "#7a6ac0", "#a08a5c", "#b0685a"];
const OTHER_IDLE = "#8a9098";

// A cause that is a phase has the phase's colour; gray is what the legend does not name.
const idleColour = (idle, place) => PHASE_COLOURS[idle[place]?.cause] ?? IDLE_COLOURS[place] ?? OTHER_IDLE;

const write = (context, words, from, to, y, view) => {
  const [a, b] = [Math.max(from, view.left), Math.min(to, view.left + view.width)];
  if (b - a < 26) return;
  context.fillStyle = "#fff";
  context.fillText(fitting(words, b - a - 6), a + 3, y);
};
