// The timeline: drag or arrows move it, + and - zoom, Home shows the whole run, . and , the next and last event.
const LEFT = 112;
const NARROW = 0;
const LEAST_VIEW = 1_000;

PICTURES.timeline = (section, place) => (section.run.timeline ? new TimelineView(section, place) : null);

class View {
  constructor(data, width) {
    this.data = data;
    [this.from, this.to] = [data.start, data.end];
    this.resize(width);
  }

  resize(width) {
    this.left = width > 600 ? LEFT : NARROW;
    this.width = Math.max(50, width - this.left);
    const style = getComputedStyle(document.documentElement);
    this.colours = {};
    this.colour = (name) => (this.colours[name] ??= style.getPropertyValue(`--${name}`).trim());
  }

  show(from, to) {
    const { start, end } = this.data;
    const size = Math.min(Math.max(to - from, LEAST_VIEW), end - start);
    this.from = Math.min(Math.max(from, start), end - size);
    this.to = this.from + size;
  }

  zoom(factor, around = (this.from + this.to) / 2) {
    this.show(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }

  move(share) {
    const by = (this.to - this.from) * share;
    this.show(this.from + by, this.to + by);
  }

  x(instant) {
    return this.left + ((instant - this.from) / (this.to - this.from)) * this.width;
  }

  instant(x) {
    return this.from + ((x - this.left) / this.width) * (this.to - this.from);
  }

  get binSize() {
    return (this.data.end - this.data.start) / this.data.bins;
  }

  get firstBin() {
    return Math.max(0, Math.floor((this.from - this.data.start) / this.binSize));
  }

  get lastBin() {
    return Math.min(this.data.bins - 1, Math.floor((this.to - this.data.start) / this.binSize));
  }

  bin(number) {
    const from = this.data.start + number * this.binSize;
    const [a, b] = [this.x(from), this.x(from + this.binSize)].map(Math.round);
    return [Math.max(this.left, a), Math.min(this.left + this.width, Math.max(b, a + 1))];
  }
}

class TimelineView {
  constructor(section, place) {
    this.section = section;
    this.data = { ...section.run.timeline, componentNames: section.data.componentNames, noun: section.data.noun };
    if (!document.getElementById(`${section.box.dataset.explored}-events`).textContent) this.data.events = [];
    this.room = place.querySelector(".drawing");
    this.canvas = element("canvas", { tabIndex: 0 });
    label(this.canvas, { role: "application", "aria-label": this.help(), "aria-describedby": `${section.box.dataset.explored}-said` });
    this.said = element("p", { className: "dim", id: `${section.box.dataset.explored}-said` });
    this.said.setAttribute("aria-live", "polite");
    this.table = element("div");
    this.room.replaceChildren(this.buttons(), this.canvas, this.legend(), this.said);
    this.room.after(element("details", { className: "numbers" }, element("summary", {}, "As a table"), this.table));
    this.listen();
    new ResizeObserver(() => this.room.clientWidth !== this.shownWidth && this.paint()).observe(this.room);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
    this.start(section.box.dataset.explored);
  }

  async start(source) {
    const packed = document.getElementById(`${source}-events`).textContent;
    const total = sum(this.data.events.map(({ count: size }) => size));
    this.events = columnsOf(packed ? await inflated(packed) : new Uint8Array(EVENT_COLUMNS.length), total);
    this.lanes = new Lanes(this.section.run, this.data, this.events);
    this.view = new View(this.data, this.room.clientWidth);
    this.follow();
    this.canvas.dataset.ready = "";
  }

  help() {
    return (
      "Timeline of the run. Arrow keys move it, plus and minus zoom, Home shows all of it, " +
      "full stop and comma go to the next and the previous piece of GPU work."
    );
  }

  buttons() {
    const box = element("div", { className: "switch" });
    const add = (title, work) => {
      const button = element("button", { type: "button" }, title);
      button.addEventListener("click", () => {
        work();
        this.paint();
      });
      box.append(button);
    };
    add("Zoom in", () => this.view.zoom(0.5));
    add("Zoom out", () => this.view.zoom(2));
    add("Whole run", () => this.view.show(this.data.start, this.data.end));
    for (const span of this.data.events) {
      const words = this.section.data.iterationLabels[span.iteration];
      const title = `${capitalized(this.section.data.noun)} ${span.iteration + 1}${words ? ` (${words})` : ""}`;
      add(title, () => this.view.show(span.start, span.end));
    }
    return box;
  }

