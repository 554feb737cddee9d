// The tables of a part of a run, as records with the fields of report.json.
const sum = (values) => values.reduce((total, value) => total + value, 0);
const by = (...keys) => (a, b) => {
  for (const key of keys) if (key(a) !== key(b)) return key(a) < key(b) ? -1 : 1;
  return 0;
};

const kernelGroups = (run, cells) => {
  const { kernels } = run;
  const groups = new Map();
  kernels.cell.forEach((cell, i) => {
    if (!cells[cell]) return;
    const row = kernels.row[i];
    if (groups.has(row)) groups.get(row).push(i);
    else groups.set(row, [i]);
  });
  return groups;
};

const kernelTable = (run, cells) => {
  const { kernels, names } = run;
  const rows = [...kernelGroups(run, cells)].map(([number, held]) => {
    const [full, short, fused] = kernels.rows[number];
    const total = sum(held.map((i) => kernels.total[i]));
    const calls = sum(held.map((i) => kernels.calls[i]));
    return {
      name: names[full],
      short_name: names[short],
      category: run.categories[longestCategory(run, held)],
      total_us: total / 1000,
      calls,
      mean_us: total / calls / 1000,
      min_us: Math.min(...held.map((i) => kernels.min[i])) / 1000,
      max_us: Math.max(...held.map((i) => kernels.max[i])) / 1000,
      fused_kind: fused,
      ...kernelWork(run, held, total),
    };
  });
  const whole = sum(rows.map((row) => row.total_us));
  for (const row of rows) row.pct = whole ? (100 * row.total_us) / whole : 0;
  return rows.sort(by((row) => -row.total_us, (row) => row.name));
};

const longestCategory = ({ kernels, categories }, held) => {
  const totals = categories.map(() => 0);
  for (const i of held) totals[kernels.category[i]] += kernels.total[i];
  return totals.indexOf(Math.max(...totals));
};

const kernelWork = ({ kernels, kinds }, held, total) => {
  const unknown = { tbps: null, pct_of_peak: null };
  if (!held.every((i) => kernels.alone[i] && kernels.kind[i] >= 0)) return unknown;
  const moved = held.map((i) => kinds.moved[kernels.kind[i]]);
  if (moved.includes(null)) return unknown;
  const roofs = held.map((i) => kinds.roof[kernels.kind[i]]);
  const read = sum(held.map((i, place) => moved[place] * kernels.calls[i]));
  const roof = roofs.includes(null) ? null : Math.round(sum(held.map((i, at) => roofs[at] * kernels.calls[i])) * 1e9);
  return {
    tbps: total ? read / total / 1000 : null,
    pct_of_peak: roof === null || !total ? null : (100 * roof) / total,
  };
};

const categoryTable = (run, cells) => {
  const { kernels, categories } = run;
  const rows = categories.map((category) => ({ category, ns: 0, calls: 0 }));
  kernels.cell.forEach((cell, i) => {
    if (!cells[cell]) return;
    rows[kernels.category[i]].ns += kernels.total[i];
    rows[kernels.category[i]].calls += kernels.calls[i];
  });
  const whole = sum(rows.map((row) => row.ns));
  for (const row of rows) Object.assign(row, { gpu_us: row.ns / 1000, pct: whole ? (100 * row.ns) / whole : 0 });
  return rows.filter((row) => row.calls).sort(by((row) => -row.gpu_us, (row) => row.category));
};

const shapeTable = (run, cells) => {
  const { kernels, kinds, names } = run;
  const device = kinds.group.map(() => 0);
  kernels.cell.forEach((cell, i) => {
    if (cells[cell] && kernels.kind[i] >= 0) device[kernels.kind[i]] += kernels.total[i];
  });
  const calls = counted(run.kindCalls, cells);
  const groups = new Map();
  for (const kind of [...calls.keys()].sort((a, b) => a - b)) {
    const group = kinds.group[kind];
    if (groups.has(group)) groups.get(group).push(kind);
    else groups.set(group, [kind]);
  }
  const rows = [...groups].map(([group, held]) => {
    const [full, short, dims] = kinds.groups[group];
    return { op: names[full], short: names[short], input_dims: names[dims], ...shapeWork(kinds, held, device, calls) };
  });
  return rows.sort(by((row) => -(row.lost_us ?? 0), (row) => -row.device_us));
};

const shapeWork = (kinds, held, device, calls) => {
  const ns = sum(held.map((kind) => device[kind]));
  const known = held.every((kind) => kinds.roof[kind] !== null);
  const roof = known ? Math.round(sum(held.map((kind) => kinds.roof[kind] * calls.get(kind))) * 1e9) : null;
  const moved = held.some((kind) => kinds.moved[kind] === null)
    ? null
    : sum(held.map((kind) => kinds.moved[kind] * calls.get(kind)));
  const operations = sum(held.map((kind) => kinds.flops[kind] * calls.get(kind)));
  const longest = held.reduce((best, kind) => (device[kind] > device[best] ? kind : best));
  return {
    calls: sum(held.map((kind) => calls.get(kind))),
    device_us: ns / 1000,
    lost_us: roof === null ? null : Math.max(0, ns - roof) / 1000,
    pct_of_peak: roof === null || !ns ? null : (100 * roof) / ns,
    bound: roof === null ? null : kinds.bound[longest],
    flops: operations,
    moved,
    tflops: operations && ns ? operations / ns / 1000 : null,
    tbps: moved === null || !ns ? null : moved / ns / 1000,
  };
};

