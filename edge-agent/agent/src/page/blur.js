"use strict";
// How far a plate smears while it is exposed, against what the reader bears.

/** The height of a plate of the United States, metres: the measure in the picture. */
const PLATE_M = 0.152;
/**
 * Smear that was tried on the reader ("motion 1" to "motion 3" in models/RESULTS.md), as a share of the plate's height
 * to which one pixel comes: with the first it reads nearly as well as without, with the second one plate in ten is
 * lost, with the third nearly half of what it read.
 */
const BEARS = { well: 0.04, still: 0.08 };
const KMH = { kmh: 1, mph: 1.609 };

/** The plate's height that was measured last, pixels. */
let plateHeight = null;

/** A number as somebody typed it; none where it is none above zero. */
const positive = id => { const number = Number($(id).value.trim().replace(",", ".")); return number > 0 ? number : null; };

function showBlur(plate) {
  if (plate !== undefined) plateHeight = plate ? plate.height_px : null;
  const [speed, exposure] = [positive("speed"), positive("exposure")];
  const words = $("blur-words");
  if (!speed || !exposure) { $("blur").textContent = "–"; return say(words, "type the speed and the camera's exposure time"); }
  const metres = speed * KMH[$("speed-unit").value] / 3.6 / exposure;
  // The pixel that comes on top gives the more room the smaller the plate is.
  const room = plateHeight ? 1 / plateHeight : 0;
  const share = metres / PLATE_M;
  const needed = bears => Math.ceil(metres * exposure / (PLATE_M * (bears + room)) / 50) * 50;
  $("blur").textContent = plateHeight ? `${(share * plateHeight).toFixed(1)} px` : `${Math.round(share * 100)} %`;
  const of = plateHeight ? `of ${plateHeight} px` : "of the plate's height";
  if (share <= BEARS.well + room) say(words, `${of}: the reader bears it`, "good");
  else if (share <= BEARS.still + room) say(words, `${of}: some plates are lost; 1/${needed(BEARS.well)} s is better`, "warn-words");
  else say(words, `${of}: too much, set the camera to 1/${needed(BEARS.still)} s or shorter`, "bad");
}

for (const id of ["speed", "speed-unit", "exposure"]) $(id).oninput = () => showBlur();
