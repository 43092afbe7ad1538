// A reader's page: who granted, what can be read, and what is in a record. Bytes come from the local process, which
// holds the identity; here they only become text, a picture or a file.

import { fill, foreign, h } from "./dom.js";
import { said, saidText } from "./problems.js";
import { act, ask, begin, follow, Problem } from "./session.js";
import { here, label, loadText, moment, speak, spoken, t } from "./text.js";

const at = (id) => document.getElementById(id);
const SAVED = { "application/pdf": "pdf", "application/dicom": "dcm", "application/fhir+json": "json", "text/plain": "txt" };

let state = null;
let lost = null;
let dismissed = "";
let shownRecord = "";
let blobs = [];

// -- words -----------------------------------------------------------------------------------------------------------

const worded = (key, otherwise) => (here().has(key) ? t(key) : otherwise);
const classOf = (name) => worded(`reader.class:${name}`, worded(`class:${name}`, name || t("reader.unfiled")));
const purposeOf = (code) => {
  const found = state.purposes.find((each) => each.code === code);
  return found ? worded(`purpose:${found.words}`, found.words) : code;
};

const standingOf = (standing) => worded(`standing.${standing === "none" ? "open" : standing}`, standing);

/** A FHIR element as words: by the catalogue, or its own name taken apart. */
function elementOf(name) {
  const spaced = name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return worded(`fhir:${name}`, spaced.charAt(0).toUpperCase() + spaced.slice(1));
}

function calledPatient(each) {
  return each.name ? foreign(each.name) : h("span", { class: "mono" }, `${each.pseudonym.slice(0, 10)}…${each.pseudonym.slice(-4)}`);
}

// -- the board -------------------------------------------------------------------------------------------------------

function show() {
  if (!state) return;
  label();
  document.title = t("reader.title");
  at("language").textContent = t("language");
  at("language").lang = spoken() === "zh" ? "en" : "zh-Hans";
  at("who").replaceChildren(foreign(state.who ?? ""), state.member ? ` (${t("member", { number: state.member })})` : "");
  showNotice();
  at("board").hidden = state.patients === undefined;
  if (!at("board").hidden) showBoard();
  showJob();
}

function showNotice() {
  const problem = lost ?? (state?.offline ? new Problem("offline") : null);
  at("notice").hidden = !problem;
  if (problem) at("notice").replaceChildren(said(problem));
}

function showBoard() {
  const key = (...parts) => JSON.stringify([spoken(), ...parts]);
  const { patients, chosen, opened, waiting } = state;
  at("send").hidden = !waiting;
  at("send").textContent = t("reader.send", { count: waiting });
  fill(at("patients"), key(patients, chosen?.pseudonym, chosen?.purpose), () => patientList(patients, chosen));
  at("records-section").hidden = !chosen || Boolean(opened);
  at("record-section").hidden = !opened;
  if (chosen) showRecords(chosen);
  showRecord(opened);
}

function patientList(patients, chosen) {
  if (!patients.length) return h("p", { class: "empty" }, t("reader.patients.none"));
  return h(
    "ul",
    { class: "cards" },
    ...patients.map((each) => {
      const open = each.standing === "none";
      return h(
        "li",
        {},
        h(
          "button",
          {
            type: "button",
            class: "pick",
            "data-key": `${each.pseudonym}-${each.purpose}`,
            "aria-current": String(chosen?.pseudonym === each.pseudonym && chosen?.purpose === each.purpose),
            onclick: () => send("choose", { pseudonym: each.pseudonym, purpose: each.purpose }),
          },
          h("strong", {}, calledPatient(each)),
          h("span", { class: "small" }, purposeOf(each.purpose)),
          h("span", { class: "small soft" }, t("reader.until", { moment: moment(each.until) })),
          !open && h("span", { class: "state off" }, standingOf(each.standing)),
        ),
      );
    }),
  );
}

function chosenPatient() {
  const { chosen, patients } = state;
  return patients.find((each) => each.pseudonym === chosen.pseudonym && each.purpose === chosen.purpose) ?? { ...chosen, name: "" };
}

