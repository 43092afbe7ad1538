// The patient's page: shows what the process says, asks it for acts, and has the wallet sign what it is asked to.

import { fill, foreign, h } from "./dom.js";
import { said, saidText } from "./problems.js";
import { party, sentences, Unspeakable } from "./sentences.js";
import { act, ask, begin, follow, Problem } from "./session.js";
import { here, label, loadText, moment, speak, spoken, t } from "./text.js";
import { Wallet, Wallets } from "./wallets.js";

const DAY = 86400;
const at = (id) => document.getElementById(id);

let state = null;
let wallet = null;
let lost = null;
let busySigning = false;
let dismissed = "";
const wallets = new Wallets(() => state && showWallet());

// -- words -----------------------------------------------------------------------------------------------------------

function purposeOf(code) {
  const found = state.purposes.find((each) => each.code === code);
  return found ? t(`purpose:${found.words}`) : code;
}

function classOf(name) {
  return here().has(`class:${name}`) ? t(`class:${name}`) : name;
}

function partyOf(address) {
  return party(address, here());
}

/** Member 1, or the account: what the chain knows. Beside it, what it calls itself. */
function who(address, name) {
  const known = partyOf(address);
  const first = known.charAt(0).toUpperCase() + known.slice(1);
  return name ? [foreign(name), " ", h("span", { class: "soft small" }, first)] : [first];
}

function tags(names) {
  return h("ul", { class: "tags" }, ...names.map((name) => h("li", { class: "tag" }, classOf(name))));
}

function facts(...pairs) {
  return h("dl", { class: "facts" }, ...pairs.filter(Boolean).flatMap(([name, ...value]) => [h("dt", {}, name), h("dd", {}, ...value)]));
}

// -- the board -------------------------------------------------------------------------------------------------------

function show() {
  if (!state) return;
  label();
  document.title = t("title");
  at("language").textContent = t("language");
  at("language").lang = spoken() === "zh" ? "en" : "zh-Hans";
  showNotice();
  showWallet();
  at("board").hidden = !state.begun || state.grants === undefined;
  showBegin();
  showJob();
  if (!at("board").hidden) showBoard();
}

function showNotice() {
  const problem = lost ?? (state?.offline ? new Problem("offline") : null);
  at("notice").hidden = !problem;
  if (problem) at("notice").replaceChildren(said(problem));
}

function showBoard() {
  const key = (...parts) => JSON.stringify([spoken(), ...parts]);
  const { alarms, requests, grants, records, record_count, unsolicited, looked, now } = state;
  at("alarms").hidden = !alarms.length;
  fill(at("alarms-list"), key(alarms), () => alarmCards(alarms));
  fill(at("requests"), key(requests), () => requestCards(requests, now));
  fill(at("grants"), key(grants), () => grantCards(grants));
  fill(at("records"), key(records, record_count, unsolicited), () => recordList());
  at("looked-section").hidden = looked === undefined;
  if (looked !== undefined) fill(at("looked"), key(looked), () => lookedList(looked));
}

function alarmCards(alarms) {
  return h(
    "div",
    { class: "stack" },
    ...alarms.map((each) =>
      h("p", { class: "fault", role: "alert" }, t("alarm", { account: each.pseudonym, version: each.version })),
    ),
    h("button", { type: "button", class: "danger", onclick: () => send("replace-publisher") }, t("alarm.mend")),
  );
}

function requestCards(requests, now) {
  if (!requests.length) return h("p", { class: "empty" }, t("requests.none"));
  return h("ul", { class: "cards" }, ...requests.map((each) => requestCard(each, now)));
}

function requestCard(request, now) {
  const over = request.end <= now;
  const { letter } = request;
  return h(
    "li",
    { class: "card" },
    h("h3", {}, t("request.by", { member: t("member", { number: request.member }) }).replace(/^./, (a) => a.toUpperCase())),
    facts(
      [t("request.member"), foreign(request.name || "—")],
      [t("request.reader"), ...who(request.reader, request.known)],
      [t("grant.purpose"), purposeOf(request.purpose)],
      [t("grant.until"), moment(request.end)],
      [t("grant.what"), tags(request.classes)],
      request.reason && [t("request.reason"), h("p", { class: "quote" }, foreign(request.reason))],
    ),
    request.known === null && h("p", { class: "fault" }, t("request.unknown")),
    over && h("p", { class: "soft" }, t("request.over")),
    h(
      "div",
      { class: "actions" },
      h(
        "button",
        { type: "button", class: "primary", disabled: over || request.known === null, "data-key": `yes-${letter}`, onclick: () => answerForm(request) },
        t("request.yes"),
      ),
      h("button", { type: "button", "data-key": `no-${letter}`, onclick: () => refuseForm(request) }, t("request.no")),
    ),
  );
}

