// A run as sums by cell (phase, component, block, iteration, step), and the tables of any part of it.
// A part is {phase, component, iteration, step}; null is all. Times in the data are nanoseconds.
const OUTSIDE = "other";

const grouping = () => {
  const groups = new Map();
  return (key, make) => {
    if (!groups.has(key)) groups.set(key, make());
    return groups.get(key);
  };
};

const inRounds = (place, i, part) => {
  if (part.step === null) return part.iteration === null || place.iteration[i] === part.iteration;
  return place.step[i] === part.step && (part.iteration === null || place.stepIteration[i] === part.iteration);
};

class Run {
  constructor(data) {
    Object.assign(this, data.run);
    this.names = data.names;
  }

  // Whether the data has everything of a part, not its totals alone.
  isKept(part) {
    const { iterations, steps } = this.kept;
    return (
      (part.iteration === null || iterations.includes(part.iteration)) &&
      (part.step === null || steps.includes(part.step))
    );
  }

  inComponent(place, i, name) {
    const block = this.blocks.indexOf(name);
    if (block >= 0) return place.block[i] === block;
    return place.component[i] === (name === OUTSIDE ? -1 : this.components.indexOf(name));
  }

  holds(place, i, part) {
    return (
      inRounds(place, i, part) &&
      (part.phase === null || place.phase[i] === this.phases.indexOf(part.phase)) &&
      (part.component === null || this.inComponent(place, i, part.component))
    );
  }

  cellsOf(part) {
    return this.cells.phase.map((_, i) => this.holds(this.cells, i, part));
  }

  timesOf(part) {
    const { when, components, blocks } = this;
    const ran = (i) => {
      if (part.component === null) return true;
      const bits = BigInt(when.components[i]);
      if (part.component === OUTSIDE) return (bits & ((1n << BigInt(components.length)) - 1n)) === 0n;
      return (bits >> BigInt([...components, ...blocks].indexOf(part.component))) & 1n;
    };
    const phase = part.phase === null ? null : this.phases.indexOf(part.phase);
    return when.phase.map(
      (code, i) => inRounds(when, i, part) && (phase === null || code === phase) && Boolean(ran(i)),
    );
  }
}

// How many things each group has, those in several cells once.
const counted = (things, cells) => {
  const found = new Map();
  const add = (group, times) => found.set(group, (found.get(group) ?? 0) + times);
  things.cell.forEach((cell, i) => cells[cell] && add(things.group[i], things.times[i]));
  for (const [group, held, times] of things.over) if (held.some((cell) => cells[cell])) add(group, times);
  return found;
};
