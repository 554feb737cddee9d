// The part of a trace's section that one selector drives: its figures, pictures and tables.
const ALL = "";

class Section {
  constructor(box, data) {
    this.box = box;
    this.data = data;
    this.run = new Run(data);
    this.part = { phase: null, component: null, iteration: null, step: null, ...data.start };
    this.long = {};
    this.pictures = [];
    this.title = box.querySelector("h2, h3");
    this.selector = new Selector(this);
    this.figures = element("dl", { className: "figures small" });
    this.note = element("p", { className: "dim totals" });
    this.note.hidden = true;
    box.querySelector(".selector").replaceChildren(this.selector.box, this.figures, this.note);
    box.querySelectorAll(".without-script").forEach((folded) => folded.remove());
    box.querySelectorAll("[data-picture]").forEach((place) => this.addPicture(place));
    this.show();
  }

  addPicture(place) {
    const picture = PICTURES[place.dataset.picture]?.(this, place);
    if (!picture) return place.remove();
    place.querySelectorAll(".numbers").forEach((numbers) => (numbers.open = false));
    return this.pictures.push({ place, picture });
  }

  select(change) {
    this.part = { ...this.part, ...change };
    this.show();
  }

  get isKept() {
    return this.run.isKept(this.part);
  }

  show() {
    this.selector.show();
    const kept = this.isKept;
    this.tables = kept ? tablesOf(this.run, this.part) : null;
    this.showNote(kept);
    this.box.querySelectorAll("[data-table]").forEach((place) => this.showTable(place, kept));
    for (const { picture } of this.pictures) picture.show?.();
  }

  showNote(kept) {
    this.note.hidden = kept;
    this.figures.replaceChildren(...(kept ? this.wholeFigures() : this.totalFigures()));
    if (kept) return;
    const { iterations, steps } = this.run.kept;
    const list = (numbers) => numbers.map((number) => number + 1).join(", ");
    const kinds = [`${this.data.noun}s ${list(iterations)}`, ...(steps.length ? [`steps ${list(steps)}`] : [])];
    this.note.textContent =
      `This page holds totals of this choice, no tables. It holds the tables of ${kinds.join(" and ")} ` +
      "(the first, the median and the slowest).";
  }

  wholeFigures() {
    const { figures, idle } = this.tables;
    const found = [["Wall time", duration(figures.wall_us)]];
    if (!this.data.hasDevice) return found.map(figureElement);
    if (figures.busy_us !== null) found.push(["GPU busy", duration(figures.busy_us)]);
    else found.push(["GPU time", duration(figures.gpu_us)]);
    found.push(["GPU idle", duration(sum(idle.map((row) => row.us)))]);
    found.push(["Launches", count(figures.launches)]);
    found.push(["Kernels, copies, fills", count(figures.events)]);
    return found.map(figureElement);
  }

  totalFigures() {
    const totals = totalsOf(this.run, this.part);
    if (!totals) return [];
    return [["GPU time", duration(totals.gpu_us)], ["Kernels, copies, fills", count(totals.events)]].map(figureElement);
  }

  showTable(place, kept) {
    const id = place.dataset.table;
    const records = kept ? this.tables[id] : [];
    if (records === null) return;
    place.hidden = !records.length;
    if (!records.length) return;
    const body = place.querySelector("[data-body]");
    const anchor = place.querySelector("h2, h3, h4").id;
    const table = this.data.tables[id];
    if (!table.isLong) {
      body.replaceChildren(scrollable(anchor, shortTable(table, records)));
      return;
    }
    if (!this.long[id]) {
      this.long[id] = new LongTable(table, anchor);
      body.replaceChildren(this.long[id].box);
    }
    this.long[id].show(records);
  }
}

const figureElement = ([name, value]) =>
  element("div", {}, element("dt", {}, name), element("dd", { className: "value" }, unbroken(value)));
