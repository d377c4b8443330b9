// Times that are told relative to now, counted on between two answers by the server's clock, in the words that it uses itself.
import { unlessMoved } from "./guard";

let ahead = 0; // of this machine's clock, ms; a phone's may be minutes off

export function serverSaid(date: string | null): void {
	const at = date ? Date.parse(date) : NaN;
	// A Date header has whole seconds, and what is off by less than two is the way that it came.
	if (!Number.isNaN(at)) ahead = Math.abs(Date.now() - at) < 2000 ? 0 : Date.now() - at;
}

export function now(): number {
	return Date.now() - ahead;
}

const units = [
	{ s: 86400, name: "d", next: " h", of: 3600 },
	{ s: 3600, name: "h", next: " min", of: 60 },
	{ s: 60, name: "min", next: "", of: 1 },
	{ s: 1, name: "s", next: "", of: 1 },
] as const;

/** "3 min", "2 h 5 min", "12 s", "4 d 2 h" */
export function span(ms: number): string {
	const s = Math.floor(Math.abs(ms) / 1000);
	const u = units.find((unit) => s >= unit.s) ?? units[3];
	const rest = Math.floor((s % u.s) / u.of);
	return `${Math.floor(s / u.s)} ${u.name}` + (u.next && rest ? ` ${rest}${u.next}` : "");
}

export function relative(at: number, from: number): string {
	return at > from ? `in ${span(at - from)}` : `${span(from - at)} ago`;
}

interface Change {
	node: Text;
	was: string;
	is: string;
}

function change(e: Element, is: string): Change[] {
	const node = e.firstChild;
	const text = node instanceof Text && e.childNodes.length === 1 && node.data !== is;
	return text ? [{ node, was: node.data, is }] : [];
}

function changes(root: ParentNode): Change[] {
	const all: Change[] = [];
	for (const e of root.querySelectorAll("time [data-ago]")) {
		const at = Date.parse(e.closest("time")?.dateTime ?? "");
		if (!Number.isNaN(at)) all.push(...change(e, relative(at, now())));
	}
	for (const e of root.querySelectorAll<HTMLElement>("[data-since]")) {
		const at = Date.parse(e.dataset["since"] ?? "");
		if (!Number.isNaN(at)) all.push(...change(e, span(now() - at)));
	}
	return all;
}

/** Counts all of them on by what has passed. What would be longer, and push a button away by that, waits. */
export function count(root: ParentNode): void {
	const all = changes(root);
	const longer = all.filter((c) => c.is.length !== c.was.length);
	for (const c of all) if (c.is.length === c.was.length) c.node.data = c.is;
	for (const c of longer) {
		unlessMoved(
			() => void (c.node.data = c.is),
			() => void (c.node.data = c.was),
		);
	}
}

/** A moment as the page writes it: in the time zone of one that stands there already, "19:51:02 CET"; else in this machine's. */
export function clock(at: number): string {
	const hours = (ms: number, back: string): string => new Date(ms).toISOString().slice(11, 19) + back;
	for (const e of document.querySelectorAll<HTMLTimeElement>("time:has(.clock)")) {
		const said = /(\d\d):(\d\d):(\d\d) (\S+)$/.exec(e.querySelector(".clock")?.textContent ?? "");
		const utc = Date.parse(e.dateTime);
		if (!said || Number.isNaN(utc)) continue;
		const day = 86_400_000;
		const local = (Number(said[1]) * 3600 + Number(said[2]) * 60 + Number(said[3])) * 1000;
		const ahead = local - (Math.floor(utc / 1000) * 1000 - Math.floor(utc / day) * day);
		return hours(at + ahead, ` ${said[4]}`);
	}
	return hours(at - new Date(at).getTimezoneOffset() * 60_000, "");
}