  // What the colours of idle time mean.
  legend() {
    const chips = this.data.idle.map(({ cause }, place) => {
      const square = svg("svg", { width: 11, height: 11, "aria-hidden": "true" });
      square.append(svg("rect", { width: 11, height: 11, fill: idleColour(this.data.idle, place) }));
      return element("span", { className: "chip" }, square, ` ${cause}`);
    });
    return element("p", { className: "dim legend" }, ...(chips.length ? ["GPU idle: ", ...chips] : []));
  }

  listen() {
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => {
      this.drag = { x: event.offsetX, from: this.view.from, to: this.view.to };
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointerup", () => (this.drag = null));
    this.canvas.addEventListener("pointermove", (event) => this.pointer(event));
    this.canvas.addEventListener("dblclick", (event) => {
      this.view.zoom(0.25, this.view.instant(event.offsetX));
      this.paint();
    });
  }

  key(event) {
    const steps = {
      ArrowLeft: () => this.view.move(-0.2),
      ArrowRight: () => this.view.move(0.2),
      ArrowUp: () => this.view.zoom(0.6),
      ArrowDown: () => this.view.zoom(1 / 0.6),
      "+": () => this.view.zoom(0.6),
      "=": () => this.view.zoom(0.6),
      "-": () => this.view.zoom(1 / 0.6),
      Home: () => this.view.show(this.data.start, this.data.end),
      ".": () => this.step(1),
      ",": () => this.step(-1),
    };
    if (!steps[event.key] || event.ctrlKey || event.metaKey || event.altKey || !this.view) return;
    event.preventDefault();
    steps[event.key]();
    this.paint();
  }

  // Turning the wheel scrolls the page, unless Control is held or the timeline has the focus.
  wheel(event) {
    if (!this.view || !(event.ctrlKey || document.activeElement === this.canvas)) return;
    event.preventDefault();
    this.view.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.view.instant(event.offsetX));
    this.paint();
  }

  pointer(event) {
    if (!this.view) return;
    if (this.drag) {
      const by = ((this.drag.x - event.offsetX) / this.view.width) * (this.drag.to - this.drag.from);
      this.view.show(this.drag.from + by, this.drag.to + by);
      this.paint();
      return;
    }
    const found = this.lanes.at(event.offsetX, event.offsetY, this.view);
    this.canvas.title = found ?? "";
    if (found) this.say(found);
  }

  // The next or previous piece of GPU work: it is put into the middle, and described.
  step(by) {
    const span = this.lanes.exactIn(this.view.from, this.view.to);
    const streams = this.lanes.rows.filter((row) => row.span === span && this.data.lanes[row.lane]?.isStream);
    const row = streams.reduce((most, each) => (each.stop - each.first > (most ? most.stop - most.first : 0) ? each : most), null);
    if (!row) return;
    const middle = (this.view.from + this.view.to) / 2;
    const nearest = this.chosen >= row.first && this.chosen < row.stop ? this.chosen + by : firstEnding(this.events, row, middle);
    this.chosen = Math.min(Math.max(nearest, row.first), row.stop - 1);
    const [start, dur] = [this.events.start[this.chosen], this.events.dur[this.chosen]];
    const half = Math.min((this.view.to - this.view.from) / 2, 20 * dur + LEAST_VIEW);
    this.view.show(start + dur / 2 - half, start + dur / 2 + half);
    this.spoken = this.lanes.describe(this.chosen);
  }

  say(words) {
    this.said.textContent = words;
  }

  show() {
    if (this.lanes) this.follow();
  }

  // What the selector chose.
  follow() {
    const { part, run } = this.section;
    const [start, end, number] = this.data.steps;
    const [iterationStart, iterationEnd] = this.data.iterations;
    const of = part.iteration ?? run.median;
    const inside = (i) => of === null || (start[i] >= iterationStart[of] && start[i] < iterationEnd[of]);
    const step = part.step === null ? -1 : number.findIndex((each, i) => each === part.step && inside(i));
    const exact = this.data.events.find(({ iteration }) => iteration === of);
    if (step >= 0) this.view.show(start[step], end[step]);
    else if (part.phase !== null && part.phase !== "steady" && part.iteration === null) this.showPhase(part.phase);
    else if (of !== null && (part.phase !== null || part.iteration !== null)) {
      this.view.show(iterationStart[of], exact?.end ?? iterationEnd[of]);
    } else this.view.show(this.data.start, this.data.end);
    this.spoken = null;
    this.paint();
  }

