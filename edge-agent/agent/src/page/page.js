"use strict";
// The technician's page. Asks the unit once a second how it is, and for one picture after the other.

const $ = id => document.getElementById(id);
const PAUSE_MS = 1000;
/** Turned lens or not: within this share of the peak nobody sees a difference. */
const AT_THE_PEAK = 0.95;
const LEVEL_WITHIN_DEG = 2;

let inside = false;
let camera = null;
let tab = "aim";
const peaks = {};

const sleep = ms => new Promise(done => setTimeout(done, ms));
// As an attribute, which drawings have too.
const show = (element, visible) => { element.toggleAttribute("hidden", !visible); };

function say(element, words, kind) {
  element.textContent = words;
  element.className = kind || "";
}

function bar(element, share, kind) {
  element.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  element.className = kind ? `is-${kind}` : "";
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.status === 401) {
    const words = (await answer.json()).error;
    leave(inside ? words : "");
    throw new Error(words);
  }
  return answer;
}

const tell = (path, body) => ask(path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body || {}),
});

/** How often something was put in force: a glance that was asked for before tells what was. */
let changes = 0;

/** Puts something in force at a camera. */
async function enforce(path, body) {
  const answer = await ask(path, {
    method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });
  if (answer.ok) changes += 1;
  return answer;
}

/** The words of an answer that refuses. */
async function refusal(answer) {
  try { return (await answer.json()).error; } catch { return `the unit answers ${answer.status}`; }
}

// --- the way in ---

