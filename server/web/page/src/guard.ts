// What an update may not do: move, rename or take away what somebody may be about to press, or touch a form in use.
//
// It is tried out first: on a copy of the page beside the screen, as wide as the page, where the same marks say what went where.

const FIELDS = ":is(button, input:not([type=hidden]), select, textarea, [role=button])";
// A field for a note that nobody uses follows the timeline: an empty note is none.
const PRESSED = `${FIELDS}:not(#timeline *), [data-busy] ${FIELDS}, #acts a`;
const FOLLOWED = `a[href], summary, ${FIELDS}`;
const LATELY = 10_000; // ms: so long a finger that was there is taken to be there still
const STILL = 1; // px

let touched = -Infinity;

export function watchFingers(): void {
	const seen = (): void => void (touched = performance.now());
	for (const kind of ["pointerdown", "pointermove", "touchstart", "wheel", "keydown"]) {
		addEventListener(kind, seen, { passive: true, capture: true });
	}
}

function changed(field: Element): boolean {
	if (field instanceof HTMLTextAreaElement) return field.value !== field.defaultValue;
	if (field instanceof HTMLSelectElement) return Array.from(field.options).some((o) => o.selected !== o.defaultSelected);
	if (!(field instanceof HTMLInputElement) || field.type === "hidden") return false;
	return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
}

function inUse(form: HTMLFormElement): boolean {
	const focus = document.activeElement;
	const typing = focus !== null && form.contains(focus) && focus.matches("input, textarea, select");
	return typing || Array.from(form.elements).some(changed);
}

export function markForms(root: ParentNode): void {
	for (const form of root.querySelectorAll("form")) form.toggleAttribute("data-busy", inUse(form));
}

function onScreen(e: Element): boolean {
	const r = e.getBoundingClientRect();
	return r.width > 0 && r.bottom > 0 && r.top < innerHeight;
}

/** What it is and what it does: its words, where it leads, what its form sends along. */
function says(e: Element): string {
	const form = e.closest("form");
	const sent = Array.from(form?.querySelectorAll<HTMLInputElement>("input[type=hidden]:not([name=csrf])") ?? [], (i) => `${i.name}=${i.value}`);
	return [e.textContent, e.getAttribute("aria-label"), e.getAttribute("href"), form?.getAttribute("action"), ...sent].join("|");
}

interface Place {
	says: string;
	left: number;
	top: number;
}

function places(root: Element): Map<string, Place> {
	const base = root.getBoundingClientRect();
	const found = new Map<string, Place>();
	for (const e of root.querySelectorAll("[data-hold]")) {
		const own = e.getBoundingClientRect();
		found.set(e.getAttribute("data-hold") ?? "", { says: says(e), left: own.left - base.left, top: own.top - base.top });
	}
	return found;
}

function same(was: Map<string, Place>, is: Map<string, Place>): boolean {
	return Array.from(was).every(([mark, a]) => {
		const b = is.get(mark);
		return b !== undefined && a.says === b.says && Math.abs(a.left - b.left) <= STILL && Math.abs(a.top - b.top) <= STILL;
	});
}

function mark(root: Element): number {
	const wanted = performance.now() - touched < LATELY ? `${PRESSED}, ${FOLLOWED}` : PRESSED;
	let n = 0;
	if (document.visibilityState !== "visible") return 0;
	for (const e of root.querySelectorAll(wanted)) {
		if (onScreen(e)) e.setAttribute("data-hold", String(n++));
	}
	return n;
}

function unmark(root: Element): void {
	for (const e of root.querySelectorAll("[data-hold]")) e.removeAttribute("data-hold");
}

/** Is nothing that somebody could press moved by what is done to copy? */
export class Trial {
	private readonly stage = document.createElement("div");
	private readonly before: Map<string, Place>;
	readonly copy: HTMLElement;

	constructor(private readonly root: HTMLElement) {
		const n = mark(root);
		this.copy = root.cloneNode(true) as HTMLElement;
		this.stage.style.cssText = `position:absolute;top:0;left:0;visibility:hidden;width:${root.offsetWidth}px`;
		this.stage.append(this.copy);
		if (n) document.body.append(this.stage);
		this.before = places(this.copy);
	}

	moved(): boolean {
		return !same(this.before, places(this.copy));
	}

	end(): void {
		this.stage.remove();
		unmark(this.root);
	}
}

/** Does it, and undoes it when that moved something. For what is small and often, like a text that has a letter more. */
export function unlessMoved(change: () => void, undo: () => void): void {
	const n = mark(document.body);
	const before = n ? places(document.body) : new Map<string, Place>();
	change();
	if (n && !same(before, places(document.body))) undo();
	unmark(document.body);
}