const QUIET = ["over", "expired"];
const WAITING = ["unsettled", "revoking", "keyless", "narrowing", "not-started"];

function grantCards(grants) {
  if (!grants.length) return h("p", { class: "empty" }, t("grants.none"));
  const sorted = [...grants].sort((a, b) => QUIET.includes(a.standing) - QUIET.includes(b.standing));
  return [
    h("ul", { class: "cards" }, ...sorted.map(grantCard)),
    h(
      "div",
      { class: "actions lead" },
      h("button", { type: "button", class: "danger", "data-key": "revoke-all", onclick: revokeAllForm }, t("revoke.all")),
    ),
  ];
}

function grantCard(grant) {
  const { standing } = grant;
  const kind = standing === "open" ? "" : WAITING.includes(standing) ? " wait" : " off";
  const key = `${grant.reader}-${grant.purpose ?? grant.record}`;
  const live = !QUIET.includes(standing);
  return h(
    "li",
    { class: "card", "data-grant": key },
    h(
      "div",
      { class: "row" },
      h("h3", {}, ...who(grant.reader, grant.name)),
      h("span", { class: `state${kind}` }, t(`standing.${standing}`)),
    ),
    grant.record
      ? facts([t("grant.record"), h("span", { class: "mono" }, grant.record.slice(0, 16))], [t("grant.until"), moment(grant.end)])
      : facts(
          [t("grant.purpose"), purposeOf(grant.purpose)],
          [t("grant.from"), moment(grant.start)],
          [t("grant.until"), moment(grant.end)],
          [t("grant.past"), grant.since ? t("grant.past.since", { moment: moment(grant.since) }) : t("grant.past.all")],
          grant.classes.length > 0 && [t("grant.what"), tags(grant.classes)],
        ),
    live &&
      !grant.record &&
      h(
        "div",
        { class: "actions" },
        !["revoking", "keyless", "unsettled"].includes(standing) &&
          h("button", { type: "button", "data-key": `narrow-${key}`, onclick: () => narrowForm(grant) }, t("grant.narrow")),
        h(
          "button",
          { type: "button", class: "danger", "data-key": `revoke-${key}`, onclick: () => revokeForm(grant) },
          t(["revoking", "keyless"].includes(standing) ? "grant.finish" : "grant.revoke"),
        ),
      ),
  );
}

function lookedList({ rows, missing, lies }) {
  const alarm = (words) => h("p", { class: "fault", role: "alert" }, words);
  return [
    ...lies.map(({ reader, number }) => alarm(t("looked.lied", { reader: partyOf(reader), number }))),
    ...missing.map(({ reader, first, last }) => alarm(t("looked.missing", { reader: partyOf(reader), first, last }))),
    rows.length ? h("ul", { class: "records card" }, ...rows.map(lookedRow)) : h("p", { class: "empty" }, t("looked.none")),
  ];
}

function lookedRow(row) {
  const words = { class: classOf(row.class), purpose: purposeOf(row.purpose) };
  return h(
    "li",
    {},
    h("span", { class: "soft" }, moment(row.time)),
    h(
      "span",
      {},
      ...who(row.reader, row.name),
      h("br"),
      h("span", { class: "soft small" }, t("looked.row", words), ` · ${row.act}`),
      row.faults.length > 0 && h("p", { class: "fault", lang: "en" }, row.faults.join("; ")),
    ),
  );
}

function recordList() {
  const { records, record_count: all, unsolicited } = state;
  return [
    records.length
      ? h(
          "ul",
          { class: "records card" },
          ...records.map((each) =>
            h(
              "li",
              {},
              h("span", { class: "soft" }, each.date),
              h(
                "span",
                {},
                foreign(each.title || classOf(each.class)),
                h("br"),
                h("span", { class: "soft small" }, classOf(each.class), " · ", ...(each.author ? recordAuthor(each) : [t("records.you")])),
              ),
            ),
          ),
        )
      : h("p", { class: "empty" }, t("records.none")),
    all > records.length && h("p", { class: "soft small" }, t("records.more", { shown: records.length, all })),
    unsolicited > 0 && h("p", { class: "soft small" }, t("records.unsolicited", { count: unsolicited })),
  ].filter(Boolean);
}

