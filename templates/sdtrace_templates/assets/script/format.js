// Quantities as sdtrace/units.py writes them: three significant digits, halves to the even neighbour.
const MISSING = "\u2013";

const isHalf = (value, digits) => {
  const rest = value.toFixed(Math.min(100, digits + 40)).split(".")[1] ?? "";
  return /^5?0*$/.test(rest.slice(digits)) && rest[digits] === "5";
};

const fixed = (value, digits) => {
  const text = value.toFixed(digits);
  if (!isHalf(Math.abs(value), digits)) return text;
  const last = Number(text.at(-1));
  if (last % 2 === 0) return text;
  return (value - Math.sign(value) * 10 ** -digits / 2).toFixed(digits);
};

const grouped = (text) => {
  const [whole, rest] = text.split(".");
  const commas = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return rest === undefined ? commas : `${commas}.${rest}`;
};

const threeDigits = (value) => {
  if (value === 0 || value >= 1e6) return value;
  const power = Math.floor(Math.log10(value)) - 2;
  if (power <= 0) return Number(fixed(value, Math.min(100, -power)));
  return Number(fixed(value / 10 ** power, 0)) * 10 ** power;
};

const figure = (value) => {
  const amount = Math.abs(value);
  if (amount >= 999.5) return grouped(fixed(value, 0));
  return fixed(value, amount >= 99.95 ? 0 : amount >= 9.995 ? 1 : amount >= 0.9995 ? 2 : 3);
};

const scaled = (amount, step, names) => {
  let power = 0;
  while (Number(fixed(Math.abs(amount), 0)) >= step && power < names.length - 1) {
    amount /= step;
    power += 1;
  }
  return `${power ? figure(amount) : amount} ${names[power]}`;
};

const duration = (us) => {
  if (us === null || us === undefined) return MISSING;
  if (us === 0) return "0 s";
  const size = threeDigits(Math.abs(us));
  const [scale, unit] = [[1e6, "s"], [1e3, "ms"], [1, "µs"]].find(([least]) => size >= least) ?? [1, "µs"];
  return `${us < 0 ? "-" : ""}${figure(size / scale)} ${unit}`;
};

const share = (pct) => {
  if (pct === null || pct === undefined) return MISSING;
  const size = Math.abs(pct);
  if (size > 0 && size < 0.01) return "<0.01 %";
  return `${grouped(fixed(pct, size > 0 && size < 1 ? 2 : size < 1000 ? 1 : 0))} %`;
};

const count = (number) =>
  number === null || number === undefined ? MISSING : grouped(fixed(number, Number.isInteger(number) ? 0 : 1));

const bytes = (amount) => (amount === null ? MISSING : scaled(amount, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]));

const flops = (amount) =>
  amount ? scaled(amount, 1000, ["FLOP", "KFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"]) : MISSING;

const rate = (value) => {
  if (value === null || value === undefined) return MISSING;
  return value < 10 ? fixed(value, 2) : grouped(fixed(value, value < 100 ? 1 : 0));
};

const unbroken = (text) =>
  text.replace(/(\d) (?=(?:s|ms|µs|%|B|[KMGT]iB|[KMGTP]?FLOP)(?!\w))/g, "$1\u202f");

const WRITERS = {
  time: duration,
  share,
  count,
  ordinal: (value) => count(value === null ? null : value + 1),
  bytes,
  flops,
  rate,
};

const isNumber = (kind) => kind in WRITERS;

const written = (kind, value) => (isNumber(kind) ? unbroken(WRITERS[kind](value)) : value === null ? "" : String(value));
