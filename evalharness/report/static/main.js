// The start. Without this script the page is complete but for the samples beyond its excerpt.

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
