// What stands above the signature, made from the very object that the wallet is given to sign.
//
// The catalogue has a sentence for each type, whose placeholders are the signed fields, and small print for the fields
// that the sentence does not name. A message with a type or a field that has no words is not offered for signing.

import { listed, moment } from "./text.js";

/** A message of which the page cannot say everything: it is not to be signed. */
export class Unspeakable extends Error {}

const LONGEST = 80;

/** `{ main, small }`: what a message does, and the rest of what is signed, in sentences. `t` is a translator. */
export async function sentences(question, t) {
  if (question.typed !== undefined) return ofTyped(question.typed, t);
  if (typeof question.text === "string") return ofText(question.text, t);
  throw new Unspeakable("There is nothing to sign.");
}

async function ofTyped(typed, t) {
  const { types, primaryType, domain, message } = typed;
  const [main, small] = await ofStruct(types, primaryType, message, t);
  return { main, small: [...small, ofDomain(domain, types.EIP712Domain, t)] };
}

function ofDomain(domain, fields, t) {
  const names = fields.map((field) => field.name);
  const same = (...wanted) => names.length === wanted.length && wanted.every((name, place) => names[place] === name);
  const { name, version, chainId, verifyingContract } = domain;
  if (same("name", "version")) return t("domain.anywhere", { name, version });
  if (!same("name", "version", "chainId", "verifyingContract")) throw new Unspeakable("Its domain is unknown here.");
  return t("domain", { name, version, chainId, contract: verifyingContract });
}

async function ofStruct(types, name, values, t) {
  const key = `signs.${name}`;
  const fields = types[name];
  if (!fields || !t.has(key)) throw new Unspeakable(`There are no words for ${name}.`);
  const known = new Set(fields.map((field) => field.name));
  if (known.size !== fields.length || Object.keys(values).some((each) => !known.has(each)))
    throw new Unspeakable(`${name} has more than its type says.`);

  const said = {};
  for (const field of fields) {
    if (values[field.name] === undefined) throw new Unspeakable(`${name} misses ${field.name}.`);
    said[field.name] = await ofValue(types, field, values[field.name], t);
  }
  const named = t.names(key);
  const small = fields.map((field) => field.name).filter((each) => !named.includes(each));
  for (const each of small) if (!t.has(`field.${each}`)) throw new Unspeakable(`There are no words for ${each}.`);
  return [t(key, said), small.map((each) => t(`field.${each}`, { value: said[each] }))];
}

async function ofValue(types, { name, type }, value, t) {
  if (type.endsWith("[]")) {
    if (!Array.isArray(value)) throw new Unspeakable(`${name} is no list.`);
    const inner = { name, type: type.slice(0, -2) };
    const said = [];
    for (const each of value) said.push(await ofValue(types, inner, each, t));
    return said.length ? listed(said, t.language) : t("nothing");
  }
  if (types[type]) {
    const [main, small] = await ofStruct(types, type, value, t);
    return [main, ...small].join(" ");
  }
  if (!FITS[type]?.(value)) throw new Unspeakable(`${name} is no ${type}.`);
  switch (type) {
    case "address":
      return party(value, t);
    case "bool":
      return t(value ? "yes" : "no");
    case "uint40":
      return value === 0 ? t("never") : moment(value);
    case "string":
      return words(name, value, t);
    default:
      return String(value);
  }
}

const isNumber = (bits) => (value) => Number.isSafeInteger(value) && value >= 0 && value < 2 ** bits;

/** What a value of each type looks like; other types have no words. */
const FITS = {
  address: (value) => /^0x[0-9a-f]{40}$/i.test(value),
  bool: (value) => typeof value === "boolean",
  bytes32: (value) => /^0x[0-9a-f]{64}$/.test(value),
  string: (value) => typeof value === "string",
  uint8: isNumber(8),
  uint16: isNumber(16),
  uint32: isNumber(32),
  uint40: isNumber(40),
  uint64: isNumber(53),
};

/** An account, or a member, whose number is its address. */
export function party(address, t) {
  const number = BigInt(address);
  if (number === 0n) return t("nobody");
  return number < 1n << 32n ? t("member", { number }) : t("account", { address });
}

/** A word of the contracts' own vocabulary, translated; anything else as it stands. */
async function words(name, text, t) {
  const key = { purpose: "purpose:", purposes: "purpose:", classes: "word:", act: "act:", verdict: "verdict:" }[name];
  if (key && t.has(key + text)) return t(key + text);
  return text.length > LONGEST && name !== "warning" ? t("fingerprint", { of: await fingerprint(text) }) : t("quoted", { text });
}

/** SHA-256, half of it, in groups of four: what is too long to be read. */
async function fingerprint(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const digits = [...new Uint8Array(digest).slice(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.match(/.{4}/g).join(" ");
}

const INTRODUCTION = "Theriac introduction\n";

async function ofText(text, t) {
  if (!text.startsWith(INTRODUCTION)) throw new Unspeakable("There are no words for this text.");
  let paper;
  try {
    paper = JSON.parse(text.slice(INTRODUCTION.length));
  } catch {
    throw new Unspeakable("This introduction cannot be read.");
  }
  if (paper.kind !== "introduction" || !Number.isSafeInteger(paper.member)) throw new Unspeakable("It is none.");
  const main = t("signs.introduction", { pseudonym: party(paper.pseudonym, t), member: paper.member });
  return { main, small: [t("field.text", { value: await fingerprint(text) })] };
}
