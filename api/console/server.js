// Questions to the server. The token comes once in the address (#token=...), and stays in this tab only.

const found = /[#&]token=([\w-]+)/.exec(location.hash);
if (found) {
  sessionStorage.setItem("token", found[1]);
  history.replaceState(null, "", location.pathname + "#/findings");
}

export const hasToken = () => Boolean(sessionStorage.getItem("token"));
export const setToken = (token) => sessionStorage.setItem("token", token);

export class Refused extends Error {
  constructor(status, error) { super(error.message); Object.assign(this, { status, code: error.code, hint: error.hint }); }
}

export function query(parameters) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== undefined && one !== "" && one !== false) search.append(name, one);
  }
  const text = search.toString();
  return text ? "?" + text : "";
}

// One question at a time for each place: a newer one makes the older one's answer unwanted.
const waiting = new Map();

export async function ask(path, parameters = {}, { body, place = path } = {}) {
  waiting.get(place)?.abort();
  const control = new AbortController();
  waiting.set(place, control);
  const response = await fetch("/v1/" + path + query(parameters), {
    method: body ? "POST" : "GET",
    headers: { Authorization: "Bearer " + (sessionStorage.getItem("token") ?? ""), Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : undefined,
    signal: control.signal,
  });
  const answer = await response.json().catch(() => ({ error: { code: "no-json", message: response.statusText, hint: "" } }));
  if (!response.ok) throw new Refused(response.status, answer.error ?? { code: "unknown", message: response.statusText });
  return answer;
}
