"use strict";
// Tables: a click on a column's name sorts by it, a second one the other way; long ones can be searched.
const numberOf = (text) => {
  const found = text.replace(/\u2212/g, "-").replace(/,/g, "").match(/[-+]?\d*\.?\d+(e[-+]?\d+)?/i);
  return found ? Number(found[0]) : NaN;
};
for (const table of document.querySelectorAll("table.sortable")) {
  const rows = () => [...table.rows].slice(1);
  for (const [column, head] of [...table.rows[0].cells].entries()) {
    if (!head.textContent.trim()) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const text = (row) => (row.cells[column] ? row.cells[column].textContent.trim() : "");
      const numeric = rows().map(text).filter(Boolean).every((cell) => /^[-+\u2212]?[\d.]/.test(cell));
      // a cell without a value comes last either way
      const compare = (a, b) => {
        const [x, y] = [text(a), text(b)];
        if (!x || !y) return !x - !y;
        const order = numeric ? numberOf(x) - numberOf(y) : x.localeCompare(y, "en", { numeric: true });
        return down ? -order : order;
      };
      for (const other of table.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.rows[0].parentNode;
      for (const row of rows().sort(compare)) body.append(row);
    });
  }
  if (rows().length > 24) {
    const search = document.createElement("input");
    search.type = "search";
    search.placeholder = "rows that contain \u2026";
    search.setAttribute("aria-label", "show only rows that contain");
    table.parentNode.before(search);
    search.addEventListener("input", () => {
      const words = search.value.toLowerCase().split(/\s+/);
      for (const row of rows()) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    });
  }
}
// Clusters: the one that is picked stays, the others fade.
for (const button of document.querySelectorAll(".pick")) {
  button.addEventListener("click", () => {
    const cluster = document.body.dataset.picked === button.dataset.of ? undefined : button.dataset.of;
    if (cluster === undefined) delete document.body.dataset.picked;
    else document.body.dataset.picked = cluster;
    for (const other of document.querySelectorAll(".pick")) other.setAttribute("aria-pressed", String(other.dataset.of === cluster));
  });
}
// Neurons: what is known of the one below the pointer, or of the one that the arrow keys have reached.
const picture = document.getElementById("network");
const known = document.getElementById("neurons");
if (picture && known) {
  const { cell, rows, top, layers, clusters, degree, within } = JSON.parse(known.textContent);
  const what = layers.length > 1 ? "neuron" : "node";
  const about = document.getElementById("about");
  const here = picture.querySelector(".here");
  let at = { layer: 0, place: 0 };
  const show = (layer, place) => {
    const { name, x, first, order } = layers[layer];
    at = { layer, place };
    const node = first + order[place];
    const [left, down] = [x + cell * Math.floor(place / rows), top + cell * (place % rows)];
    here.setAttribute("d", `M${left} ${down}h${cell}v${cell}h${-cell}Z`);
    const cluster = clusters[node];
    about.textContent = cluster < 0
      ? `${name}, ${what} ${order[place]}: no weights, in no cluster`
      : `${name}, ${what} ${order[place]}: cluster ${cluster}, ${degree[node]} % of the layer's weight, ${within[node]} % of its own weight within the cluster`;
  };
  picture.addEventListener("pointermove", (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
    const row = Math.floor((point.y - top) / cell);
    if (row < 0 || row >= rows) return;
    for (const [layer, { x, order }] of layers.entries()) {
      const place = Math.floor((point.x - x) / cell) * rows + row;
      if (point.x >= x && place < order.length) return show(layer, place);
      if (point.x < x) return;
    }
  });
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const across = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined && across === undefined) return;
    event.preventDefault();
    const layer = Math.min(Math.max(at.layer + (across ?? 0), 0), layers.length - 1);
    const most = layers[layer].order.length - 1;
    show(layer, Math.min(Math.max(at.place + (step ?? 0), 0), most));
  });
  picture.addEventListener("focus", () => show(at.layer, at.place));
}
