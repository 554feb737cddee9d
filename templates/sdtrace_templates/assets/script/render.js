// Records as tables of the page.
const shownColumns = (table, records) =>
  table.columns.filter(({ field, optional }) => !optional || records.some((record) => record[field]));

const headRow = (columns, hasBars) => {
  const row = element("tr");
  columns.forEach((column, i) => {
    const header = element("th", { scope: "col", title: column.help }, column.header);
    if (isNumber(column.kind)) header.className = "n";
    row.append(header);
    if (i === 0 && hasBars) row.append(label(element("td", { className: "graph" }), { "aria-hidden": "true" }));
  });
  return row;
};

const phaseStyle = (name) => {
  const first = name.split(" ", 1)[0];
  return ["compile", "autotune", "capture", "warmup", "steady"].includes(first) ? first : "other";
};

const contentOf = (column, value) => {
  if (column.kind === "phase") {
    return element("span", { className: "chip" }, element("i", { className: `p-${phaseStyle(value)}` }), value);
  }
  const words = column.labels?.[value];
  if (words) return element("span", { title: value }, words);
  return written(column.kind, value);
};

const barOf = (bar, record, longest) => {
  const style = bar.style in record ? phaseStyle(record[bar.style]) : bar.style;
  const drawing = svg("svg", { class: "bar", "aria-hidden": "true" });
  const width = longest ? (100 * record[longest.field]) / longest.value : 0;
  drawing.append(svg("rect", { class: `p-${style}`, width: `${width.toFixed(2)}%`, height: "100%" }));
  return drawing;
};

const longestOf = (bar, records) => {
  const longest = (field) => Math.max(0, ...records.map((record) => record[field]));
  const field = bar.fallback && !longest(bar.field) ? bar.fallback : bar.field;
  return { field, value: longest(field) };
};

// A table without tools: all its rows, with bars.
const shortTable = (table, records) => {
  const columns = shownColumns(table, records);
  const longest = table.bar && longestOf(table.bar, records);
  const rows = records.map((record) => {
    const [first, ...others] = columns;
    const row = element("tr", {}, element("th", { scope: "row" }, contentOf(first, record[first.field])));
    if (table.bar) {
      const graph = element("td", { className: "graph" }, barOf(table.bar, record, longest));
      row.append(label(graph, { "aria-hidden": "true" }));
    }
    const cells = others.map((column) => {
      const className = isNumber(column.kind) ? "n" : "";
      return element("td", { className }, contentOf(column, record[column.field]));
    });
    row.append(...cells);
    return row;
  });
  const className = table.bar ? "bars" : "";
  return tableElement(table, className, headRow(columns, Boolean(table.bar)), rows);
};

const tableElement = (table, className, head, rows) =>
  element(
    "table",
    { className },
    element("caption", { className: "unseen" }, table.help),
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );

const scrollable = (labelledby, ...content) => {
  const box = element("div", { className: "scroll", tabIndex: 0 }, ...content);
  return label(box, { role: "region", "aria-labelledby": labelledby });
};

// The rows of a long table, for a grid.
const gridRows = (columns, records) => {
  const [first, ...others] = columns;
  return records.map((record) => {
    const row = {
      name: record[first.full] ?? record[first.field],
      short: record.short ?? record[first.field],
      keys: others.map(({ field }) => record[field] ?? null),
      cells: others.map((column) => written(column.kind, record[column.field] ?? null)),
    };
    return { ...row, text: searchable(row) };
  });
};

const FIRST_ROWS = 25;

class LongTable {
  constructor(table, anchor) {
    this.table = table;
    const caption = element("caption", { className: "unseen" }, table.id);
    this.head = element("thead");
    const inner = element("table", {}, caption, this.head, element("tbody"));
    this.box = element("div", { className: "grid" }, scrollable(anchor, inner));
    this.box.dataset.rows = anchor;
    this.box.dataset.sorted = "0";
  }

  // Other records, sorted as before.
  show(records) {
    const columns = shownColumns(this.table, records);
    const field = this.grid ? this.columns[this.grid.column + 1].field : this.table.sorted;
    const sorted = Math.max(0, columns.findIndex((column) => column.field === field));
    this.columns = columns;
    this.head.replaceChildren(headRow(columns, false));
    this.box.dataset.sorted = String(sorted - 1);
    if (this.grid) this.grid.fill(gridRows(columns, records));
    else this.grid = new Grid(this.box, gridRows(columns, records), FIRST_ROWS);
  }
}
