// Asking the daemon.

/** An answer that is none: what the daemon says is wrong, or that it could not be asked (`status` 0). */
export class Failure extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** Without it, a session may do nothing but look; no other site's page can send it. */
const OF_THE_PAGE = { "x-requested-with": "originatord" };

/** The answer to a request, once its head is there and good. */
export async function request(path, { method = "GET", body, headers = {}, signal } = {}) {
  if (body !== undefined) headers = { ...headers, "content-type": "application/json" };
  headers = { ...headers, ...OF_THE_PAGE };
  let response;
  try {
    response = await fetch(path, { method, body: body && JSON.stringify(body), headers, signal, cache: "no-store" });
  } catch (error) {
    throw new Failure(0, error.name === "AbortError" ? "broken off" : "the daemon cannot be reached");
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new Failure(response.status, answer.error ?? `the daemon says ${response.status}`);
}

/** The JSON that is answered. */
export async function ask(path, options) {
  const response = await request(path, options);
  try {
    return await response.json();
  } catch {
    throw new Failure(0, "the answer broke off");
  }
}
