// Questions to the station, which answers in the page's language. Whoever is no longer signed in is asked again by the station itself.

import { language, t } from "./words.js";

export class Refused extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

/** A path with a query, without values that are empty. */
export function addressOf(path, query) {
  const asked = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return asked.length ? `${path}?${new URLSearchParams(asked)}` : path;
}

/** The JSON at a path. */
export async function get(path, query = {}, signal = undefined) {
  return (await answered(fetch(addressOf(path, query), { headers: spoken(), signal }))).json();
}

export async function post(path, body, signal = undefined) {
  const headers = { ...spoken(), "Content-Type": "application/json" };
  return (await answered(fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal }))).json();
}

/** A picture as an address to be released after use, with the size it was taken at. */
export async function picture(path, signal = undefined) {
  const answer = await answered(fetch(path, { signal }));
  const [width, height] = (answer.headers.get("Picture-Size") ?? "").split("x").map(Number);
  return { url: URL.createObjectURL(await answer.blob()), width, height };
}

export const pictureOf = (id, longest) => `/inspections/${id}/picture?longest=${longest}`;
export const mapOf = (id) => `/inspections/${id}/map`;
export const normalOf = (id) => `/inspections/${id}/normal`;

const spoken = () => ({ "Accept-Language": language });

async function answered(request) {
  const answer = await request.catch((error) => {
    throw error.name === "AbortError" ? error : new Error(t("link.no_answer")); // the browser's own words are English
  });
  if (answer.status === 401) location.reload();
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, problem.error ?? `${answer.status} ${answer.statusText}`);
  }
  return answer;
}
