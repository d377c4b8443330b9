// Playwright for the tests, which are in Python: a line of JSON in, {id, on, call, args}, a line out, {id, value} or {id, error}. What is
// no JSON (a page, a locator) is kept here, and called by its number: {"$": 3}; {"fn": "…"} is a function for the browser.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const { chromium } = createRequire(`${process.cwd()}/`)("playwright-core");
const kept = [{ chromium }];

function plain(v) {
	if (v === null || v === undefined || typeof v !== "object" || Buffer.isBuffer(v)) return !Buffer.isBuffer(v);
	if (Array.isArray(v)) return v.every(plain);
	return Object.getPrototypeOf(v) === Object.prototype && Object.values(v).every(plain);
}

function out(v) {
	if (Buffer.isBuffer(v)) return { base64: v.toString("base64") };
	if (plain(v)) return { value: v ?? null };
	if (Array.isArray(v)) return { list: v.map(out) };
	kept.push(v);
	return { kept: kept.length - 1 };
}

function given(a) {
	if (a && typeof a === "object" && "$" in a) return kept[a.$];
	if (a && typeof a === "object" && "fn" in a) return new Function(`return (${a.fn})`)();
	return a;
}

async function answer({ id, on, call, args }) {
	try {
		const owner = kept[on];
		const value = typeof owner[call] === "function" ? await owner[call](...args.map(given)) : owner[call];
		return { id, ...out(value) };
	} catch (e) {
		return { id, error: String(e.message ?? e) };
	}
}

for await (const line of createInterface({ input: process.stdin })) {
	answer(JSON.parse(line)).then((said) => process.stdout.write(`${JSON.stringify(said)}\n`));
}
process.exit(0);
