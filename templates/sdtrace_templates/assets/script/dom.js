// Elements. Text only ever enters the page as text: nothing here parses a string as HTML, and the page's
// policy forbids it.
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const svg = (tag, attributes = {}, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

const label = (made, attributes) => {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

// A name that folds open to its whole, where it is shown short.
const nameElement = (full, short) => {
  if (full === short) return element("span", { className: "name" }, full);
  return element("details", { className: "name" }, element("summary", {}, short), element("code", {}, full));
};

const unpack = async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
};
