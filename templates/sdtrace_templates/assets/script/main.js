// Starts everything. Sections of folded traces are filled when they are opened.
const openTarget = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let folded = target?.closest("details"); folded; folded = folded.parentElement.closest("details")) {
    folded.open = true;
  }
};

const startSection = async (box) => {
  const source = document.getElementById(box.dataset.explored);
  if (!source || box.section) return;
  box.section = true;
  box.section = new Section(box, await unpack(source.textContent));
  box.classList.add("ready");
};

const whenOpen = (box) => {
  const folded = box.closest("details.trace");
  if (!folded || folded.open) return startSection(box);
  folded.addEventListener("toggle", () => startSection(box), { once: true });
  return null;
};

addEventListener("hashchange", openTarget);
openTarget();
addEventListener("beforeprint", () => {
  document.querySelectorAll("details.trace, details.more").forEach((folded) => (folded.open = true));
});
document.querySelectorAll("[data-explored]").forEach(whenOpen);
const rows = document.getElementById("rows");
if (rows) {
  unpack(rows.textContent).then((data) => {
    document.querySelectorAll("[data-rows]").forEach((box) => {
      if (!(box.dataset.rows in data.tables)) return;
      new Grid(box, rowsOf(data, box.dataset.rows), box.querySelector("tbody").rows.length);
    });
  });
}
