// Words in the reader's language, all from catalogue.json.

const KEPT = "theriac-language";
const LANGUAGES = ["en", "zh"];

let catalogue = {};
let language = "en";

/** Loads the catalogue and chooses the language that was chosen before, or else the browser's. */
export async function loadText() {
  catalogue = await (await fetch("/catalogue.json")).json();
  speak(localStorage.getItem(KEPT) ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
}

/** Speaks a language from now on. */
export function speak(wanted) {
  language = LANGUAGES.includes(wanted) ? wanted : "en";
  localStorage.setItem(KEPT, language);
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
}

export function spoken() {
  return language;
}

/** A translator into one language of a catalogue. */
export function translator(words, into) {
  const translate = (key, values = {}) => {
    const template = words[key]?.[into];
    if (template === undefined) throw new Error(`The catalogue has no ${key}.`);
    return template.replace(/\{([A-Za-z]+)\}/g, (_, name) => {
      if (!(name in values)) throw new Error(`${key} misses ${name}.`);
      return String(values[name]);
    });
  };
  translate.has = (key) => words[key] !== undefined;
  translate.names = (key) => [...(words[key]?.[into] ?? "").matchAll(/\{([A-Za-z]+)\}/g)].map((found) => found[1]);
  translate.language = into;
  return translate;
}

/** The words for a key, with the values of its placeholders. */
export function t(key, values) {
  return translator(catalogue, language)(key, values);
}

/** The translator of what is spoken now. */
export function here() {
  return translator(catalogue, language);
}

/** Several things as one enumeration. */
export function listed(things, into = language) {
  if (into === "zh") return things.join("、");
  return things.length < 2 ? things.join("") : `${things.slice(0, -1).join(", ")} and ${things.at(-1)}`;
}

/** A second since 1970 as people write it, UTC, in every language the same. */
export function moment(seconds) {
  const [day, time] = new Date(seconds * 1000).toISOString().split("T");
  const clock = time.slice(0, seconds % 60 ? 8 : 5);
  return `${day} ${clock} UTC`;
}

/** Fills every element that names its words: `data-t` its text, `data-t-label` its label. */
export function label(root = document) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]"))
    element.setAttribute("aria-label", t(element.dataset.tLabel));
}