function recordAuthor(record) {
  const number = t("member", { number: record.author });
  return record.name ? [foreign(record.name), ` (${number})`] : [number];
}

// -- acts ------------------------------------------------------------------------------------------------------------

function isBusy() {
  return state.job !== null && !state.job.done;
}

/** Asks for an act; the form that it came from has one name for it, so that it is done once. */
async function send(name, values = {}) {
  pause(true);
  try {
    await act(name, values);
  } catch (problem) {
    pause(isBusy());
    tell(problem);
  }
}

/** While something is being done, nothing else can be asked for. */
function pause(busy) {
  for (const button of document.querySelectorAll("#board button, #begin button.primary")) {
    if (busy && !button.disabled) (button.disabled = true), (button.dataset.paused = "");
    else if (!busy && button.dataset.paused !== undefined) (button.disabled = false), delete button.dataset.paused;
  }
}

function showJob() {
  const { job, question } = state;
  // Looking for news is no news, unless something had to be signed or sent.
  const quiet = job?.act === "look" && !job.problem && !job.steps && !question;
  at("job").hidden = !job || quiet || dismissed === job.id;
  if (!job) return;
  const name = t(`job.${job.act}`);
  const text = job.done
    ? job.problem
      ? t("job.failed", { said: saidText(job.problem) })
      : t(`done.${job.act}`)
    : `${name}: ${progress(job, question)}`;
  at("job").classList.toggle("failed", Boolean(job.done && job.problem));
  at("job-text").textContent = text;
  at("job-close").hidden = !job.done;
  if (at("live").textContent !== text) at("live").textContent = text;
  pause(isBusy());
  if (job.done && job.result?.content && dismissed !== job.id) {
    at("job").hidden = true;
    saveForm(job);
  }
}

function progress(job, question) {
  if (question) return t("job.signing");
  const steps = job.steps ?? [];
  const landed = steps.filter((each) => each.state === "landed").length;
  const doing = steps.at(-1)?.state === "sent" ? t("job.sending") : t("job.working");
  return landed ? `${doing} (${t("job.count", { count: landed })})` : doing;
}

// -- forms -----------------------------------------------------------------------------------------------------------

/** A dialog with fields and one thing to do. What it sends has one name, however often the button is pressed. */
function form({ title, sub, fields = [], go, danger = false, values, name }) {
  const dialog = at("form");
  const id = crypto.randomUUID();
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  const submit = h("button", { type: "submit", class: danger ? "danger" : "primary" }, go);
  const onsubmit = async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    try {
      await act(name, values(), id);
      dialog.close();
    } catch (problem) {
      fault.hidden = false;
      fault.replaceChildren(said(problem));
      submit.disabled = false;
    }
  };
  dialog.replaceChildren(
    h(
      "form",
      { class: "stack", onsubmit },
      h("h2", { id: "form-title" }, title),
      sub && h("div", { class: "sub" }, ...[sub].flat()),
      ...fields,
      fault,
      h(
        "div",
        { class: "actions" },
        submit,
        h("button", { type: "button", onclick: () => dialog.close() }, t("cancel")),
      ),
    ),
  );
  dialog.showModal();
}

function textField(name, hint, attributes = {}) {
  const input = h("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false", ...attributes });
  return [h("label", {}, name, hint && h("span", { class: "hint" }, ` ${hint}`), input), input];
}

function dayField(until, { latest = undefined } = {}) {
  const first = new Date((state.now + DAY) * 1000).toISOString().slice(0, 10);
  const input = h("input", { type: "date", required: true, min: first, max: latest, value: until });
  return [h("label", {}, t("form.until"), input), input];
}

function classField(names, chosen) {
  const boxes = names.map((name) => [name, h("input", { type: "checkbox", checked: chosen.includes(name), value: name })]);
  const all = (checked) => () => boxes.forEach(([, box]) => (box.checked = checked));
  const field = h(
    "fieldset",
    {},
    h("legend", {}, t("form.classes")),
    names.length > 6 &&
      h(
        "div",
        { class: "tools" },
        h("button", { type: "button", class: "quiet", onclick: all(true) }, t("form.all")),
        h("button", { type: "button", class: "quiet", onclick: all(false) }, t("form.none")),
      ),
    h("div", { class: "choices" }, ...boxes.map(([name, box]) => h("label", { class: "choice" }, box, h("span", {}, classOf(name))))),
  );
  return [field, () => boxes.filter(([, box]) => box.checked).map(([name]) => name)];
}

