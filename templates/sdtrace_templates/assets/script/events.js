// Events of the timeline: columns of whole numbers, each stored by bytes (sdtrace/report/timeline_data.py).
const EVENT_COLUMNS = ["lane", "depth", "start", "dur", "name", "kind"];

const inflated = async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

const columnsOf = (bytes, size) => {
  let at = 0;
  const column = () => {
    const width = bytes[at];
    const values = new Float64Array(size);
    for (let plane = 0, scale = 1; plane < width; plane += 1, scale *= 256) {
      const first = at + 1 + plane * size;
      for (let i = 0; i < size; i += 1) values[i] += bytes[first + i] * scale;
    }
    at += 1 + width * size;
    return values.map((value) => (value % 2 ? -(value + 1) / 2 : value / 2));
  };
  const found = Object.fromEntries(EVENT_COLUMNS.map((name) => [name, column()]));
  for (let i = 1; i < size; i += 1) found.start[i] += found.start[i - 1];
  return found;
};

// Rows of events: of one iteration, lane and depth, in the order of time, none of them at once with another.
const rowsOfEvents = (events, spans) => {
  const rows = [];
  let first = 0;
  for (const span of spans) {
    for (let at = first; at < first + span.count; ) {
      const [lane, depth] = [events.lane[at], events.depth[at]];
      let stop = at;
      while (stop < first + span.count && events.lane[stop] === lane && events.depth[stop] === depth) stop += 1;
      rows.push({ span, lane, depth, first: at, stop });
      at = stop;
    }
    first += span.count;
  }
  return rows;
};

// The first event of a row that ends after an instant.
const firstEnding = (events, { first, stop }, instant) => {
  let [low, high] = [first, stop];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (events.start[middle] + events.dur[middle] <= instant) low = middle + 1;
    else high = middle;
  }
  return low;
};
