// Requests to the daemon.

import { syncClock } from "./time.js";

/** The daemon refused a request, or (status 0) could not be reached. */
export class ApiError extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/**
 * The daemon requires this header of a session that changes something; pages of other sites cannot
 * send it.
 */
const OWN_PAGE = { "x-requested-with": "originatord" };

/**
 * Sends a request and resolves with the response as soon as its head has arrived with a status of
 * 2xx.
 */
export async function request(path, { method = "GET", body, signal } = {}) {
  const headers = body === undefined ? OWN_PAGE : { ...OWN_PAGE, "content-type": "application/json" };
  const sent = Date.now();
  let response;
  try {
    response = await fetch(path, { method, body: body && JSON.stringify(body), headers, signal, cache: "no-store" });
  } catch (error) {
    throw new ApiError(0, error.name === "AbortError" ? "the request was aborted" : "originatord cannot be reached");
  }
  syncClock(response.headers.get("date"), sent, Date.now());
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new ApiError(response.status, answer.error ?? `originatord answered ${response.status}`);
}

/** Sends a request and resolves with the JSON of its response. */
export async function fetchJson(path, options) {
  const response = await request(path, options);
  try {
    return await response.json();
  } catch {
    throw new ApiError(0, "the answer was cut off");
  }
}
