// Wallets in the browser: found by EIP-6963, or the one at window.ethereum; asked by EIP-1193.

import { Problem } from "./session.js";

const REFUSED = 4001;
const BUSY = -32002;

/** Every wallet that announces itself, and the one at window.ethereum where none does. */
export class Wallets {
  #found = new Map();

  constructor(changed = () => {}) {
    window.addEventListener("eip6963:announceProvider", (event) => {
      const { info, provider } = event.detail ?? {};
      if (typeof provider?.request !== "function" || typeof info?.uuid !== "string" || this.#found.has(info.uuid)) return;
      this.#found.set(info.uuid, { id: info.uuid, name: String(info.name ?? "").slice(0, 60), provider });
      changed();
    });
    window.dispatchEvent(new Event("eip6963:requestProvider"));
  }

  list() {
    if (this.#found.size) return [...this.#found.values()];
    const { ethereum } = window;
    return typeof ethereum?.request === "function" ? [{ id: "ethereum", name: "", provider: ethereum }] : [];
  }
}

/** One wallet that the patient chose. */
export class Wallet {
  constructor({ name, provider }, changed = () => {}) {
    this.name = name;
    this.accounts = [];
    this.#provider = provider;
    provider.on?.("accountsChanged", (accounts) => {
      this.#keep(accounts);
      changed();
    });
    provider.on?.("chainChanged", changed);
  }

  #provider;

  #keep(accounts) {
    this.accounts = Array.isArray(accounts) ? accounts.map(String) : [];
  }

  has(account) {
    return this.accounts.some((each) => each.toLowerCase() === account.toLowerCase());
  }

  async #request(method, params) {
    try {
      return await this.#provider.request({ method, params });
    } catch (fault) {
      if (fault?.code === REFUSED) throw new Problem("wallet-refused");
      if (fault?.code === BUSY) throw new Problem("wallet-busy");
      throw new Problem("wallet-error", "", { said: String(fault?.message ?? fault).slice(0, 200) });
    }
  }

  /** Asks which accounts the page may see. */
  async connect() {
    this.#keep(await this.#request("eth_requestAccounts"));
  }

  /** Lets the patient choose other accounts. */
  async choose() {
    await this.#request("wallet_requestPermissions", [{ eth_accounts: {} }]);
    this.#keep(await this.#request("eth_accounts"));
  }

  /** The wallet's signature over exactly what the question shows, by the account that it names. */
  async sign(question) {
    this.#keep(await this.#request("eth_accounts"));
    if (!this.accounts.length) await this.connect();
    if (!this.has(question.account)) throw new Problem("wrong-account", "", { account: question.account });
    const chain = question.typed?.domain.chainId;
    if (chain !== undefined) await this.#switch(chain);
    const signature =
      question.typed !== undefined
        ? await this.#request("eth_signTypedData_v4", [question.account, JSON.stringify(question.typed)])
        : await this.#request("personal_sign", [hex(question.text), question.account]);
    if (typeof signature !== "string" || !/^0x([0-9a-f]{2})+$/i.test(signature)) throw new Problem("no-signature");
    return signature;
  }

  async #switch(chain) {
    if (Number(await this.#request("eth_chainId")) === chain) return;
    try {
      await this.#request("wallet_switchEthereumChain", [{ chainId: `0x${chain.toString(16)}` }]);
    } catch (problem) {
      throw problem.code === "wallet-busy" ? problem : new Problem("wrong-chain", "", { chain });
    }
    if (Number(await this.#request("eth_chainId")) !== chain) throw new Problem("wrong-chain", "", { chain });
  }
}

function hex(text) {
  return `0x${[...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
