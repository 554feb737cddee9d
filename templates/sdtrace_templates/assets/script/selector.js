// Phase, component, iteration and step: what all tables and pictures of a trace show.
class Selector {
  constructor(section) {
    this.section = section;
    const { run, data } = section;
    const components = [...run.components, ...run.blocks];
    this.fields = [
      this.field("phase", "Phase", run.present.map((phase) => [phase, phase])),
      this.field("component", "Component", components.length ? [...components, OUTSIDE].map((name) => [name, name]) : []),
      this.field("iteration", capitalized(data.noun), this.numbers(run.iterations, run.kept.iterations, data.iterationLabels)),
      this.field("step", "Step", this.numbers(run.steps, run.kept.steps, data.stepLabels)),
    ];
    this.said = element("output", { className: "said" });
    this.said.setAttribute("aria-live", "polite");
    this.reset = element("button", { type: "button", className: "all" }, "Whole run");
    this.reset.addEventListener("click", () =>
      section.select({ phase: null, component: null, iteration: null, step: null }),
    );
    this.box = element("form", { className: "choices" }, ...this.fields.filter(Boolean).map(({ box }) => box), this.reset);
    label(this.box, { "aria-label": "What the tables and pictures below show" });
    this.box.addEventListener("submit", (event) => event.preventDefault());
    section.title.replaceChildren(this.said);
  }

  numbers(count, kept, labels) {
    const all = Array.from({ length: count }, (_, number) => number);
    const offered = this.section.run.totals && count <= 400 ? all : kept;
    return offered.map((number) => [number, labels[number] ? `${number + 1} (${labels[number]})` : `${number + 1}`]);
  }

  field(name, title, options) {
    if (!options.length) return null;
    const list = element("select", { ariaLabel: title });
    list.append(element("option", { value: ALL }, "all"));
    for (const [value, text] of options) list.append(element("option", { value: String(value) }, text));
    list.addEventListener("change", () => {
      const chosen = list.value === ALL ? null : options[list.selectedIndex - 1][0];
      this.section.select({ [name]: chosen });
    });
    return { name, list, box: element("label", {}, element("span", {}, title), list) };
  }

  // What is shown, in words: "Steady, unet, image 2".
  describe() {
    const { part, data } = this.section;
    const words = [part.phase, part.component];
    if (part.iteration !== null) words.push(`${data.noun} ${part.iteration + 1}`);
    if (part.step !== null) words.push(`step ${part.step + 1}`);
    if (part.phase === "steady") words[0] = "steady state";
    const said = words.filter((word) => word !== null).join(", ");
    return said ? capitalized(said) : "The whole run";
  }

  show() {
    const { part } = this.section;
    for (const field of this.fields.filter(Boolean)) {
      field.list.value = part[field.name] === null ? ALL : String(part[field.name]);
    }
    this.reset.disabled = Object.values(part).every((value) => value === null);
    this.said.textContent = this.describe();
  }
}

const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1);
