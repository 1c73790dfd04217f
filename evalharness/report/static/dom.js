// Elements are made here. Text is only ever put in as text: nothing in this page parses a string as markup.

/** An element with attributes and children; a string child becomes a text node, null and false are left out. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, String(value));
  }
  made.append(...present(children));
  return made;
}

/** The children that are there, out of nested lists. */
function present(children) {
  return children.flat(2).filter((child) => child !== null && child !== undefined && child !== false);
}

/** The one element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Replaces what an element holds. */
export function fill(parent, ...children) {
  parent.replaceChildren(...present(children));
}

/** A name, ours or untrusted, as part of a CSS class. */
export function slug(text) {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60);
}

/** A number with its thousands set apart. */
export function count(number) {
  return number.toLocaleString("en-US");
}

/** A number with three significant digits or more and a true minus; with a plus where `signed`. */
export function figure(value, signed = false) {
  const size = Math.abs(value);
  const text = size >= 100 ? count(Math.round(size)) : String(Number(size.toPrecision(3)));
  const sign = value < 0 ? "\u2212" : signed && value > 0 ? "+" : "";
  return sign + text;
}

/** A count with its noun, not broken between lines. */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)}\u00a0${number === 1 ? one : many}`;
}

/** Waits until the browser has painted and has time to spare. */
export function idle() {
  return new Promise((done) => (window.requestIdleCallback ? requestIdleCallback(done) : setTimeout(done, 16)));
}