function historyField(checked) {
  const box = h("input", { type: "checkbox", checked });
  return [h("label", { class: "choice" }, box, h("span", {}, t("form.history"))), box];
}

function dayAfter(seconds) {
  return new Date((Math.floor(seconds / DAY) + 1) * DAY * 1000).toISOString().slice(0, 10);
}

function giveForm() {
  const [reader, readerInput] = textField(t("form.reader"), t("form.reader.hint"), { name: "reader" });
  const purpose = h("select", { name: "purpose" }, ...state.purposes.map((each) => h("option", { value: each.code }, t(`purpose:${each.words}`))));
  const [classes, chosen] = classField(state.classes, []);
  const [day, dayInput] = dayField(dayAfter(state.now + 30 * DAY));
  const [history, historyBox] = historyField(true);
  form({
    title: t("give.title"),
    fields: [reader, h("label", {}, t("form.purpose"), purpose), classes, day, history],
    go: t("give.go"),
    name: "grant",
    values: () => ({ reader: readerInput.value, purpose: purpose.value, classes: chosen(), until: dayInput.value, history: historyBox.checked }),
  });
}

function answerForm(request) {
  const latest = new Date(request.end * 1000).toISOString();
  const [classes, chosen] = classField(request.classes, request.classes);
  const [day, dayInput] = dayField(latest.slice(0, 10), { latest: latest.slice(0, 10) });
  const [history, historyBox] = historyField(true);
  form({
    title: t("answer.title"),
    sub: [h("p", {}, ...who(request.reader, request.known), " · ", purposeOf(request.purpose)), h("p", {}, t("answer.sub"))],
    fields: [classes, day, request.history && history],
    go: t("answer.go"),
    name: "answer",
    values: () => ({
      letter: request.letter,
      classes: chosen(),
      until: dayInput.value === latest.slice(0, 10) ? latest.slice(0, 19) : dayInput.value,
      history: request.history && historyBox.checked,
    }),
  });
}

function refuseForm(request) {
  const reason = h("textarea", { rows: "3", maxlength: "1000" });
  form({
    title: t("refuse.title"),
    sub: h("p", {}, ...who(request.reader, request.known)),
    fields: [h("label", {}, t("form.reason"), reason)],
    go: t("refuse.go"),
    name: "refuse",
    values: () => ({ letter: request.letter, reason: reason.value }),
  });
}

function narrowForm(grant) {
  const latest = new Date(grant.end * 1000).toISOString();
  const [classes, chosen] = classField(grant.classes, grant.classes);
  const [day, dayInput] = dayField(latest.slice(0, 10), { latest: latest.slice(0, 10) });
  form({
    title: t("narrow.title"),
    sub: h("p", {}, ...who(grant.reader, grant.name), " · ", purposeOf(grant.purpose)),
    fields: [classes, day],
    go: t("narrow.go"),
    name: "narrow",
    values: () => ({
      pseudonym: grant.pseudonym,
      reader: grant.reader,
      purpose: grant.purpose,
      classes: chosen(),
      until: dayInput.value === latest.slice(0, 10) ? latest.slice(0, 19) : dayInput.value,
    }),
  });
}

function revokeForm(grant) {
  form({
    title: t("revoke.title"),
    sub: [h("p", {}, ...who(grant.reader, grant.name), " · ", purposeOf(grant.purpose)), h("p", {}, t("revoke.sub"))],
    go: t("revoke.go"),
    danger: true,
    name: "revoke",
    values: () => ({ pseudonym: grant.pseudonym, reader: grant.reader, purpose: grant.purpose }),
  });
}

function revokeAllForm() {
  form({ title: t("revoke.all.title"), sub: h("p", {}, t("revoke.all.sub")), go: t("revoke.all"), danger: true, name: "revoke-all", values: () => ({}) });
}

