// Makes what stands there like what the server says now, node by node: what did not change stays the same node, with its focus, its
// place in a text, its being open or closed.
//
// Marks in the standing page: data-busy, a form that somebody is using, which nothing touches; data-hold, a number of guard.ts.

const OWN_PLACES = new Set(["banner", "news"]); // what the script says stands there
const OURS = new Set(["data-busy", "data-hold", "data-drawn"]);

function keyOf(node: Node): string {
	if (!(node instanceof Element)) return node.nodeName;
	return `${node.nodeName}#${node.id || node.getAttribute("data-plot") || node.getAttribute("data-act") || ""}`;
}

function holds(node: Node): boolean {
	return node instanceof Element && (node.hasAttribute("data-busy") || node.querySelector("[data-busy]") !== null);
}

function attributes(was: Element, is: Element): void {
	for (const a of Array.from(was.attributes)) {
		const theirs = OURS.has(a.name) || (a.name === "open" && was instanceof HTMLDetailsElement);
		if (!theirs && !is.hasAttribute(a.name)) was.removeAttribute(a.name);
	}
	for (const a of Array.from(is.attributes)) {
		if (a.name === "open" && was instanceof HTMLDetailsElement) continue;
		if (was.getAttribute(a.name) !== a.value) was.setAttribute(a.name, a.value);
	}
}

/** The first of the standing ones, from where on, that may become what is wanted. */
function match(from: ChildNode | null, is: Node): ChildNode | null {
	for (let node = from; node; node = node.nextSibling) {
		if (keyOf(node) === keyOf(is)) return node;
	}
	return null;
}

function children(was: Element, is: Element): void {
	let place = was.firstChild; // what stands before it is done
	for (const wanted of Array.from(is.childNodes)) {
		const found = match(place, wanted);
		if (!found) {
			was.insertBefore(was.ownerDocument.importNode(wanted, true), place);
			continue;
		}
		while (place && place !== found) place = drop(place);
		patch(found, wanted);
		place = found.nextSibling;
	}
	while (place) place = drop(place);
}

function drop(node: ChildNode): ChildNode | null {
	const next = node.nextSibling;
	if (!holds(node)) node.remove();
	return next;
}

export function patch(was: Node, is: Node): void {
	if (was instanceof Element && is instanceof Element) {
		if (was.hasAttribute("data-busy") || OWN_PLACES.has(was.id) || was.isEqualNode(is)) return;
		if (was.hasAttribute("data-drawn")) return; // a plot is no part of the server's page
		attributes(was, is);
		children(was, is);
	} else if (was.nodeValue !== is.nodeValue) {
		was.nodeValue = is.nodeValue;
	}
}
