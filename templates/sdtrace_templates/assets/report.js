"use strict";
// Makes the long tables complete, sortable and searchable. Text only ever enters the page as text:
// nothing here parses a string as HTML, and the page's policy forbids it.
(() => {
  const unpack = async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  const nameCell = (row) => {
    const full = element(row.name === row.short ? "span" : "details", { className: "name" });
    if (row.name === row.short) full.append(row.name);
    else full.append(element("summary", {}, row.short), element("code", {}, row.name));
    return element("th", { scope: "row" }, full);
  };

  const rowElement = (row, classes) =>
    element("tr", {}, nameCell(row), ...row.cells.map((cell, i) => element("td", { className: classes[i] }, cell)));

  // A value that is missing comes last in either direction.
  const comparison = (column, descending) => (a, b) => {
    const left = column < 0 ? a.name : a.keys[column];
    const right = column < 0 ? b.name : b.keys[column];
    if (left === null || right === null) return (left === null) - (right === null);
    const order = left < right ? -1 : left > right ? 1 : 0;
    return descending ? -order : order;
  };

  class Grid {
    constructor(box, rows) {
      this.box = box;
      this.rows = rows;
      this.body = box.querySelector("tbody");
      this.headers = [...box.querySelectorAll("thead th")];
      this.classes = this.headers.slice(1).map((header) => header.className);
      this.column = Number(box.dataset.sorted);
      this.descending = true;
      this.limit = this.body.rows.length;
      this.addTools();
      this.headers.forEach((header, index) => this.makeSortable(header, index - 1));
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
        this.headers.forEach((other) => other.removeAttribute("aria-sort"));
        header.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
        this.show();
      });
    }

    show() {
      const wanted = this.input.value.trim().toLowerCase();
      const found = this.rows.filter((row) => row.text.includes(wanted));
      found.sort(comparison(this.column, this.descending));
      const shown = found.slice(0, this.limit);
      this.body.replaceChildren(...shown.map((row) => rowElement(row, this.classes)));
      const total = `${this.rows.length} ${this.rows.length === 1 ? "row" : "rows"}`;
      this.status.textContent = wanted ? `${found.length} of ${total}` : total;
      this.more.hidden = shown.length === found.length;
      this.more.textContent = `Show all ${found.length}`;
    }
  }

  const rowsOf = (data, anchor) =>
    data.tables[anchor].map(([name, short, keys, cells]) => ({
      name: data.names[name],
      short: data.names[short],
      keys,
      cells,
      text: [data.names[name], data.names[short], ...keys.filter((key) => typeof key === "string")]
        .join(" ")
        .toLowerCase(),
    }));

  const openTarget = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const folded = target?.closest("details.trace");
    if (folded) folded.open = true;
  };

  addEventListener("hashchange", openTarget);
  openTarget();
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details.trace, details.more").forEach((folded) => (folded.open = true));
  });
  unpack(document.getElementById("rows").textContent).then((data) => {
    document.querySelectorAll("[data-rows]").forEach((box) => new Grid(box, rowsOf(data, box.dataset.rows)));
  });
})();
