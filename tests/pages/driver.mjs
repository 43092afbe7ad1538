// Drives a real Chromium for the tests of the pages. Commands come as lines of JSON on standard input, answers go to
// standard output. A wallet is injected that announces itself as wallets do (EIP-6963) and signs with keys of the test.

import { createInterface } from "node:readline";
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";
import { mnemonicToAccount, privateKeyToAccount } from "viem/accounts";

// What this build of Chromium starts with for other uses would make the tests of other origins say nothing.
const UNWANTED = ["--disable-web-security", "--allow-running-insecure-content", "--single-process"];
const PATIENCE = 15_000;

const browser = await playwright.launch({
  executablePath: await chromium.executablePath(),
  args: chromium.args.filter((each) => !UNWANTED.includes(each)),
  headless: true,
});
const pages = new Map();

// -- the wallet ------------------------------------------------------------------------------------------------------

class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

function keysOf({ mnemonic, keys = [] }) {
  const derived = mnemonic ? [...Array(12).keys()].map((place) => mnemonicToAccount(mnemonic, { addressIndex: place })) : [];
  return [...keys.map((key) => privateKeyToAccount(key)), ...derived];
}

/** `seen` are the accounts that the page may see, by number; `wrong` signs with another key than was asked. */
class TestWallet {
  constructor(settings) {
    this.settings = { seen: [0], chain: 8437422, refuse: false, stubborn: false, wrong: null, garbage: null, ...settings };
    this.keys = keysOf(settings);
    this.asked = [];
  }

  accounts() {
    return this.settings.seen.map((place) => this.keys[place].address);
  }

  async request(method, params) {
    this.asked.push({ method, params });
    const { settings } = this;
    switch (method) {
      case "eth_requestAccounts":
      case "eth_accounts":
        return this.accounts();
      case "wallet_requestPermissions":
        settings.seen = settings.next ?? settings.seen;
        return [{ parentCapability: "eth_accounts" }];
      case "eth_chainId":
        return `0x${settings.chain.toString(16)}`;
      case "wallet_switchEthereumChain":
        if (settings.stubborn) throw new Refusal(4902, "Unrecognized chain ID");
        settings.chain = Number(params[0].chainId);
        return null;
      case "eth_signTypedData_v4":
        return this.sign(params[0], (account) => account.signTypedData(typedData(params[1])));
      case "personal_sign":
        return this.sign(params[1], (account) => account.signMessage({ message: { raw: params[0] } }));
      default:
        throw new Refusal(4200, `The wallet knows no ${method}.`);
    }
  }

  sign(address, by) {
    const { refuse, wrong, garbage } = this.settings;
    if (refuse) throw new Refusal(4001, "User rejected the request.");
    if (garbage !== null) return garbage;
    return by(wrong === null ? this.keys.find((each) => each.address === address) : this.keys[wrong]);
  }
}

function typedData(text) {
  const { EIP712Domain, ...types } = JSON.parse(text).types;
  return { ...JSON.parse(text), types };
}

/** Runs in the page before its own scripts, as a wallet's extension does. */
function inject({ names, legacy }) {
  const listeners = {};
  window.__emit = (event, value) => (listeners[event] ?? []).forEach((each) => each(value));
  const providerOf = (number) => ({
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    request: async ({ method, params }) => {
      const answer = await window.__wallet(number, method, params ?? []);
      if (answer.fault) throw Object.assign(new Error(answer.fault.message), { code: answer.fault.code });
      return answer.result;
    },
  });
  if (legacy) window.ethereum = providerOf(0);
  const announce = () =>
    names.forEach((name, number) => {
      const info = { uuid: `wallet-${number}`, name, icon: "data:image/svg+xml,", rdns: `test.wallet${number}` };
      const detail = Object.freeze({ info, provider: providerOf(number) });
      window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
    });
  window.addEventListener("eip6963:requestProvider", announce);
}

// -- commands --------------------------------------------------------------------------------------------------------

const commands = {
  async open({ name, url, wallets = [], legacy = false, options = {}, storage = null }) {
    const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, locale: "en-GB", ...options });
    context.setDefaultTimeout(PATIENCE);
    const known = wallets.map((each) => new TestWallet(each));
    await context.exposeBinding("__wallet", async (_, number, method, params) => {
      try {
        return { result: await known[number].request(method, params) };
      } catch (fault) {
        return { fault: { code: fault.code ?? -32603, message: fault.message } };
      }
    });
    await context.addInitScript(inject, { names: legacy ? [] : wallets.map((each, place) => each.name ?? `Wallet ${place}`), legacy });
    if (storage) await context.addInitScript((kept) => kept.forEach(([key, value]) => sessionStorage.setItem(key, value)), storage);
    const page = await context.newPage();
    const bodies = [];
    const said = [];
    page.on("response", (response) => bodies.push(response.text().catch(() => "")));
    page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (fault) => said.push(`error: ${fault.stack}`));
    pages.set(name, { context, page, known, bodies, said });
    await page.goto(url);
  },
  async close({ name }) {
    await pages.get(name).context.close();
    pages.delete(name);
  },
  /** Calls methods of Playwright's page one after another: `[["getByRole", "button"], ["click"]]`. */
  async chain({ name, calls }) {
    let value = pages.get(name).page;
    for (const [method, ...values] of calls) value = await value[method](...values);
    return value === undefined || typeof value !== "object" || Array.isArray(value) ? value : null;
  },
  async press({ name, key }) {
    await pages.get(name).page.keyboard.press(key);
  },
  async download({ name, button, path }) {
    const { page } = pages.get(name);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: button }).click()]);
    await download.saveAs(path);
  },
  async picture({ name, path, full = false }) {
    await pages.get(name).page.screenshot({ path, fullPage: full });
  },
  async evaluate({ name, script, value }) {
    return pages.get(name).page.evaluate(`(${script})(${JSON.stringify(value ?? null)})`);
  },
  async change({ name, number = 0, settings, emit }) {
    const { known, page } = pages.get(name);
    Object.assign(known[number].settings, settings);
    if (emit) await page.evaluate((accounts) => window.__emit("accountsChanged", accounts), known[number].accounts());
  },
  asked: async ({ name, number = 0 }) => pages.get(name).known[number].asked,
  said: async ({ name }) => pages.get(name).said,
  bodies: async ({ name }) => Promise.all(pages.get(name).bodies),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await commands[command.do](command)) ?? null };
  } catch (fault) {
    answer = { fault: String(fault.stack) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
