"use strict";
// Whatever comes from documents is put in as text nodes alone: it is never read as HTML.
const at = (id) => document.getElementById(id);
const PAGE = 10;
const ENDS = { hybrid: 100, dense: 1000 };
let about = null;
let state = { q: "", mode: "hybrid", where: [], offset: 0, near: "" };
let running = null;
let addresses = [];

function made(name, text, options = {}) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  return Object.assign(element, options);
}

async function ask(path, signal) {
  const token = sessionStorage.getItem("token");
  const answer = await fetch(path, { signal, headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (answer.ok) return answer;
  let why = `the server answered ${answer.status}`;
  try { why = (await answer.json()).error.message; } catch { /* no JSON: the status says what there is to say */ }
  throw Object.assign(new Error(why), { status: answer.status });
}

function say(text, bad = false) {
  at("said").textContent = text;
  at("said").classList.toggle("bad", bad);
}

function failed(error) {
  if (error.name === "AbortError") return;
  if (error.status === 401) return lock(sessionStorage.getItem("token") !== null);
  say(error instanceof TypeError ? "The server does not answer." : `${error.message}.`, true);
  show([], "");
}

function lock(wrong) {
  sessionStorage.removeItem("token");
  for (const id of ["ask", "filter", "pages", "keys"]) at(id).hidden = true;
  at("unlock").hidden = false;
  at("hits").replaceChildren();
  say(wrong ? "That token is not the server's." : "", wrong);
  at("token").focus();
}

// which words of a text a query asks for, about as the server's stems see it

const fold = (word) => word.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const stem = (word) => (word.length > 4 ? word.replace(/ies$/, "y").replace(/(?:ing|ed|es|ers|er|s|e)$/, "") : word);
const SOLID = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]+/gu;
const WORD = /[\p{L}\p{N}\p{M}]+/gu;
const COMMON = new Set("the and for with that this from are was you not but its has have into a an of to in on is it by or as at be".split(" "));

function alike(a, b) {
  if (a === b || stem(a) === stem(b)) return true;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length > 3 && long.length - short.length < 4 && long.startsWith(short);
}

function wanted(query) {
  const pairs = [];
  for (const [run] of query.matchAll(SOLID)) {
    const letters = [...run];
    if (letters.length === 1) pairs.push(run);
    for (let i = 0; i + 1 < letters.length; i++) pairs.push(letters[i] + letters[i + 1]);
  }
  const words = [...query.replace(SOLID, " ").matchAll(WORD)].map(([word]) => fold(word));
  const rare = words.filter((word) => !COMMON.has(word));
  return { pairs, words: rare.length ? rare : words };
}

function marked(text, { pairs, words }) {
  const hit = new Uint8Array(text.length);
  for (const pair of pairs)
    for (let i = text.indexOf(pair); i >= 0; i = text.indexOf(pair, i + 1)) hit.fill(1, i, i + pair.length);
  if (words.length)
    for (const match of text.matchAll(WORD))
      if (words.some((word) => alike(word, fold(match[0])))) hit.fill(1, match.index, match.index + match[0].length);
  const nodes = [];
  for (let start = 0; start < text.length;) {
    let end = start + 1;
    while (end < text.length && hit[end] === hit[start]) end++;
    const part = text.slice(start, end);
    nodes.push(hit[start] ? made("mark", part) : document.createTextNode(part));
    start = end;
  }
  return nodes;
}

// results

function card(hit, rank, best, asked) {
  const article = made("article", "", { tabIndex: -1 });
  article.dataset.id = hit.id;
  if (hit.picture) {
    const image = made("img", "", { alt: hit.text || hit.id });
    article.classList.add("pictured");
    article.append(image);
    ask(hit.picture).then((answer) => answer.blob()).then((blob) => {
      const address = URL.createObjectURL(blob);
      addresses.push(address);
      image.src = address;
    }).catch(() => image.remove());
  }
  const title = made("h2", "", { dir: "auto" });
  title.append(...marked(hit.id, asked));
  const score = made("div", hit.score.toFixed(3), { className: "score", title: `place ${rank}, score ${hit.score}` });
  const track = made("i");
  const bar = made("b");
  bar.style.width = `${Math.max(0, Math.min(1, hit.score / best)) * 100}%`;
  track.append(bar);
  score.append(track);
  article.append(title, score);
  if (hit.text && hit.text !== hit.id) {
    const text = made("p", "", { className: "text", dir: "auto" });
    text.append(...marked(hit.text, asked));
    article.append(text);
  }
  const below = made("div", "", { className: "below" });
  const act = (words, work) => {
    const button = made("button", words, { type: "button", className: "act" });
    button.addEventListener("click", work);
    below.append(button);
    return button;
  };
  act("More like this", () => go({ near: hit.id, offset: 0 }));
  const text = article.querySelector(".text");
  if (text) {
    const whole = act("Whole text", () => {
      const open = text.classList.toggle("whole");
      whole.textContent = open ? "Less" : "Whole text";
    });
    requestAnimationFrame(() => { whole.hidden = text.scrollHeight <= text.clientHeight + 1; });
  }
  for (const [name, value] of Object.entries(hit.columns)) {
    if (value === null) continue;
    const shown = `${name}: ${value}`;
    const chip = made("button", shown.length > 60 ? `${shown.slice(0, 60)}…` : shown, { type: "button", className: "chip", title: "Filter by it" });
    chip.addEventListener("click", () => addFilter(name, "=", value));
    below.append(chip);
  }
  article.append(below);
  const item = made("li");
  item.append(article);
  return item;
}

function show(hits, query) {
  addresses.forEach((address) => URL.revokeObjectURL(address));
  addresses = [];
  const asked = wanted(query);
  const best = Math.max(...hits.map((hit) => hit.score), 1e-9);
  at("hits").replaceChildren(...hits.map((hit, i) => card(hit, state.offset + i + 1, best, asked)));
  at("hits").classList.remove("waiting");
}

function pages(more) {
  const ends = state.near ? 0 : ENDS[state.mode];
  at("back").disabled = state.offset === 0;
  at("next").disabled = !more || state.offset + 2 * PAGE > ends;
  at("pages").hidden = at("back").disabled && at("next").disabled;
  at("page").textContent = `Page ${state.offset / PAGE + 1}`;
}

async function look() {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  draw();
  if (!state.near && !state.q.trim()) {
    show([], "");
    pages(false);
    return say("");
  }
  at("hits").classList.add("waiting");
  const begun = performance.now();
  try {
    if (state.near) {
      const found = await (await ask(`/neighbours/${encodeURIComponent(state.near)}?k=${PAGE}`, signal)).json();
      show(found.hits, "");
      pages(false);
      say(`Nearest to ${state.near}.`);
      const back = made("button", "Back to the search", { type: "button", className: "act", id: "leave" });
      back.addEventListener("click", () => history.back());
      at("said").append(" ", back);
      return;
    }
    const words = new URLSearchParams({ q: state.q, mode: state.mode, k: PAGE, offset: state.offset });
    state.where.forEach((condition) => words.append("where", condition));
    const found = await (await ask(`/search?${words}`, signal)).json();
    show(found.hits, state.q);
    pages(found.more);
    const time = Math.max(1, Math.round(performance.now() - begun));
    const first = state.offset + 1;
    say(found.hits.length ? `${first} to ${first + found.hits.length - 1}, in ${time} ms` : "Nothing was found.");
  } catch (error) {
    failed(error);
    pages(false);
  }
}

// what is asked for: in the page's address, so that it can be kept, sent and gone back to

function go(change) {
  state = { ...state, ...change };
  const words = new URLSearchParams();
  if (state.q) words.set("q", state.q);
  if (state.mode !== "hybrid") words.set("mode", state.mode);
  state.where.forEach((condition) => words.append("where", condition));
  if (state.offset) words.set("offset", state.offset);
  if (state.near) words.set("near", state.near);
  history.pushState(null, "", `?${words}`);
  window.scrollTo(0, 0);
  look();
}

function fromAddress() {
  const words = new URLSearchParams(location.search);
  const offset = Number.parseInt(words.get("offset") ?? "0", 10);
  state = {
    q: words.get("q") ?? "",
    mode: words.get("mode") === "dense" ? "dense" : "hybrid",
    where: words.getAll("where"),
    offset: offset > 0 ? offset - (offset % PAGE) : 0,
    near: words.get("near") ?? "",
  };
  at("q").value = state.q;
}

function draw() {
  document.title = state.q ? `${state.q}: Counterpoint search` : "Counterpoint search";
  for (const radio of document.querySelectorAll("[name=mode]")) radio.checked = radio.value === state.mode;
  at("chips").replaceChildren(...state.where.map((condition) => {
    const chip = made("button", `${condition} ×`, { type: "button", className: "chip on", title: "Take this filter off" });
    chip.addEventListener("click", () => go({ where: state.where.filter((one) => one !== condition), offset: 0, near: "" }));
    return chip;
  }));
}

function addFilter(name, operator, value) {
  // quoted, a value is taken as it stands; numbers and truth values are not texts
  const written = typeof value === "string" && operator !== "in" && isText(name) ? `"${value}"` : String(value);
  const condition = `${name} ${operator} ${written}`;
  if (!state.where.includes(condition)) go({ where: [...state.where, condition], offset: 0, near: "" });
}

const isText = (name) => !(about.columns[name] ?? []).some((kind) => kind !== "text");

function operators() {
  const kinds = about.columns[at("column").value] ?? [];
  const some = kinds.includes("bool") ? ["=", "!="] : ["=", "!=", "in", "<", "<=", ">", ">="];
  at("operator").replaceChildren(...some.map((operator) => made("option", operator, { value: operator })));
}

// keys

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const writing = event.target.matches("input:not([type=radio]), select");
  const every = [...document.querySelectorAll("#hits article")];
  const here = every.indexOf(document.activeElement.closest?.("article"));
  const to = (place) => { every[place]?.focus(); every[place]?.scrollIntoView({ block: "nearest" }); };
  if (event.key === "/" && !writing) at("q").focus();
  else if (event.key === "Escape") at("q").focus();
  else if (event.key === "ArrowDown" && every.length && !event.target.matches("select, [type=radio]")) to(Math.min(here + 1, every.length - 1));
  else if (event.key === "ArrowUp" && here >= 0) here === 0 ? at("q").focus() : to(here - 1);
  else if (event.key === "Enter" && document.activeElement.matches("article")) go({ near: every[here].dataset.id, offset: 0 });
  else if (event.key === "ArrowRight" && !writing && !event.target.matches("[type=radio]") && !at("next").disabled) at("next").click();
  else if (event.key === "ArrowLeft" && !writing && !event.target.matches("[type=radio]") && !at("back").disabled) at("back").click();
  else return;
  event.preventDefault();
}

