// What the page says, in the language of whoever reads it; numbers and dates as that language writes them.

export const LANGUAGES = { en: "English", ja: "日本語" };
const KEPT = "hizumi.language";
let words = {};
export let language = "en";
let locale = "en"; // the language as the browser's own country writes it: its hours, its order of day and month

/** Speak the language that was chosen before, or else the browser's. */
export async function speakFirst() {
  const wished = [localStorage.getItem(KEPT), ...navigator.languages].map((tag) => (tag ?? "").slice(0, 2));
  await speak(wished.find((tag) => tag in LANGUAGES) ?? "en");
}

/** Speak a language from now on, and remember it where somebody chose it. */
export async function speak(chosen, { remember = false } = {}) {
  const answer = await fetch(`/page/words/${chosen}.json`);
  words = await answer.json();
  language = chosen;
  locale = navigator.languages.find((tag) => tag.startsWith(chosen)) ?? chosen;
  document.documentElement.lang = chosen;
  if (remember) localStorage.setItem(KEPT, chosen);
}

/** The words for a key, `{name}` filled in; the key itself where there are none, so that a gap shows. */
export function t(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** The words for a key, or a text as the station sent it, in English, where there are none for it. */
export function either(key, otherwise) {
  return words[key] ?? otherwise;
}

/** Sentences of the station, which it has worded in the page's language. */
export const said = (sentences) => sentences.map(({ words: each }) => each).join(language === "ja" ? "" : " ");

export const number = (value, digits = 0) =>
  Number.isFinite(value)
    ? new Intl.NumberFormat(locale, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value)
    : "–";

/** With so many digits that count, as scores are read. */
export const score = (value) =>
  Number.isFinite(value) ? new Intl.NumberFormat(locale, { maximumSignificantDigits: 4 }).format(value) : "–";

export const percent = (share, digits = 1) =>
  Number.isFinite(share)
    ? new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: digits }).format(share)
    : "–";

export const clock = (moment) =>
  new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(moment));

export const hour = (moment) => new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }).format(new Date(moment));

export const day = (moment) =>
  new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(moment));

/** A p-value as people say it; `held` is how many good pictures it was read from. */
export function unusual(pValue, held) {
  if (pValue === null || pValue === undefined) return "";
  if (held && pValue <= 1.5 / (held + 1)) return t("p.beyond", { count: number(held) });
  if (pValue < 0.2) return t("p.one_in", { count: number(Number((1 / pValue).toPrecision(2))) });
  return t("p.ordinary", { count: number(Math.round(100 * pValue)) });
}