  showPhase(phase) {
    const { edges, phases } = this.data;
    const mine = phases.map((_, i) => i).filter((i) => phases[i] === this.section.run.phases.indexOf(phase));
    if (mine.length) this.view.show(edges[mine[0]], edges[mine.at(-1) + 1]);
  }

  paint() {
    if (!this.lanes || !this.room.clientWidth) return;
    const width = (this.shownWidth = this.room.clientWidth);
    this.view.resize(width);
    const height = this.lanes.height + 18;
    const scale = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * scale, height: height * scale });
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    context.font = "11px system-ui, sans-serif";
    this.lanes.draw(context, this.view);
    this.frame(context, width, height);
    this.say(this.spoken ?? this.words());
    this.spoken = null;
    this.showTable();
  }

  frame(context, width, height) {
    const { left } = this.view;
    if (left) context.clearRect(0, 0, left, height);
    context.fillStyle = this.view.colour("ink");
    for (const { title, y } of this.lanes.list) {
      if (left) context.fillText(fitting(title, left - 6), 0, y + 12);
    }
    const span = this.view.to - this.view.from;
    for (const tick of ticks(span)) {
      const x = this.view.left + (tick / span) * this.view.width;
      context.fillStyle = this.view.colour("other");
      context.fillRect(x, 0, 0.5, height - 16);
      context.fillStyle = this.view.colour("dim");
      const words = tick ? `+${duration(tick / 1000)}` : duration((this.view.from - this.data.start) / 1000);
      if (x < width - 50) context.fillText(words, x + 2, height - 4);
    }
  }

  words() {
    const { from, to } = this.view;
    const exact = this.data.events.find((span) => span.start <= from && span.end >= to);
    const shown = `${duration((to - from) / 1000)} from ${duration((from - this.data.start) / 1000)} on.`;
    if (!exact) {
      return `${shown} The darker, the busier: sums over ${duration(this.view.binSize / 1000)} each. Every event of ${this.known()} is known.`;
    }
    return `${shown} Every event is here${exact.isComplete ? "" : ", of CPU calls the outer levels"}. Point at one, or press full stop.`;
  }

  known() {
    const list = this.data.events.map(({ iteration }) => iteration + 1).join(", ");
    return list ? `${this.section.data.noun} ${list}` : `no ${this.section.data.noun}`;
  }

  // How busy each lane is in what is shown.
  showTable() {
    const { from, to } = this.view;
    const head = element("tr");
    for (const [title, className] of [["Lane", ""], ["Busy in view", "n"], ["Share", "n"]]) {
      head.append(element("th", { scope: "col", className }, title));
    }
    const rows = this.data.lanes.map(({ label: title, isStream, busy }, lane) => {
      const ns = this.busyIn(lane, busy, from, to);
      const cells = [duration(ns / 1000), share((100 * ns) / (to - from))];
      const name = element("th", { scope: "row" }, isStream ? `GPU ${title}` : title);
      return element("tr", {}, name, ...cells.map((cell) => element("td", { className: "n" }, unbroken(cell))));
    });
    const table = tableElement({ help: "How busy each lane is in the part shown" }, "", head, rows);
    this.table.replaceChildren(table);
  }

  busyIn(lane, busy, from, to) {
    const exact = this.data.events.find((span) => span.start <= from && span.end >= to);
    if (!exact) {
      const size = this.view.binSize;
      const held = (bin) => Math.max(0, Math.min(to, this.data.start + (bin + 1) * size) - Math.max(from, this.data.start + bin * size));
      return sum(busy.map((ns, bin) => (ns * held(bin)) / size));
    }
    let ns = 0;
    for (const row of this.lanes.rows) {
      if (row.span !== exact || row.lane !== lane || row.depth) continue;
      for (let i = firstEnding(this.events, row, from); i < row.stop && this.events.start[i] < to; i += 1) {
        ns += Math.min(to, this.events.start[i] + this.events.dur[i]) - Math.max(from, this.events.start[i]);
      }
    }
    return ns;
  }
}
