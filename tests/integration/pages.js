// Run beside pages of `ncut` in frames of several widths: looks at each and uses it, and writes what it found into #result.
"use strict";
const TOLERANCE = 1;

const box = (element) => element.getBoundingClientRect();
const turned = (element) => element.closest("[transform*=rotate]") !== null;
const overlap = (a, b) =>
  Math.min(a.right, b.right) - Math.max(a.left, b.left) > TOLERANCE && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > TOLERANCE;

/** Texts of pictures that are not wholly within theirs, and pairs that lie on each other. */
function texts(page) {
  const [cut, overlapping] = [[], []];
  for (const picture of page.querySelectorAll("svg")) {
    const frame = box(picture);
    const all = [...picture.querySelectorAll("text")].filter((text) => text.textContent.trim());
    for (const text of all) {
      const { left, right, top, bottom } = box(text);
      const inside = left >= frame.left - TOLERANCE && right <= frame.right + TOLERANCE && top >= frame.top - TOLERANCE && bottom <= frame.bottom + TOLERANCE;
      if (!inside) cut.push(text.textContent);
    }
    const straight = all.filter((text) => !turned(text)).map((text) => [text.textContent, box(text)]);
    straight.forEach(([name, place], i) => {
      for (const [other, there] of straight.slice(i + 1)) if (overlap(place, there)) overlapping.push([name, other]);
    });
  }
  return { cut, overlapping };
}

/** The cells of each column after a click on its name, and after a second one. */
function sorted(page) {
  const columns = [];
  for (const table of page.querySelectorAll("table.sortable")) {
    const cells = (column) => [...table.rows].slice(1).map((row) => row.cells[column].textContent.trim());
    for (const [column, head] of [...table.rows[0].cells].entries()) {
      const button = head.querySelector("button");
      if (!button) continue;
      const states = [];
      for (let clicks = 0; clicks < 2; clicks += 1) {
        button.click();
        states.push({ sort: head.getAttribute("aria-sort"), cells: cells(column) });
      }
      columns.push({ name: head.textContent, states });
    }
  }
  return columns;
}

/** What fades when a cluster is picked, and whether a second click undoes it. */
function picked(page) {
  const button = page.querySelector(".pick");
  if (!button) return null;
  const of = button.dataset.of;
  const faded = () => [...page.querySelectorAll("[data-c]")].filter((element) => Number(page.defaultView.getComputedStyle(element).opacity) < 1);
  button.click();
  const during = faded();
  const wrong = during.filter((element) => element.dataset.c.split(" ").includes(of)).length;
  const pressed = button.getAttribute("aria-pressed");
  button.click();
  return { during: during.length, wrong, pressed, after: faded().length };
}

/** What is said of every 37th neuron of a layer and its last below the pointer, and of those that arrow keys reach then. */
function neurons(page) {
  const picture = page.getElementById("network");
  if (!picture) return null;
  const { cell, rows, top, layers } = JSON.parse(page.getElementById("neurons").textContent);
  const about = page.getElementById("about");
  const { DOMPoint, PointerEvent, KeyboardEvent } = page.defaultView;
  const hovered = [];
  layers.forEach(({ x, first, order }) => {
    for (const place of order.keys()) {
      if (place % 37 !== 0 && place !== order.length - 1) continue;
      const at = [x + cell * (Math.floor(place / rows) + 0.5), top + cell * ((place % rows) + 0.5)];
      const { x: clientX, y: clientY } = new DOMPoint(...at).matrixTransform(picture.getScreenCTM());
      picture.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
      hovered.push({ node: first + order[place], about: about.textContent });
    }
  });
  picture.focus();
  const keys = ["ArrowLeft", "ArrowDown", "ArrowUp", "ArrowRight"].map((key) => {
    picture.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
    return about.textContent;
  });
  return { hovered, keys, focused: page.activeElement === picture };
}

/** Only rows with the words in them are left. */
function searched(page) {
  const input = page.querySelector("input[type=search]");
  if (!input) return null;
  const table = input.nextElementSibling.querySelector("table");
  input.value = table.rows[1].cells[0].textContent;
  input.dispatchEvent(new (page.defaultView.Event)("input"));
  return { words: input.value, left: [...table.rows].slice(1).filter((row) => !row.hidden).map((row) => row.textContent) };
}

const result = [];
for (const frame of document.querySelectorAll("iframe")) {
  const page = frame.contentDocument;
  const root = page.documentElement;
  const fetched = page.defaultView.performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => !name.startsWith("data:"));
  result.push({
    width: frame.clientWidth, overflow: root.scrollWidth - root.clientWidth, fetched, texts: texts(page),
    sorted: sorted(page), picked: picked(page), neurons: neurons(page), searched: searched(page),
  });
}
document.getElementById("result").textContent = JSON.stringify(result);
