// The start. Without this script the page is complete but for the samples beyond its excerpt.

import { byId } from "./dom.js";
import { stackHay, unpack } from "./data.js";
import { startBrowser } from "./browser.js";
import { startRating } from "./rating_view.js";
import { startKeys } from "./keys.js";

/** Unpacks the samples and brings the browser to life. */
async function start() {
  const data = await unpack(byId("data").textContent);
  document.documentElement.classList.add("rich");
  byId("browser").hidden = false;
  const browser = startBrowser(data);
  startKeys(browser);
  startRating(browser);
  document.documentElement.dataset.ready = "yes";
  await stackHay(data);
  document.documentElement.dataset.ready = "searchable";
}

if ("DecompressionStream" in window) start();
