// Pictures by name: a function of a section and the element to draw in; null where there is nothing to draw.
const PICTURES = {};
