// Keeps the page live: hears what happens, fetches the page again, has it put in.
import { count, serverSaid } from "./clock";
import { draw } from "./plots";
import { say, type State } from "./said";
import { Stream } from "./stream";
import { update } from "./update";

const SILENCE = 20_000; // ms
const ASK_AGAIN = 15_000; // when nothing happens: what was looked at, clean time, the health line
const ASK_UNHEARD = 3_000; // when the server has no stream left for this page
const ASK_HIDDEN = 60_000; // nobody looks, but the title stands in the row of tabs
const LEAST_PAUSE = 500; // between two answers; longer for a server that takes its time, up to …
const LONGEST_PAUSE = 5_000;
const AWAY_PAUSE = 1_500; // after an answer that did not come
const PATIENCE = 10_000;

const FOLLOWED = new Set(["home", "incidents", "incident", "rollout"]);

const main = document.getElementById("main");
const state: State = { heard: Date.now(), live: true, signedOut: false, waiting: 0, verdict: "", offline: "" };

let newest = Number(main?.dataset["seq"] ?? 0);
let heard = performance.now();
let asked = performance.now(); // when the page was fetched last, and …
let wanted = false; // … whether something has happened since
let fetching = false;
let pause = LEAST_PAUSE;
let next: Document | null = null; // the newest page, when not all of it stands there
let events = 0;
let unheard = false;

function life(): void {
	heard = performance.now();
	state.heard = Date.now();
	state.live = true;
	state.signedOut = false;
}

/** What rolls back without the daemon: of the stage that the page knows. */
function offline(): string {
	const rollout = main?.dataset["rollout"];
	const said = Array.from(document.querySelectorAll("code"), (e) => e.textContent ?? "");
	const stage = said.map((text) => /^rollbackctl rollback \S+ --stage (\d+)/.exec(text)?.[1]).find((n) => n);
	return rollout ? `rollbackctl rollback ${rollout} --stage ${stage ?? "current"} --or-offline` : "";
}

function tell(): void {
	const verdict = (d: Document): string => d.querySelector("h1")?.textContent?.trim() ?? "";
	state.verdict = next && verdict(next) !== verdict(document) ? verdict(next) : "";
	state.waiting = next ? events : 0;
	state.offline = state.live ? "" : offline();
	say(state, show);
}

function put(doc: Document, whole: boolean): void {
	const numbers = (): string => document.getElementById("metrics")?.textContent ?? "";
	const before = numbers();
	const all = update(doc, whole);
	if (all) events = 0;
	next = all ? null : doc;
	count(document);
	void draw(numbers() !== before);
	tell();
}

function show(): void {
	if (next) put(next, true);
}

async function fetchPage(): Promise<Document | null> {
	const answer = await fetch(location.pathname + location.search, {
		headers: { Accept: "text/html" },
		cache: "no-store",
		signal: AbortSignal.timeout(PATIENCE),
	});
	serverSaid(answer.headers.get("Date"));
	if (answer.status === 401 || answer.redirected) state.signedOut = true;
	if (!answer.ok || answer.redirected) return null;
	return new DOMParser().parseFromString(await answer.text(), "text/html");
}

async function refresh(): Promise<void> {
	const began = performance.now();
	wanted = false;
	fetching = true;
	let done = false;
	try {
		const doc = await fetchPage();
		if (doc?.getElementById("main")) {
			life();
			put(doc, false);
			done = true;
		}
	} catch {
		// Away: the banner comes by itself.
	}
	fetching = false;
	wanted ||= !done;
	asked = performance.now();
	pause = done ? Math.min(Math.max(LEAST_PAUSE, 4 * (asked - began)), LONGEST_PAUSE) : AWAY_PAUSE;
	if (wanted) soon();
}

/** In so many ms the page is to be fetched again. */
function due(): number {
	const after = document.visibilityState === "hidden" ? ASK_HIDDEN : wanted ? pause : unheard ? ASK_UNHEARD : ASK_AGAIN;
	return asked + after - performance.now();
}

const query = main?.dataset["rollout"] ? `?rollout=${encodeURIComponent(main.dataset["rollout"])}` : "";
const stream = new Stream(`/api/v1/events${query}`, () => newest, {
	life() {
		unheard = false;
		life();
		tell();
	},
	event(id) {
		newest = Math.max(newest, id);
		events++;
		wanted = true;
		soon();
	},
	begins(id, date) {
		serverSaid(date);
		if (id === newest) return;
		newest = id; // of a record that was restored: from its own end on
		wanted = true;
	},
	refused(status) {
		state.signedOut = status === 401;
		unheard = !state.signedOut;
	},
});

let timer = 0;

function soon(): void {
	clearTimeout(timer);
	timer = window.setTimeout(turn, Math.max(0, due()));
}

/** Once a second, and when something happened. */
function turn(): void {
	state.live = !state.signedOut && performance.now() - heard <= SILENCE;
	if (!fetching && due() <= 0) void refresh();
	count(document);
	tell();
}

function looked(): void {
	if (document.visibilityState === "hidden") {
		stream.stop(); // a browser has six connections to a server, for all pages together
		return;
	}
	wanted = true;
	asked = -Infinity;
	stream.start();
	turn();
}

export function live(): void {
	// What is asked on a page of its own does not change under whoever answers.
	if (!main || !FOLLOWED.has(main.dataset["page"] ?? "")) return;
	setInterval(turn, 1000);
	document.addEventListener("visibilitychange", looked);
	addEventListener("pageshow", (e) => e.persisted && looked());
	addEventListener("pagehide", () => stream.stop());
	if (document.visibilityState === "visible") stream.start();
	void draw(true);
}
