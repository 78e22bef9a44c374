"use strict";
// Where a camera hangs: typed, or the position of the phone of whoever stands beneath it.

/** What the fields were filled from; what somebody types stays until that changes. */
let shownPlace = null;

function fillPlace(latitude, longitude) {
  $("latitude").value = latitude.toFixed(6);
  $("longitude").value = longitude.toFixed(6);
}

function showPlace({ id, place }) {
  const told = `${id} ${JSON.stringify(place)}`;
  if (told === shownPlace) return;
  shownPlace = told;
  if (place) {
    fillPlace(place.latitude, place.longitude);
    say($("place-words"), "in force", "good");
  } else {
    $("place").reset();
    say($("place-words"), "not known yet: a hit without a place is of little use", "warn-words");
  }
}

/** Degrees as somebody typed them, with a comma or a point. */
const degrees = id => Number($(id).value.trim().replace(",", ".") || NaN);

$("here").onclick = () => {
  if (!navigator.geolocation) return say($("place-words"), "this phone does not tell its position: type it", "bad");
  say($("place-words"), "asking the phone…");
  navigator.geolocation.getCurrentPosition(({ coords }) => {
    fillPlace(coords.latitude, coords.longitude);
    const words = `the phone's position, within ${Math.round(coords.accuracy)} m: not saved yet`;
    say($("place-words"), words, "warn-words");
  }, ({ message }) => say($("place-words"), `the phone does not tell its position (${message}): type it`, "bad"),
  { enableHighAccuracy: true, timeout: 20000 });
};
$("place").onsubmit = async event => {
  event.preventDefault();
  const [of, latitude, longitude] = [camera, degrees("latitude"), degrees("longitude")];
  if (!Number.isFinite(latitude) || !Number.isFinite(longitude)) {
    return say($("place-words"), "latitude and longitude are numbers, such as 34.01950", "bad");
  }
  const answer = await enforce(`/api/place/${of}`, { latitude, longitude });
  if (!answer.ok) return say($("place-words"), await refusal(answer), "bad");
  shownPlace = `${of} ${JSON.stringify({ latitude, longitude })}`;
  say($("place-words"), "saved and in force", "good");
};
