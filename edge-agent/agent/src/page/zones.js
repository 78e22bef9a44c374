"use strict";
// Zones and lines, drawn with a finger on the picture. Points are shares of its width and height.

const LEAST = { zone: 3, line: 2 };
const WORDS = {
  zone: "Touch its corners one after the other, drag a corner to move it.",
  line: "Touch where it begins and where it ends. Forward is from its left to its right.",
};

/** What is shown: of which camera, and its shapes by kind. */
let drawing = { camera: null, zone: [], line: [] };
/** The shape that is being drawn: its kind and points. */
let shape = null;

async function showShapes(visible) {
  show($("shapes"), visible);
  dropShape();
  if (!visible || !camera || drawing.camera === camera) return;
  say($("save-words"), "");
  const asked = camera;
  const answer = await ask(`/api/drawing/${asked}`);
  if (answer.ok) drawing = { camera: asked, ...await answer.json() };
  else say($("save-words"), await refusal(answer), "bad");
  $("save-shapes").disabled = true;
  paint();
}

function dropShape() {
  shape = null;
  show($("draw-shape"), false);
  show($("draw-new"), true);
  say($("draw-words"), "A zone counts who stays in it, a line who crosses it.");
  paint();
}

function begin(kind) {
  shape = { kind, points: [] };
  $("shape-name").value = "";
  show($("draw-shape"), true);
  show($("draw-new"), false);
  say($("draw-words"), WORDS[kind]);
  paint();
}

function paint() {
  const element = (kind, points, now) => {
    const drawn = document.createElementNS("http://www.w3.org/2000/svg", kind === "zone" ? "polygon" : "polyline");
    drawn.setAttribute("points", points.map(point => point.join(",")).join(" "));
    if (now) drawn.setAttribute("class", "now");
    return drawn;
  };
  const all = ["zone", "line"].flatMap(kind => drawing[kind].map(({ points }) => element(kind, points)));
  if (shape) all.push(element(shape.kind, shape.points, true));
  $("shapes").replaceChildren(...all);
  document.querySelectorAll(".grip").forEach(grip => grip.remove());
  if (shape) shape.points.forEach((point, place) => $("view").append(grip(point, place)));
  const ready = shape && shape.points.length >= LEAST[shape.kind];
  $("keep-shape").disabled = !ready;
  $("undo-point").disabled = !shape || !shape.points.length;
  list();
}

/** A corner that a finger can take. */
function grip(point, place) {
  const element = document.createElement("button");
  element.className = "grip";
  element.setAttribute("aria-label", `corner ${place + 1}`);
  const put = ([x, y]) => { element.style.left = `${x * 100}%`; element.style.top = `${y * 100}%`; };
  put(point);
  element.onpointerdown = event => element.setPointerCapture(event.pointerId);
  element.onpointermove = event => {
    if (!element.hasPointerCapture(event.pointerId)) return;
    shape.points[place] = at(event);
    put(shape.points[place]);
  };
  element.onpointerup = paint;
  return element;
}

/** Where in the picture, in thousandths. */
function at(event) {
  const { left, top, width, height } = $("shapes").getBoundingClientRect();
  const share = (part, whole) => Math.round(Math.max(0, Math.min(1, part / whole)) * 1000) / 1000;
  return [share(event.clientX - left, width), share(event.clientY - top, height)];
}

function list() {
  const rows = ["zone", "line"].flatMap(kind => drawing[kind].map((each, place) => {
    const row = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = `${kind} ${each.name}`;
    const remove = document.createElement("button");
    remove.className = "quiet";
    remove.textContent = "Remove";
    remove.onclick = () => { drawing[kind].splice(place, 1); changed(); };
    row.append(name, remove);
    return row;
  }));
  $("shape-list").replaceChildren(...rows);
}

function changed() {
  $("save-shapes").disabled = false;
  say($("save-words"), "not saved yet", "warn-words");
  paint();
}

$("new-zone").onclick = () => begin("zone");
$("new-line").onclick = () => begin("line");
$("cancel-shape").onclick = dropShape;
$("undo-point").onclick = () => { shape.points.pop(); paint(); };
$("shapes").onpointerdown = event => {
  if (!shape || (shape.kind === "line" && shape.points.length === 2)) return;
  shape.points.push(at(event));
  paint();
};
$("draw-shape").onsubmit = event => {
  event.preventDefault();
  drawing[shape.kind].push({ name: $("shape-name").value.trim(), points: shape.points });
  dropShape();
  changed();
};
$("save-shapes").onclick = async () => {
  const { camera: of, zone, line } = drawing;
  const answer = await enforce(`/api/drawing/${of}`, { zone, line });
  if (!answer.ok) return say($("save-words"), await refusal(answer), "bad");
  $("save-shapes").disabled = true;
  say($("save-words"), "saved and in force", "good");
};
