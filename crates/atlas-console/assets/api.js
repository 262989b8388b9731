// Requests to the node's /v1 routes. The admin listener set the cookie; nothing else is sent along.

/** An answer outside the 200s, with the words of its problem document. */
export class Problem extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

async function request(path, options) {
  const response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  if (response.status === 204) return null;
  if (response.ok) return response.json();
  let words = `the node answered ${response.status}`;
  try {
    const problem = await response.json();
    words = problem.detail || problem.title || words;
  } catch {
    // No problem document: the status has to do.
  }
  throw new Problem(response.status, words);
}

/** GET of a route, null where the node has nothing to tell, with query parameters; empty ones are left out. */
export function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value != null));
  return request(query.size ? `${path}?${query}` : path);
}

/** POST of a JSON document. */
export function post(path, body) {
  return send("POST", path, body);
}

/** PUT of a JSON document. */
export function put(path, body) {
  return send("PUT", path, body);
}

/** DELETE of what a path and its query parameters name. */
export function remove(path, parameters = {}) {
  const query = new URLSearchParams(parameters);
  return request(query.size ? `${path}?${query}` : path, { method: "DELETE" });
}

function send(method, path, body) {
  return request(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

/** What went wrong, for a person. */
export function reason(problem) {
  return problem.status ? problem.message : "the node cannot be reached";
}