function showRecords(chosen) {
  const closed = chosen.standing !== "none";
  at("records-title").replaceChildren(calledPatient(chosenPatient()));
  at("standing").replaceChildren(
    ...(closed ? [h("p", { class: "fault", role: "alert" }, t("reader.closed", { why: standingOf(chosen.standing) }))] : []),
  );
  at("filters").hidden = closed || !chosen.records.length;
  const classes = [...new Set(chosen.records.map((each) => each.class))].sort();
  fill(at("class"), JSON.stringify([spoken(), classes]), () => [
    h("option", { value: "" }, t("reader.class.all")),
    ...classes.map((name) => h("option", { value: name }, classOf(name))),
  ]);
  const [wanted, words] = [at("class").value, at("filter").value.trim().toLowerCase()];
  const fits = (each) =>
    (!wanted || each.class === wanted) &&
    (!words || [each.title, each.date, each.place, classOf(each.class)].some((text) => text.toLowerCase().includes(words)));
  const found = chosen.records.filter(fits);
  fill(at("records"), JSON.stringify([spoken(), chosen.pseudonym, closed, found]), () => recordGroups(found, closed));
}

function recordGroups(found, closed) {
  if (closed) return [];
  if (!found.length) return h("p", { class: "empty" }, t("reader.records.none"));
  const groups = grouped(found);
  return [...groups.entries()]
    .sort(([a], [b]) => classOf(a).localeCompare(classOf(b)))
    .map(([name, records]) =>
      h("section", { class: "group" }, h("h3", {}, classOf(name)), h("ul", { class: "records card" }, ...sorted(records).map(recordLine))),
    );
}

function grouped(found) {
  const groups = new Map();
  for (const each of found) groups.set(each.class, [...(groups.get(each.class) ?? []), each]);
  return groups;
}

const sorted = (records) => [...records].sort((a, b) => b.date.localeCompare(a.date));

function recordLine(each) {
  return h(
    "li",
    { class: "whole" },
    h(
      "button",
      { type: "button", class: "line", "data-key": each.digest, onclick: () => send("open", { digest: each.digest }) },
      h("span", { class: "soft" }, each.date),
      h(
        "span",
        {},
        foreign(each.title || classOf(each.class)),
        h("br"),
        h("span", { class: "soft small" }, each.reported ? t("reader.reported") : foreign(each.place)),
      ),
    ),
  );
}

// -- one record ------------------------------------------------------------------------------------------------------

async function showRecord(opened) {
  const key = opened ? JSON.stringify([spoken(), opened.number, opened.frame ?? 0]) : "";
  if (key === shownRecord) return;
  shownRecord = key;
  for (const each of blobs) URL.revokeObjectURL(each);
  blobs = [];
  if (!opened) {
    at("record").replaceChildren();
    return;
  }
  at("record-title").replaceChildren(foreign(opened.title || classOf(opened.class)));
  at("record").replaceChildren(...recordFacts(opened), ...inside(opened));
  at("record-title").focus();
  const wanted = opened.kind === "image" ? "picture" : opened.kind === "pdf" ? "bytes" : null;
  if (wanted) await showBytes(opened, wanted, key);
}

