"use strict";
// The commissioning report: made, shown, and kept by whoever wants its signed file.

/** The time of the report that is shown. */
let reported = null;

async function showReport(commissioned) {
  if (!commissioned || commissioned === reported) return;
  reported = commissioned;
  const answer = await ask("/api/report");
  if (answer.ok) printReport(await answer.json());
}

function printReport(report) {
  const counts = { ok: 0, warning: 0, failed: 0, unchecked: 0 };
  report.findings.forEach(({ verdict }) => { counts[verdict] += 1; });
  $("report-title").textContent = `Report on ${report.agency}/${report.unit}`;
  const place = each => each.place ? `${each.place.latitude_e7 / 1e7}, ${each.place.longitude_e7 / 1e7}` : "unknown";
  const camera = each => [
    each.name, each.size && each.size.join("x"), each.focus && `focus ${each.focus}`,
    each.plate_px && `plates ${each.plate_px} px`, `at ${place(each)}`,
    each.drawn.length && `with ${each.drawn.join(", ")}`,
  ].filter(Boolean).join(", ");
  const open = report.findings.filter(({ verdict }) => verdict === "failed" || verdict === "warning");
  const facts = [
    ["Made", new Date(report.made.time).toLocaleString()],
    ["By", report.technician],
    ["Site", report.site],
    ["Serial number", report.serial],
    ...report.cameras.map(each => [`Camera ${each.camera}`, camera(each)]),
    ["Checks", `${counts.ok} ok, ${counts.warning} to look at, ${counts.failed} failed, ${counts.unchecked} not checked`],
    ...open.map(({ check, of, measured }) => [of ? `${check} ${of}` : check, measured]),
    ["Software", report.software],
    ["Models", report.models.join(", ") || "none"],
    ...report.certificates.map(({ of, serial, until }) =>
      [`Certificate (${of})`, `${serial}, until ${new Date(until).toLocaleDateString()}`]),
  ];
  $("report-facts").replaceChildren(...facts.flatMap(([name, words]) => {
    const [term, fact] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    fact.textContent = words;
    return [term, fact];
  }));
  document.querySelectorAll("#report-pictures img").forEach(image => URL.revokeObjectURL(image.src));
  $("report-pictures").replaceChildren(...report.cameras.filter(each => each.picture).map(each => {
    const [figure, image, words] = ["figure", "img", "figcaption"].map(tag => document.createElement(tag));
    const bytes = Uint8Array.from(each.picture.match(/../g), digits => parseInt(digits, 16));
    image.src = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    image.alt = words.textContent = `What ${each.name} saw`;
    figure.append(image, words);
    return figure;
  }));
  show($("report"), true);
}

$("commission").onsubmit = async event => {
  event.preventDefault();
  $("make-report").disabled = true;
  try {
    const answer = await tell("/api/report", { site: $("site").value });
    if (!answer.ok) return say($("report-words"), await refusal(answer), "bad");
    const report = await answer.json();
    reported = report.made.time;
    printReport(report);
    say($("report-words"), "Signed by the unit, kept, and on its way to the center.", "good");
  } finally {
    $("make-report").disabled = false;
  }
};