async function start() {
  try {
    about = await (await ask("/about")).json();
  } catch (error) {
    return failed(error);
  }
  at("unlock").hidden = true;
  const count = about.documents.toLocaleString("en");
  at("what").textContent = about.index ? `${about.model}, ${count} document${about.documents === 1 ? "" : "s"}` : about.model;
  if (!about.index) return say("This server has a model and no index: there is nothing to search. It gives embeddings at /v1/embeddings.");
  at("ask").hidden = at("keys").hidden = false;
  if (!about.searches) {
    at("question").textContent = "Near which document? Its id:";
    at("modes").hidden = true;
  }
  const names = Object.keys(about.columns);
  at("more").hidden = !names.length || !about.searches;
  at("column").replaceChildren(...names.map((name) => made("option", name, { value: name })));
  operators();
  fromAddress();
  at("q").focus();
  look();
}

at("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", at("token").value);
  at("token").value = "";
  say("");
  start();
});
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = at("q").value;
  go(about.searches ? { q: words, offset: 0, near: "" } : { near: words });
});
at("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  addFilter(at("column").value, at("operator").value, at("value").value);
  at("value").value = "";
  at("filter").hidden = true;
  at("more").setAttribute("aria-expanded", "false");
});
at("more").addEventListener("click", () => {
  at("filter").hidden = !at("filter").hidden;
  at("more").setAttribute("aria-expanded", String(!at("filter").hidden));
  if (!at("filter").hidden) at("column").focus();
});
at("column").addEventListener("change", operators);
at("modes").addEventListener("change", (event) => go({ mode: event.target.value, offset: 0, near: "" }));
at("back").addEventListener("click", () => go({ offset: Math.max(0, state.offset - PAGE) }));
at("next").addEventListener("click", () => go({ offset: state.offset + PAGE }));
document.addEventListener("keydown", keys);
window.addEventListener("popstate", () => { if (about?.index) { fromAddress(); look(); } });
start();