const opTable = (run, cells) => {
  const { ops, names } = run;
  const columns = Object.keys(ops.sums);
  const totals = new Map();
  const of = (row) => {
    if (!totals.has(row)) totals.set(row, Object.fromEntries(columns.map((column) => [column, 0])));
    return totals.get(row);
  };
  ops.cell.forEach((cell, i) => {
    if (!cells[cell]) return;
    const row = of(ops.row[i]);
    for (const column of columns) row[column] += ops.sums[column][i];
  });
  for (const [row, shown, cell, ns] of ops.over) {
    if (cells[cell] && shown.some((each) => cells[each])) of(row).device_total += ns;
  }
  const rows = [...totals].filter(([, row]) => columns.some((column) => row[column])).map(([number, row]) =>
    opRecord(row, ops.rows[number], names));
  const [cpu, gpu] = [sum(rows.map((row) => row.self_cpu_us)), sum(rows.map((row) => row.self_device_us))];
  for (const row of rows) {
    row.self_cpu_pct = cpu ? (100 * row.self_cpu_us) / cpu : null;
    row.cpu_total_pct = cpu ? (100 * row.cpu_total_us) / cpu : null;
    row.self_device_pct = gpu ? (100 * row.self_device_us) / gpu : null;
  }
  return rows.sort(by((row) => -row.self_device_us, (row) => -row.self_cpu_us));
};

const opRecord = (row, [full, short], names) => {
  const us = (column) => (row[column] ?? 0) / 1000;
  return {
    name: names[full],
    short: names[short],
    calls: row.calls,
    self_cpu_us: us("self_cpu"),
    cpu_total_us: us("cpu_total"),
    cpu_avg_us: row.calls ? us("cpu_total") / row.calls : 0,
    self_device_us: us("self_device"),
    device_total_us: us("device_total"),
    device_avg_us: row.calls ? us("device_total") / row.calls : 0,
    flops: row.flops ?? 0,
    cpu_memory_bytes: row.cpu_memory ?? 0,
    self_cpu_memory_bytes: row.self_cpu_memory ?? 0,
    device_memory_bytes: row.device_memory ?? 0,
    self_device_memory_bytes: row.self_device_memory ?? 0,
  };
};

const idleTable = (run, times) => {
  const { idle, causes } = run;
  const gaps = counted(idle.gaps, times);
  const rows = causes.map((cause, code) => ({ cause, ns: 0, gaps: gaps.get(code) ?? 0 }));
  idle.when.forEach((when, i) => {
    if (times[when]) rows[idle.cause[i]].ns += idle.ns[i];
  });
  const whole = sum(rows.map((row) => row.ns));
  for (const row of rows) Object.assign(row, { us: row.ns / 1000, idle_pct: whole ? (100 * row.ns) / whole : null });
  return rows.filter((row) => row.gaps).sort(by((row) => -row.us));
};

const componentTable = (run, part, cells, times) => {
  const { walls, when, kernels, phases } = run;
  const names = [...run.components, ...run.blocks, OUTSIDE];
  if (names.length === 1) return [];
  const rows = names.map((component) => phases.map((phase) => ({ component, phase, gpu: 0, wall: 0, calls: 0 })));
  const outside = names.length - 1;
  walls.when.forEach((time, i) => {
    if (!times[time]) return;
    const row = rows[walls.component[i] < 0 ? outside : walls.component[i]][when.phase[time]];
    row.wall += walls.wall[i];
    row.calls += walls.calls[i];
  });
  kernels.cell.forEach((cell, i) => {
    if (!cells[cell]) return;
    const place = (number) => rows[number][run.cells.phase[cell]];
    const [component, block] = [run.cells.component[cell], run.cells.block[cell]];
    place(component < 0 ? outside : component).gpu += kernels.total[i];
    if (block >= 0) place(run.components.length + block).gpu += kernels.total[i];
  });
  return rows
    .flat()
    .filter((row) => [null, row.component].includes(part.component))
    .filter((row) => row.gpu || row.wall || row.calls)
    .map((row) => ({ ...row, gpu_us: row.gpu / 1000, wall_us: row.wall / 1000 }));
};

const busyTime = ({ busy }, cells) => {
  if (!busy) return null;
  const alone = sum(busy.ns.filter((_, cell) => cells[cell]));
  const together = sum(busy.over.filter(([held]) => held.some((cell) => cells[cell])).map(([, ns]) => ns));
  return (alone + together) / 1000;
};

// Everything that the page shows of a part.
const tablesOf = (run, part) => {
  const [cells, times] = [run.cellsOf(part), run.timesOf(part)];
  const kernels = kernelTable(run, cells);
  return {
    kernels,
    categories: categoryTable(run, cells),
    ops_by_shape: shapeTable(run, cells),
    ops: run.ops ? opTable(run, cells) : null,
    idle: idleTable(run, times),
    components: componentTable(run, part, cells, times),
    figures: {
      wall_us: sum(run.when.wall.filter((_, i) => times[i])) / 1000,
      gpu_us: sum(kernels.map((row) => row.total_us)),
      busy_us: busyTime(run, cells),
      launches: counted(run.launches, cells).get(0) ?? 0,
      events: sum(kernels.map((row) => row.calls)),
    },
  };
};

// Device time and pieces of work of a part that is not kept; null where the data has no totals.
const totalsOf = (run, part) => {
  const { totals } = run;
  if (!totals) return null;
  const mine = totals.ns.map((_, i) => i).filter((i) => run.holds(totals, i, part));
  return { gpu_us: sum(mine.map((i) => totals.ns[i])) / 1000, events: sum(mine.map((i) => totals.calls[i])) };
};
