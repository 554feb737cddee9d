// Makes a long table complete, sortable and searchable.
const comparison = (column, descending) => (a, b) => {
  // A value that is missing comes last in either direction.
  const left = column < 0 ? a.name : a.keys[column];
  const right = column < 0 ? b.name : b.keys[column];
  if (left === null || right === null) return (left === null) - (right === null);
  const order = left < right ? -1 : left > right ? 1 : 0;
  return descending ? -order : order;
};

class Grid {
  constructor(box, rows, limit) {
    this.box = box;
    this.body = box.querySelector("tbody");
    this.descending = true;
    this.limit = limit;
    this.addTools();
    this.fill(rows);
  }

  // Other rows, under the headers that the table has now.
  fill(rows) {
    this.rows = rows;
    this.column = Number(this.box.dataset.sorted);
    this.headers = [...this.box.querySelectorAll("thead th")];
    this.classes = this.headers.slice(1).map((header) => header.className);
    this.headers.forEach((header, index) => this.makeSortable(header, index - 1));
    this.mark();
    this.show();
  }

  addTools() {
    const title = this.box.querySelector("caption").textContent.toLowerCase();
    this.input = element("input", { type: "search", placeholder: `Filter ${title}` });
    this.input.setAttribute("aria-label", `Filter ${title} by name`);
    this.input.addEventListener("input", () => this.show());
    this.status = element("output");
    this.more = element("button", { type: "button", className: "all" });
    this.more.addEventListener("click", () => {
      this.limit = this.rows.length;
      this.show();
    });
    this.box.querySelector(".status")?.remove();
    this.box.prepend(element("div", { className: "tools" }, this.input, this.status));
    this.box.append(this.more);
  }

  makeSortable(header, column) {
    const button = element("button", { type: "button" }, ...header.childNodes);
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      this.descending = this.column === column ? !this.descending : this.classes[column] === "n";
      this.column = column;
      this.mark();
      this.show();
    });
  }

  // Says of the header that it is sorted by, and of no other.
  mark() {
    this.headers.forEach((header, index) => {
      if (index - 1 !== this.column) header.removeAttribute("aria-sort");
      else header.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
    });
  }

  rowElement(row) {
    const head = element("th", { scope: "row" }, nameElement(row.name, row.short));
    const cells = row.cells.map((cell, i) => element("td", { className: this.classes[i] }, cell));
    return element("tr", {}, head, ...cells);
  }

  show() {
    const wanted = this.input.value.trim().toLowerCase();
    const found = this.rows.filter((row) => row.text.includes(wanted));
    found.sort(comparison(this.column, this.descending));
    const shown = found.slice(0, this.limit);
    this.body.replaceChildren(...shown.map((row) => this.rowElement(row)));
    const total = `${this.rows.length} ${this.rows.length === 1 ? "row" : "rows"}`;
    this.status.textContent = wanted ? `${found.length} of ${total}` : total;
    this.more.hidden = shown.length === found.length;
    this.more.textContent = `Show all ${found.length}`;
  }
}

const searchable = (row) =>
  [row.name, row.short, ...row.keys.filter((key) => typeof key === "string")].join(" ").toLowerCase();

// Rows that the page holds as texts.
const rowsOf = (data, anchor) =>
  data.tables[anchor].map(([name, short, keys, cells]) => {
    const row = { name: data.names[name], short: data.names[short], keys, cells };
    return { ...row, text: searchable(row) };
  });