function recordFacts(opened) {
  const rows = [
    [t("reader.what"), classOf(opened.class)],
    opened.date && [t("reader.happened"), opened.date.replace("T", " ")],
    [t("reader.written"), moment(opened.anchored)],
    [t("reader.by"), opened.reported ? t("reader.reported") : t("member", { number: opened.author })],
    opened.place && [t("reader.place"), foreign(opened.place)],
    [t("reader.size"), t("reader.bytes", { count: opened.size })],
  ].filter(Boolean);
  return [
    h("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("p", { class: "soft small", id: "receipt" }, t("reader.receipt")),
  ];
}

function inside(opened) {
  switch (opened.kind) {
    case "fhir":
      return [
        ...opened.cautions.map((each) => h("p", { class: "fault", role: "alert" }, t(`reader.caution.${each}`))),
        h("div", { class: "card", "data-resource": opened.resource }, h("h3", {}, elementOf(opened.resource)), rowsOf(opened.rows)),
      ];
    case "image":
      return [
        h("img", { class: "picture", alt: t("reader.picture", { title: opened.title || classOf(opened.class) }), width: opened.width, height: opened.height }),
        opened.frames > 1 && frames(opened),
        h("p", { class: "soft small" }, t("reader.look.only")),
      ].filter(Boolean);
    case "pdf":
      return [
        h("p", {}, h("a", { id: "paper-link", target: "_blank", rel: "noopener", hidden: true }, t("reader.pdf.open"))),
        h("iframe", { class: "paper", title: opened.title || "PDF", hidden: true }),
      ];
    case "text":
      return [h("div", { class: "card" }, h("p", { class: "plain" }, foreign(opened.text)))];
    default:
      return [h("p", { class: "fault" }, opened.fault ? h("span", { lang: "en" }, opened.fault) : t("reader.file"))];
  }
}

function rowsOf(rows) {
  return h(
    "dl",
    { class: "resource" },
    ...rows.flatMap((row) =>
      row.rows.length
        ? [h("dt", {}, elementOf(row.name)), h("dd", { class: "inner-rows" }, rowsOf(row.rows))]
        : [h("dt", {}, elementOf(row.name)), h("dd", {}, foreign(row.text))],
    ),
  );
}

function frames(opened) {
  const step = (by) => send("frame", { number: opened.number, frame: opened.frame + by });
  return h(
    "div",
    { class: "actions" },
    h("button", { type: "button", disabled: opened.frame === 1, onclick: () => step(-1) }, t("reader.frame.before")),
    h("p", {}, t("reader.frame", { frame: opened.frame, frames: opened.frames })),
    h("button", { type: "button", disabled: opened.frame === opened.frames, onclick: () => step(1) }, t("reader.frame.after")),
  );
}

async function blobOf(number, what, type) {
  const response = await ask("content", { number, what });
  const blob = new Blob([await response.arrayBuffer()], { type });
  const url = URL.createObjectURL(blob);
  blobs.push(url);
  return url;
}

/** The picture or the paper of a record, unless another one was opened meanwhile. */
async function showBytes(opened, what, key) {
  try {
    const url = await blobOf(opened.number, what, what === "picture" ? "image/png" : "application/pdf");
    if (shownRecord !== key) return;
    if (what === "picture") {
      at("record").querySelector("img").src = url;
      return;
    }
    const [link, frame] = [at("paper-link"), at("record").querySelector("iframe")];
    link.href = url;
    link.hidden = false;
    if (navigator.pdfViewerEnabled) {
      frame.src = url;
      frame.hidden = false;
    }
  } catch (problem) {
    tell(problem);
  }
}

async function save() {
  const { opened } = state;
  try {
    const url = await blobOf(opened.number, "bytes", "application/octet-stream");
    const suffix = opened.kind === "pdf" ? "pdf" : opened.kind === "image" ? "dcm" : (SAVED[opened.type] ?? "bin");
    h("a", { href: url, download: `${opened.digest.slice(0, 16)}.${suffix}` }).click();
  } catch (problem) {
    tell(problem);
  }
}

// -- acts ------------------------------------------------------------------------------------------------------------

let last = Promise.resolve();

/** Asks for an act after those that were asked for before it. */
function send(name, values = {}) {
  last = last.then(() => sendNow(name, values));
  return last;
}

const PATIENCE = 500;
const busy = () => Boolean(state.job && !state.job.done);

/** Looks every 20 ms whether something is so, for ten seconds. */
async function until(so) {
  for (let turn = 0; turn < PATIENCE && !so(); turn++) await new Promise((done) => setTimeout(done, 20));
}

/** Asks for an act and waits until it is done, so that the next one is not in its way. */
async function sendNow(name, values) {
  const id = crypto.randomUUID();
  try {
    await until(() => !busy());
    await act(name, values, id);
    await until(() => lost || (state.job?.id === id && state.job.done));
  } catch (problem) {
    tell(problem);
  }
}

function tell(problem) {
  lost = problem;
  showNotice();
}

const QUIET = ["look", "choose", "open", "frame", "close"];

function showJob() {
  const { job } = state;
  const failed = Boolean(job?.done && job.problem);
  const shown = job && dismissed !== job.id && (failed || (!QUIET.includes(job.act) && job));
  at("job").hidden = !shown;
  at("job").classList.toggle("failed", failed);
  at("board").setAttribute("aria-busy", String(busy()));
  if (!job) return;
  const name = t(`job.${job.act}`);
  const text = failed
    ? t("job.failed", { said: saidText(job.problem) })
    : job.done
      ? worded(`done.${job.act}`, "")
      : `${name}: ${t("job.working")}`;
  at("job-text").textContent = text;
  at("job-close").hidden = !job.done;
  if (at("live").textContent !== text) at("live").textContent = text;
}

// -- beginning -------------------------------------------------------------------------------------------------------

async function main() {
  await loadText();
  label();
  at("language").textContent = t("language");
  at("language").addEventListener("click", () => {
    speak(spoken() === "en" ? "zh" : "en");
    show();
  });
  at("look").addEventListener("click", () => send("look"));
  at("send").addEventListener("click", () => send("send"));
  at("save").addEventListener("click", save);
  at("back").addEventListener("click", async () => {
    await send("close");
    at("records-title").focus();
  });
  at("filter").addEventListener("input", show);
  at("class").addEventListener("change", show);
  at("job-close").addEventListener("click", () => {
    dismissed = state.job.id;
    show();
  });
  try {
    await begin();
  } catch (problem) {
    tell(problem);
    return;
  }
  await follow(
    (next) => {
      state = next;
      show();
    },
    (problem) => {
      lost = problem;
      showNotice();
    },
  );
}

main();