function meetForm() {
  const [member, input] = textField(t("form.member"), "", { inputmode: "numeric", pattern: "[0-9]+" });
  const [classes, chosen] = classField(state.classes, state.classes);
  form({
    title: t("meet.title"),
    sub: h("p", {}, t("meet.sub")),
    fields: [member, classes],
    go: t("meet.go"),
    name: "introduce",
    values: () => ({ member: Number(input.value), classes: chosen() }),
  });
}

function saveForm(job) {
  const dialog = at("form");
  dismissed = job.id;
  const url = URL.createObjectURL(new Blob([job.result.content], { type: "application/octet-stream" }));
  const save = () => {
    h("a", { href: url, download: job.result.name }).click();
  };
  dialog.replaceChildren(
    h(
      "div",
      { class: "stack" },
      h("h2", { id: "form-title" }, t("done.introduce")),
      h("p", { class: "sub" }, t("meet.sub")),
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", class: "primary", "data-key": "save", onclick: save }, t("meet.save", { name: job.result.name })),
        h("button", { type: "button", onclick: () => dialog.close() }, t("close")),
      ),
    ),
  );
  if (!dialog.open) dialog.showModal();
}

// -- the wallet ------------------------------------------------------------------------------------------------------

function showWallet() {
  const needed = state.wallet !== "local";
  at("wallet").hidden = !needed;
  if (needed) at("wallet").textContent = wallet ? t("wallet.on", { name: wallet.name || t("wallet.unnamed") }) : t("wallet.connect");
  if (state.question) showQuestion();
}

/** The wallet that the patient connected, or connects now. */
async function connected() {
  if (wallet) return wallet;
  const found = wallets.list();
  if (!found.length) throw new Problem("wallet-none");
  const chosen = found.length === 1 ? found[0] : await choice(found);
  const next = new Wallet(chosen, show);
  await next.connect();
  wallet = next;
  show();
  return wallet;
}

function choice(found) {
  const dialog = at("form");
  return new Promise((resolve, reject) => {
    const pick = (each) => () => (resolve(each), dialog.close());
    dialog.replaceChildren(
      h(
        "div",
        { class: "stack" },
        h("h2", { id: "form-title" }, t("wallet.which")),
        ...found.map((each) => h("button", { type: "button", onclick: pick(each) }, foreign(each.name || t("wallet.unnamed")))),
        h("div", { class: "actions" }, h("button", { type: "button", onclick: () => dialog.close() }, t("cancel"))),
      ),
    );
    dialog.addEventListener("close", () => reject(new Problem("wallet-refused")), { once: true });
    dialog.showModal();
  });
}

function showBegin() {
  at("begin").hidden = state.begun;
  if (state.begun) return;
  const key = JSON.stringify([spoken(), state.wallet, wallet?.accounts ?? null]);
  fill(at("begin"), key, () => {
    const account = state.first ?? wallet?.accounts[0];
    return h(
      "div",
      { class: "lead stack" },
      h("h1", {}, t("begin")),
      h("p", { class: "sub" }, t(`begin.${state.wallet}`)),
      h("p", { class: "sub" }, t("begin.free")),
      h(
        "div",
        { class: "actions" },
        account
          ? h("button", { type: "button", class: "primary", onclick: () => send("begin", { account }) }, state.first ? t("begin.go") : t("begin.with", { account: short(account) }))
          : h("button", { type: "button", class: "primary", onclick: tryConnect }, t("wallet.connect")),
        wallet && !state.first && h("button", { type: "button", onclick: () => wallet.choose().then(show, tell) }, t("wallet.other")),
      ),
    );
  });
}

function short(account) {
  return `${account.slice(0, 8)}…${account.slice(-6)}`;
}

function tell(problem) {
  at("notice").hidden = false;
  at("notice").replaceChildren(said(problem));
}

async function tryConnect() {
  try {
    await connected();
    lost = null;
    showNotice();
  } catch (problem) {
    tell(problem);
  }
}

// -- signing ---------------------------------------------------------------------------------------------------------

let questionShown = "";

async function showQuestion() {
  const dialog = at("sign");
  const { question } = state;
  if (!question) {
    questionShown = "";
    if (dialog.open) dialog.close();
    return;
  }
  const key = JSON.stringify([spoken(), question.number, question.problem]);
  if (key === questionShown) return;
  questionShown = key;
  let words;
  try {
    words = await sentences(question, here());
  } catch (fault) {
    words = { unspeakable: fault instanceof Unspeakable ? fault.message : String(fault) };
  }
  if (state.question?.number !== question.number) return;
  const { problem } = question;
  const first = problem && (problem.signer ? new Problem("other-signer", "", { signer: problem.signer, account: question.account }) : new Problem("wrong-signature"));
  dialog.dataset.number = question.number;
  dialog.replaceChildren(questionForm(question, words, first));
  if (!dialog.open) dialog.showModal();
}

