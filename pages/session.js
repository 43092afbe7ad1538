// The page's own interface at the local process. The link's token is traded once for a session, which is sent as a
// header and kept for this tab and this port alone.

const KEPT = "theriac-session";

/** What the process says no to; `code` is a key of the catalogue below `problem.`. */
export class Problem extends Error {
  constructor(code, sentence = "", values = {}) {
    super(sentence || code);
    this.code = code;
    this.sentence = sentence;
    this.values = values;
  }
}

async function post(path, body, session) {
  let response;
  try {
    response = await fetch(`/api/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(session ? { Authorization: `Bearer ${session}` } : {}) },
      body: JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
    });
  } catch {
    throw new Problem("process-gone");
  }
  const type = response.headers.get("Content-Type") ?? "";
  if (response.ok) return type.startsWith("application/json") ? response.json() : response;
  const { code, sentence } = await response.json().catch(() => ({}));
  throw new Problem(code ?? "process-gone", sentence);
}

/** Begins with the token behind the #, which leaves the address bar and the history at once. */
export async function begin() {
  const token = location.hash.slice(1);
  if (token) {
    history.replaceState(null, "", location.pathname);
    const { session } = await post("session", { token });
    sessionStorage.setItem(KEPT, session);
  }
  if (!sessionStorage.getItem(KEPT)) throw new Problem("no-session");
}

/** Asks the process for something. */
export function ask(path, body = {}) {
  return post(path, body, sessionStorage.getItem(KEPT));
}

/** Has the process do an act, once however often it is sent. */
export function act(name, values = {}, id = crypto.randomUUID()) {
  return ask("act", { ...values, id, act: name });
}

/**
 * Gives every new state to `show`, until the process ends; `lost` hears what is in the way.
 *
 * A question is always open at the process. When it breaks off, the process has ended, and whoever listens at its port
 * from then on is somebody else: the page asks and believes nothing more.
 */
export async function follow(show, lost) {
  let after = -1;
  for (;;) {
    try {
      const state = await ask("news", { after });
      if (state.version !== after) {
        after = state.version;
        await show(state);
      }
      lost(null);
    } catch (problem) {
      lost(problem);
      if (problem.code === "no-session" || problem.code === "process-gone") return;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}
