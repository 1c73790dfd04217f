// The list of samples: only the rows in view exist, so that twenty thousand are as quick as twenty.

import { el, fill } from "./dom.js";

const ROW_HEIGHT = 76;
const SPARE_ROWS = 6;

/**
 * A virtual list in `box`, a scrolling element.
 * @param {HTMLElement} box - a listbox
 * @param {(place: number) => Node[]} draw - what a row shows
 * @param {(place: number) => void} choose - called when a row is clicked
 */
export function makeList(box, draw, choose) {
  const spacer = el("div", { class: "rows", role: "presentation" });
  const list = { box, draw, choose, places: [], chosen: -1, spacer };
  fill(box, list.spacer);
  box.addEventListener("scroll", () => drawRows(list), { passive: true });
  new ResizeObserver(() => drawRows(list)).observe(box);
  return list;
}

/** Shows these places, from the top. */
export function setPlaces(list, places) {
  list.places = places;
  list.spacer.style.height = `${places.length * ROW_HEIGHT}px`;
  list.box.scrollTop = 0;
  drawRows(list);
}

/** Draws the rows in view, and names the chosen one as active while it is among them. */
function drawRows(list) {
  const { scrollTop, clientHeight } = list.box;
  const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - SPARE_ROWS);
  const last = Math.min(list.places.length, Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + SPARE_ROWS);
  const rows = [];
  for (let at = first; at < last; at++) rows.push(rowOf(list, at));
  fill(list.spacer, rows);
  if (list.places.slice(first, last).includes(list.chosen)) {
    list.box.setAttribute("aria-activedescendant", `row-${list.chosen}`);
  } else {
    list.box.removeAttribute("aria-activedescendant");
  }
}

/** One row. */
function rowOf(list, at) {
  const place = list.places[at];
  const row = el(
    "div",
    {
      role: "option", class: "row", id: `row-${place}`, "aria-selected": String(place === list.chosen),
      "aria-posinset": at + 1, "aria-setsize": list.places.length, click: () => list.choose(place),
    },
    list.draw(place),
  );
  row.style.transform = `translateY(${at * ROW_HEIGHT}px)`;
  return row;
}

/** Marks a place as chosen and scrolls its row into view. */
export function markChosen(list, place) {
  list.chosen = place;
  const at = list.places.indexOf(place);
  if (at >= 0) {
    const [top, bottom] = [at * ROW_HEIGHT, (at + 1) * ROW_HEIGHT];
    if (top < list.box.scrollTop) list.box.scrollTop = top;
    else if (bottom > list.box.scrollTop + list.box.clientHeight) list.box.scrollTop = bottom - list.box.clientHeight;
  }
  drawRows(list);
}