function questionForm(question, words, first) {
  const fault = h("p", { class: "fault", role: "alert", hidden: !first }, ...(first ? [said(first)] : []));
  const go = h("button", { type: "button", class: "primary", "data-key": "sign" }, t("sign.go"));
  const choose = h("button", { type: "button", hidden: true, "data-key": "chosen" }, t("sign.chosen"));
  const sign = async () => {
    if (busySigning) return;
    busySigning = true;
    go.disabled = true;
    go.textContent = t("sign.waiting");
    fault.hidden = true;
    try {
      const signature = await (await connected()).sign(question);
      await ask("signature", { number: question.number, signature });
    } catch (problem) {
      fault.hidden = false;
      fault.replaceChildren(said(problem));
      choose.hidden = problem.code !== "wrong-account";
    } finally {
      busySigning = false;
      go.disabled = false;
      go.textContent = t("sign.go");
    }
  };
  go.addEventListener("click", sign);
  choose.addEventListener("click", () => wallet.choose().then(sign, (problem) => fault.replaceChildren(said(problem))));
  return h(
    "div",
    { class: "stack" },
    h("h2", { id: "sign-title", tabindex: "-1", autofocus: true }, t("sign")),
    words.unspeakable
      ? h("p", { class: "fault", role: "alert" }, t("sign.unspeakable", { said: words.unspeakable }))
      : h("p", { class: "says" }, words.main),
    ...calls(question),
    question.typed?.message?.classes?.some?.((each) => each.endsWith("restricted")) &&
      h("p", { class: "soft small" }, t("sign.levels")),
    facts([
      t("sign.by"),
      h("span", { class: "mono" }, question.account),
      ...(state.wallet === "many" ? [h("br"), h("span", { class: "soft small" }, t("sign.place", { number: question.place + 1 }))] : []),
    ]),
    words.small && h("details", {}, h("summary", {}, t("sign.small")), h("ul", {}, ...words.small.map((each) => h("li", {}, each)))),
    fault,
    h(
      "div",
      { class: "actions" },
      !words.unspeakable && go,
      choose,
      h("button", { type: "button", "data-key": "no", onclick: () => decline(question) }, t("sign.no")),
    ),
  );
}

/** What the reader calls itself, apart from what is signed. */
function calls(question) {
  const reader = question.typed?.message?.reader;
  const named = [...(state.grants ?? []), ...(state.requests ?? [])].find((each) => each.reader === reader);
  const name = named && (named.known ?? named.name);
  return name ? [h("p", { class: "soft small" }, t("called", { party: partyOf(reader), name }))] : [];
}

function decline(question) {
  ask("signature", { number: question.number, refused: true }).catch(tell);
}

/** Nothing is shown, and nothing signed, for a process that is not there any more. */
function leave() {
  for (const id of ["sign", "form"]) at(id).close();
  for (const id of ["board", "begin", "job"]) at(id).hidden = true;
}

// -- beginning -------------------------------------------------------------------------------------------------------

async function main() {
  await loadText();
  label();
  at("language").addEventListener("click", () => {
    speak(spoken() === "en" ? "zh" : "en");
    show();
  });
  at("language").textContent = t("language");
  at("wallet").addEventListener("click", tryConnect);
  at("give").addEventListener("click", giveForm);
  at("meet").addEventListener("click", meetForm);
  at("look").addEventListener("click", () => send("look"));
  at("job-close").addEventListener("click", () => {
    dismissed = state.job.id;
    show();
  });
  at("sign").addEventListener("cancel", (event) => event.preventDefault());
  try {
    await begin();
  } catch (problem) {
    tell(problem);
    return;
  }
  await follow(
    async (next) => {
      // What was done before this page was opened is no news to it.
      if (!state && next.job?.done) dismissed = next.job.id;
      state = next;
      show();
      await showQuestion();
    },
    (problem) => {
      lost = problem;
      if (problem && ["no-session", "process-gone"].includes(problem.code)) leave();
      if (state) showNotice();
      else if (problem) tell(problem);
    },
  );
}

main();
