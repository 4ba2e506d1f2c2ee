"use strict";
const details = JSON.parse(document.getElementById("details").textContent);
const tip = document.getElementById("tip");

const veil = document.getElementById("veil");
veil?.addEventListener("input", () => document.documentElement.style.setProperty("--veil", veil.value / 100));

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

const count = (number) => number.toLocaleString("en");

function stepFacts(step) {
  const facts = [step.shape, `${step.us.toFixed(2)} µs`];
  if (step.macs_per_entry) facts.push(`${count(step.macs_per_entry)} MACs per active entry`);
  else if (step.macs) facts.push(`${count(step.macs)} MACs`);
  if (step.packed_bytes) facts.push(`${count(step.packed_bytes)} bytes of weights`);
  if (step.remark) facts.push(step.remark);
  return facts.join(" · ");
}

function fillTip(box) {
  tip.replaceChildren();
  element("h3", box.node, tip);
  const us = box.steps.reduce((sum, step) => sum + step.us, 0);
  const density = box.density === null ? "" : ` · density ${(box.density * 100).toFixed(1)}%`;
  element("p", `${box.kind}${density} · ${us.toFixed(2)} µs`, tip);
  const list = element("ol", "", tip);
  for (const step of box.steps) {
    const item = element("li", "", list);
    element("code", `${step.number}  ${step.kernel}`, item);
    element("div", step.words, item);
    element("div", stepFacts(step), item).className = "soft";
  }
}

let shown = null; // the box whose details the tip has

function placeTip() {
  if (shown === null) return;
  tip.hidden = false;
  const rectangle = shown.getBoundingClientRect();
  const room = { x: document.documentElement.clientWidth - 8, y: window.innerHeight - 8 };
  const right = rectangle.right + 12 + tip.offsetWidth <= room.x;
  const left = right ? rectangle.right + 12 : Math.max(8, rectangle.left - 12 - tip.offsetWidth);
  tip.style.left = `${Math.min(left, Math.max(8, room.x - tip.offsetWidth))}px`;
  const covers = !right && rectangle.left - 12 - tip.offsetWidth < 8;
  const top = covers ? rectangle.bottom + 8 : rectangle.top;
  tip.style.top = `${Math.max(8, Math.min(top, room.y - tip.offsetHeight))}px`;
}

function hideTip() {
  shown = null;
  tip.hidden = true;
}

for (const [id, box] of Object.entries(details)) {
  const node = document.getElementById(id);
  const show = () => {
    shown = node;
    fillTip(box);
    placeTip();
  };
  node.addEventListener("pointerenter", show);
  node.addEventListener("pointerleave", hideTip);
  node.addEventListener("focus", show);
  node.addEventListener("blur", hideTip);
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});
window.addEventListener("scroll", placeTip, { capture: true, passive: true });

const view = document.getElementById("plan-view");
const drawing = view.querySelector("svg");
const natural = drawing.viewBox.baseVal.width * 4 / 3; // points to pixels
const inner = () => view.clientWidth - 16;
function setWidth(width) {
  drawing.removeAttribute("height");
  drawing.setAttribute("width", Math.max(120, Math.min(width, natural * 3)));
}
document.getElementById("closer").addEventListener("click", () => setWidth(drawing.width.baseVal.value * 1.25));
document.getElementById("farther").addEventListener("click", () => setWidth(drawing.width.baseVal.value / 1.25));
document.getElementById("fit").addEventListener("click", () => setWidth(inner()));
setWidth(Math.max(Math.min(natural, inner()), Math.min(natural, 560)));
view.scrollLeft = (view.scrollWidth - view.clientWidth) / 2;
