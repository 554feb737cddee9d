// Components, modules, ops and kernels: each as wide as its share of the time, what it calls below it.
const ROW = 20;
const MOST_LEVELS = 14;
const MOST_CALLED = 12;

PICTURES.icicle = (section, place) => (section.run.calls ? new Icicle(section, place) : null);

class Icicle {
  constructor(section, place) {
    this.section = section;
    this.calls = section.run.calls;
    this.measure = section.data.hasDevice ? "device" : "host";
    this.root = null;
    this.called = element("div");
    this.path = element("p", { className: "path" });
    const room = place.querySelector(".drawing");
    room.before(this.switches(section.data.hasDevice), this.path);
    room.after(label(element("details", { className: "numbers" }, element("summary", {}, "As a table"), this.called), {}));
    this.picture = new Picture(place, (width) => this.draw(width));
  }

  switches(hasDevice) {
    const box = element("div", { className: "switch" });
    if (!hasDevice) return box;
    for (const [measure, title] of [["device", "GPU time"], ["host", "CPU time"]]) {
      const button = element("button", { type: "button" }, title);
      button.setAttribute("aria-pressed", String(measure === this.measure));
      button.addEventListener("click", () => {
        this.measure = measure;
        box.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
        this.show();
      });
      box.append(button);
    }
    return box;
  }

  // Cells of the part; of several steady iterations the median one alone.
  cells() {
    const { part, run } = this.section;
    const one = part.iteration === null && run.median !== null && [null, "steady"].includes(part.phase);
    return run.cellsOf(one ? { ...part, iteration: part.step === null ? run.median : part.iteration } : part);
  }

  // Time of every node with all that it calls, and its children, longest first.
  measured() {
    const { parent, node, cell } = this.calls;
    const cells = this.cells();
    const total = parent.map(() => 0);
    node.forEach((number, i) => cells[cell[i]] && (total[number] += this.calls[this.measure][i]));
    const children = parent.map(() => []);
    const roots = [];
    for (let number = parent.length - 1; number >= 0; number -= 1) {
      if (parent[number] >= 0) total[parent[number]] += total[number];
      if (total[number]) (parent[number] >= 0 ? children[parent[number]] : roots).push(number);
    }
    for (const list of [roots, ...children]) list.sort((a, b) => total[b] - total[a]);
    return { total, children, roots };
  }

  show() {
    this.tree = this.measured();
    if (this.root !== null && !this.tree.total[this.root]) this.root = null;
    this.showPath();
    this.showCalled();
    this.picture.show();
  }

  name(number) {
    return this.section.run.names[this.calls.names[number]];
  }

  zoom(number) {
    this.root = number;
    this.show();
  }

  link(number, words) {
    const button = element("button", { type: "button", className: "all" }, words);
    button.addEventListener("click", () => this.zoom(number));
    return button;
  }

  showPath() {
    const steps = [];
    for (let at = this.root; at !== null && at >= 0; at = this.calls.parent[at]) steps.unshift(this.link(at, this.name(at)));
    this.path.replaceChildren(this.link(null, "All"), ...steps.flatMap((step) => [" › ", step]));
  }

  showCalled() {
    const { total, children, roots } = this.tree;
    const whole = sum(roots.map((root) => total[root]));
    const held = this.root === null ? roots : children[this.root];
    const rows = held.slice(0, MOST_CALLED).map((number) => {
      const cells = [duration(total[number] / 1000), share((100 * total[number]) / whole)];
      const head = element("th", { scope: "row" }, children[number].length ? this.link(number, this.name(number)) : this.name(number));
      return element("tr", {}, head, ...cells.map((cell) => element("td", { className: "n" }, unbroken(cell))));
    });
    const head = element("tr");
    for (const [title, className] of [["Called", ""], ["Time", "n"], ["Share", "n"]]) {
      head.append(element("th", { scope: "col", className }, title));
    }
    this.called.replaceChildren(tableElement({ help: "What the chosen one calls" }, "", head, rows));
  }

  draw(width) {
    const { total, children, roots } = this.tree;
    const top = this.root === null ? roots : [this.root];
    const whole = sum(top.map((number) => total[number]));
    const drawing = canvasOf(width, ROW);
    let deepest = 0;
    const place = (number, x, depth, style) => {
      const wide = (total[number] / whole) * width;
      if (wide < 0.7 || depth >= MOST_LEVELS) return;
      deepest = Math.max(deepest, depth);
      drawing.append(this.box(number, { x, wide, depth, style, whole }));
      let at = x;
      for (const child of children[number]) {
        place(child, at, depth + 1, style);
        at += (total[child] / whole) * width;
      }
    };
    let x = 0;
    top.forEach((number) => {
      place(number, x, 0, `c-${this.hue(number)}`);
      x += (total[number] / whole) * width;
    });
    drawing.setAttribute("height", (deepest + 1) * ROW);
    drawing.setAttribute("viewBox", `0 0 ${width} ${(deepest + 1) * ROW}`);
    return { drawing, words: this.words(top, whole) };
  }

  // The colour of a node is that of its component.
  hue(number) {
    let at = number;
    while (this.calls.parent[at] >= 0) at = this.calls.parent[at];
    const place = this.section.run.components.indexOf(this.name(at));
    return place < 0 ? "other" : place % 6;
  }

  box(number, { x, wide, depth, style, whole }) {
    const group = svg("g", { class: `node ${style}`, "data-depth": depth % 2 });
    const time = this.tree.total[number];
    const size = { x: x.toFixed(2), y: depth * ROW, width: Math.max(0.5, wide - 0.5).toFixed(2), height: ROW - 1 };
    group.append(svg("rect", size));
    if (wide > 30) group.append(text((x + 4).toFixed(1), depth * ROW + 14, fitting(this.name(number), wide - 8)));
    group.addEventListener("click", () => this.zoom(this.root === number ? null : number));
    return titled(group, `${this.name(number)}: ${duration(time / 1000)}, ${share((100 * time) / whole)}`);
  }

  words(top, whole) {
    if (!whole) return "Nothing was recorded here.";
    const what = this.measure === "device" ? "GPU time" : "CPU time";
    const held = this.root === null ? top : this.tree.children[this.root];
    const first = held.slice(0, 3).map((number) => `${this.name(number)} ${share((100 * this.tree.total[number]) / whole)}`);
    const { part, run, data } = this.section;
    const of = part.iteration ?? (part.step === null && [null, "steady"].includes(part.phase) ? run.median : null);
    const where = of === null ? "" : ` of ${data.noun} ${of + 1}`;
    return `${what}${where}: ${duration(whole / 1000)}, most in ${first.join(", ")}. Click to look inside.`;
  }
}