async function login(takeOver) {
  const body = { name: $("name").value, code: $("code").value, take_over: takeOver };
  $("enter").disabled = true;
  try {
    const answer = await tell("/api/login", body);
    if (answer.ok) return enter();
    const told = await answer.json();
    if (answer.status === 409) {
      const since = new Date(told.since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      refuse(`${told.by} is in since ${since}.`);
      $("take-over").textContent = `Take over from ${told.by}`;
      show($("take-over"), true);
    } else {
      refuse(told.error);
    }
  } catch {
    refuse("the unit does not answer: is the phone still in its network?");
  } finally {
    $("enter").disabled = false;
  }
}

function refuse(words) {
  $("refused").textContent = words;
  show($("refused"), words !== "");
  show($("take-over"), false);
}

function enter() {
  $("code").value = "";
  refuse("");
  inside = true;
  show($("outside"), false); show($("inside"), true); show($("logout"), true);
  watch(); look();
}

function leave(words) {
  inside = false;
  show($("outside"), true); show($("inside"), false); show($("logout"), false);
  $("who").textContent = "";
  $("picture").removeAttribute("src");
  refuse(words);
}

function open(name) {
  tab = name;
  for (const part of document.querySelectorAll("[data-on]")) show(part, part.dataset.on.split(" ").includes(name));
  for (const button of $("tabs").children) button.setAttribute("aria-pressed", button.dataset.tab === name);
  show($("cameras"), ["aim", "zones"].includes(name));
  showShapes(name === "zones");
}

// --- the picture ---

async function look() {
  let shown = null;
  while (inside) {
    if (document.hidden || !camera || $("look").hidden) { await sleep(200); continue; }
    const asked = camera;
    try {
      const after = shown && shown.camera === asked ? `?after=${shown.number}` : "";
      const answer = await ask(`/api/picture/${asked}${after}`);
      if (!answer.ok) { lost(await refusal(answer)); await sleep(PAUSE_MS); continue; }
      const measures = JSON.parse(answer.headers.get("x-measures"));
      const blob = await answer.blob();
      if (asked !== camera || !inside) continue;
      shown = { camera: asked, number: measures.number };
      draw(blob, measures);
    } catch { if (inside) { lost("the unit does not answer"); await sleep(PAUSE_MS); } }
  }
}

function lost(words) {
  $("no-picture").textContent = words;
  show($("no-picture"), true);
}

function draw(blob, measures) {
  const before = $("picture").src;
  $("picture").src = URL.createObjectURL(blob);
  if (before) URL.revokeObjectURL(before);
  show($("no-picture"), false);
  const { focus, light, limits, brightness } = measures;
  $("light").textContent = `${Math.round(brightness / 2.55)} %`;
  say($("light-words"), light || "good", light ? "bad" : "good");
  $("light-limits").textContent = limits;
  if (focus === null) {
    $("focus").textContent = "–";
    say($("focus-words"), "no edges in sight", "warn-words");
    return;
  }
  const peak = peaks[camera] = Math.max(peaks[camera] || 0, focus);
  const full = Math.max(peak, 100) * 1.05;
  const there = focus >= peak * AT_THE_PEAK;
  $("focus").textContent = focus;
  bar($("focus-bar"), focus / full, there ? "good" : "");
  $("focus-peak").style.left = `${peak / full * 100}%`;
  say($("focus-words"), there ? `at the peak of ${peak}` : `the peak was ${peak}`, there ? "good" : "warn-words");
}

// --- how the unit is ---

async function watch() {
  while (inside) {
    try {
      const before = changes;
      const glance = document.hidden ? null : await (await ask("/api/glance")).json();
      if (glance && before === changes) render(glance);
    } catch { /* the picture says that the unit does not answer */ }
    await sleep(PAUSE_MS);
  }
}

function render(glance) {
  $("unit").textContent = glance.enrolled ? glance.unit : `${glance.serial}: ${glance.unit}`;
  $("who").textContent = glance.technician;
  choose(glance.cameras);
  const mine = glance.cameras.find(each => each.id === camera);
  if (mine) {
    $("stream").textContent = mine.streaming && mine.fps >= 1 ? `${mine.fps.toFixed(0)} pictures a second` : mine.words;
    plates(mine, glance.test_read);
    showBlur(mine.reads_plates ? mine.plate : null);
    showSource(mine, glance.search);
    showPlace(mine);
  }
  level(glance.tilt);
  showBoard(glance.board);
  checks(glance.checks);
  showReport(glance.commissioned);
  enrolment(glance.enrolment);
  $("problems").replaceChildren(...glance.problems.map(words => {
    const item = document.createElement("li");
    item.textContent = words;
    return item;
  }));
}

function choose(cameras) {
  if (!cameras.some(each => each.id === camera)) camera = cameras.length ? cameras[0].id : null;
  const buttons = cameras.length < 2 ? [] : cameras.map(each => {
    const button = document.createElement("button");
    button.textContent = each.name;
    button.setAttribute("aria-pressed", each.id === camera);
    button.onclick = () => { camera = each.id; lost("waiting for a picture"); choose(cameras); showShapes(tab === "zones"); };
    return button;
  });
  $("cameras").replaceChildren(...buttons);
}

function plates({ id, reads_plates, plate }, test) {
  show($("plate-meter"), reads_plates);
  show($("blur-meter"), reads_plates);
  if (plate) {
    const { height_px, wants_px, ago_s } = plate;
    const full = wants_px * 3;
    const enough = height_px >= wants_px;
    $("plate").textContent = `${height_px} px`;
    bar($("plate-bar"), height_px / full, enough ? "good" : "bad");
    $("plate-wants").style.left = `${wants_px / full * 100}%`;
    const words = enough ? `enough: ${wants_px} px are needed` : `too small: ${wants_px} px are needed, zoom in`;
    say($("plate-words"), ago_s > 60 ? `${words} (${Math.round(ago_s / 60)} min ago)` : words, enough ? "good" : "bad");
  } else {
    $("plate").textContent = "–";
    bar($("plate-bar"), 0);
    say($("plate-words"), "no plate has passed yet");
  }
  const mine = test && test.camera === id;
  show($("read"), Boolean(mine));
  if (!mine) return;
  const { read } = test;
  $("read").textContent = read ? `${read.text}  ${Math.round(read.confidence * 100)} %` : "waiting for a plate…";
}

function level(tilt) {
  show($("level-meter"), tilt !== null);
  if (tilt === null) return;
  const good = tilt <= LEVEL_WITHIN_DEG;
  $("tilt").textContent = `${tilt.toFixed(1)}°`;
  bar($("tilt-bar"), tilt / 15, good ? "good" : "bad");
  say($("tilt-words"), good ? "upright" : "off upright: straighten the box", good ? "good" : "bad");
}

/** What the board's parts say now; what they are called and what is wrong is the unit's to say. */
function showBoard(readings) {
  show($("board-meter"), readings.length > 0);
  $("board").replaceChildren(...readings.flatMap(({ of, measured, wrong }) => {
    const [part, words] = ["dt", "dd"].map(tag => document.createElement(tag));
    part.textContent = of;
    say(words, measured, wrong ? "bad" : "");
    return [part, words];
  }));
}

function checks({ running, at, findings }) {
  $("run-checks").disabled = running;
  const time = at && new Date(at).toLocaleTimeString();
  const open = findings.filter(({ verdict }) => verdict === "failed" || verdict === "warning");
  const failed = open.some(({ verdict }) => verdict === "failed");
  if (running) say($("checks-words"), "checking… this takes half a minute");
  else if (!at) say($("checks-words"), "");
  else say($("checks-words"),
    `${time}: ${open.length ? `${open.length} of ${findings.length} want something done` : "all is well"}`,
    failed ? "bad" : open.length ? "warn-words" : "good");
  // What wants something done comes first.
  const rank = { failed: 0, warning: 1, ok: 2, unchecked: 3 };
  const sorted = [...findings].sort((a, b) => rank[a.verdict] - rank[b.verdict]);
  $("findings").replaceChildren(...sorted.map(({ check, of, verdict, measured, advice }) => {
    const item = document.createElement("li");
    item.className = verdict;
    const line = (tag, words, kind) => {
      const element = document.createElement(tag);
      say(element, words, kind);
      item.append(element);
    };
    line("h2", of ? `${check} ${of}` : check);
    line("p", measured);
    if (advice) line("p", `→ ${advice}`, "advice");
    return item;
  }));
}

function enrolment(steps) {
  show(document.querySelector("[data-tab=enrol]"), Boolean(steps));
  show(document.querySelector("[data-tab=report]"), !steps);
  if (!steps) return tab === "enrol" ? open("checks") : undefined;
  const { running, words, failed } = steps;
  $("begin-enrolment").disabled = running;
  if (failed) say($("enrol-words"), failed, "bad");
  else if (running) say($("enrol-words"), "enrolling…");
  $("steps").replaceChildren(...words.map(each => {
    const item = document.createElement("li");
    item.textContent = each;
    return item;
  }));
}

// --- what is pressed ---

for (const button of $("tabs").children) button.onclick = () => open(button.dataset.tab);
$("enrol").onsubmit = async event => {
  event.preventDefault();
  const answer = await tell("/api/enrol", { code: $("enrol-code").value, broker: $("broker").value });
  if (!answer.ok) say($("enrol-words"), await refusal(answer), "bad");
};
$("run-checks").onclick = async () => {
  $("run-checks").disabled = true;
  const answer = await tell("/api/checks");
  if (!answer.ok) say($("checks-words"), await refusal(answer), "bad");
};

$("login").onsubmit = event => { event.preventDefault(); login(false); };
$("take-over").onclick = () => login(true);
$("logout").onclick = async () => { try { await tell("/api/logout"); } finally { leave(""); } };
$("reset-peak").onclick = () => { delete peaks[camera]; };
$("test-read").onclick = async () => {
  const answer = await tell(`/api/test-read/${camera}`);
  if (!answer.ok) say($("plate-words"), await refusal(answer), "bad");
};

// The label's code brings the setup code along; it does not stay in the address.
const told = new URLSearchParams(location.hash.slice(1));
if (told.has("setup")) {
  $("code").value = told.get("setup");
  history.replaceState(null, "", "/");
}
// Whoever comes back within a session is in; every script is there by then.
addEventListener("load", () => ask("/api/glance").then(answer => answer.ok && enter(), () => {}));
