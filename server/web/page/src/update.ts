// From a page that was fetched anew into the standing one: all of it where that moves nothing under a finger, else the parts that do
// not; the rest waits until somebody asks for it, or until the buttons are out of sight.
import { markForms, Trial } from "./guard";
import { patch } from "./patch";

// What acts follows only together with all that it acts on.
const ALONE = "section[id]:not(#acts), #health";

function whole(next: HTMLElement): boolean {
	const trial = new Trial(document.body);
	patch(trial.copy, next);
	const still = !trial.moved();
	trial.end();
	if (still) patch(document.body, next);
	return still;
}

/** What gets shorter keeps its place until all can be put in, so that what is below it stays where it is. */
function parts(next: HTMLElement): void {
	const trial = new Trial(document.body);
	for (const is of next.querySelectorAll(ALONE)) {
		const was = document.getElementById(is.id);
		const copy = trial.copy.querySelector<HTMLElement>(`#${CSS.escape(is.id)}`);
		if (!was || !copy) continue;
		const before = copy.cloneNode(true);
		const height = `${was.offsetHeight}px`;
		patch(copy, is);
		copy.style.minHeight = height;
		if (trial.moved()) {
			copy.replaceWith(before);
		} else {
			patch(was, is);
			was.style.minHeight = height;
		}
	}
	trial.end();
}

/** Whether all of it stands there now. asked: somebody wants it, wherever that puts the buttons. */
export function update(next: Document, asked: boolean): boolean {
	document.title = next.title;
	markForms(document.body);
	if (asked) {
		patch(document.body, next.body);
		return true;
	}
	if (whole(next.body)) return true;
	parts(next.body);
	return false;
}
