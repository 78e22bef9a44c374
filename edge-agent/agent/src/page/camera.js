"use strict";
// Where a camera's video comes from: typed, or found on the network. A password goes to the unit and never comes back.

/** What the fields were filled from; what somebody types stays until that changes. */
let shownSource = null;
/** Cameras for which the box was opened by itself, once each, because no pictures come; it is shut when they do. */
const opened = new Set();
let toShut = null;
/** The search that is shown, so that nothing moves under a finger. */
let shownSearch = null;

function showSource({ id, source, streaming, words }, search) {
  const told = `${id} ${JSON.stringify(source)}`;
  if (told !== shownSource) {
    if (!shownSource || !shownSource.startsWith(`${id} `)) say($("source-words"), "");
    shownSource = told;
    $("address").value = source.address || "";
    $("camera-user").value = $("camera-password").value = "";
    $("password-words").textContent = source.has_password
      ? "A user and password are kept. Left empty they stay, as long as the camera is the same."
      : "No user and password are kept for this camera.";
  }
  const trouble = !streaming && words !== "" && words !== "connecting";
  say($("source-state"), streaming ? "pictures come" : words, streaming ? "good" : trouble ? "bad" : "warn-words");
  if (trouble && !opened.has(id)) { opened.add(id); toShut = id; $("source-box").open = true; }
  if (streaming && toShut === id) { toShut = null; $("source-box").open = false; }
  showSearch(search);
}

function showSearch(search) {
  const told = JSON.stringify(search);
  if (told === shownSearch) return;
  shownSearch = told;
  const { running, found, streams, failed } = search;
  $("find").disabled = running;
  if (running) say($("search-words"), "asking…");
  else if (failed) say($("search-words"), failed, "bad");
  else if (streams) say($("search-words"), streams.length ? "Take one, then save." : "this camera offers no stream", streams.length ? "" : "bad");
  else if (found) say($("search-words"), found.length
    ? "Type the camera's user and password above, then ask it for its streams."
    : "no camera answered: is it on the unit's network, is ONVIF turned on in its settings, and does [network] allow in the unit's configuration name its network? Otherwise type its address and save.",
  found.length ? "" : "bad");
  else say($("search-words"), "");
  const rows = streams
    ? streams.map(each => offer(`${each.size ? each.size.join(" × ") : ""} ${each.codec} ${each.name}`, each.address, "Take", () => {
      $("address").value = each.address;
      say($("source-words"), "not saved yet", "warn-words");
    }))
    : (found || []).flatMap(each => each.addresses.map(address =>
      offer([each.name, each.hardware].filter(Boolean).join(", ") || "a camera", address, "Ask", () => askStreams(address))));
  $("offers").replaceChildren(...rows);
}

/** A row with something to press. */
function offer(name, address, verb, pressed) {
  const [row, words, what, where, button] = ["li", "div", "strong", "span", "button"].map(tag => document.createElement(tag));
  what.textContent = name;
  where.textContent = address;
  words.append(what, where);
  button.type = "button";
  button.className = "quiet";
  button.textContent = verb;
  button.onclick = pressed;
  row.append(words, button);
  return row;
}

const typedSource = address => ({ address, user: $("camera-user").value, password: $("camera-password").value });

async function askStreams(address) {
  const answer = await tell("/api/streams", typedSource(address));
  say($("search-words"), answer.ok ? "asking…" : await refusal(answer), answer.ok ? "" : "bad");
}

$("find").onclick = async () => {
  const answer = await tell("/api/cameras");
  say($("search-words"), answer.ok ? "asking…" : await refusal(answer), answer.ok ? "" : "bad");
};
$("source").onsubmit = async event => {
  event.preventDefault();
  const answer = await enforce(`/api/source/${camera}`, typedSource($("address").value));
  if (!answer.ok) return say($("source-words"), await refusal(answer), "bad");
  $("camera-user").value = $("camera-password").value = "";
  // What was typed goes, and the address comes back as the unit shows it.
  shownSource = `${camera} `;
  say($("source-words"), "saved and in force: above stands whether pictures come", "good");
};
