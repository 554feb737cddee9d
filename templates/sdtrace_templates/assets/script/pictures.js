// Pictures by name: a function of a section and the element to draw in; null where there is nothing to draw.
const PICTURES = {};

// Draws again whenever the room or the selection changes. `draw(width)` gives an element and its words.
class Picture {
  constructor(place, draw) {
    this.room = place.querySelector(".drawing");
    this.draw = draw;
    this.width = 0;
    new ResizeObserver(() => this.room.clientWidth !== this.width && this.show()).observe(this.room);
  }

  show() {
    this.width = this.room.clientWidth;
    if (!this.width) return;
    const { drawing, words } = this.draw(this.width);
    if (drawing instanceof SVGElement) label(drawing, { role: "img", "aria-label": words });
    this.room.replaceChildren(drawing, element("p", { className: "dim" }, words));
  }
}

const canvasOf = (width, height) =>
  svg("svg", { class: "drawn", width, height, viewBox: `0 0 ${width} ${height}` });

const text = (x, y, words, attributes = {}) => svg("text", { x, y, ...attributes }, words);

const titled = (shape, words) => {
  shape.append(svg("title", {}, words));
  return shape;
};

// As much of a text as fits; the whole of it in a title.
const fitting = (words, room) => {
  const most = Math.max(3, Math.floor(room / 6.6));
  return words.length <= most ? words : `${words.slice(0, most - 1)}…`;
};

// Round values from 0 to the longest, three or four of them.
const ticks = (longest) => {
  if (!(longest > 0)) return [0];
  const power = 10 ** Math.floor(Math.log10(longest));
  const step = [0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5].map((size) => size * power).find((size) => longest / size <= 4);
  return Array.from({ length: Math.floor(longest / step) + 1 }, (_, i) => i * step);
};
