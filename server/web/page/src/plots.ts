// A small plot beside each row of numbers that were kept: <figure data-plot="name">, drawn from the incident's JSON. The moment at which
// it was decided to roll back is marked. Who does not see it has the numbers.
import uPlot from "uplot";

type Points = [number, number][];
interface Incident {
	decided_at?: string | null;
	snapshot?: { series?: Record<string, Points> };
}

const WIDTH = 240;
const HEIGHT = 56;

let known: Incident | null = null;
let asking = false;

function colour(name: string): string {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "gray";
}

/** The moment as a line from top to bottom. */
function marked(at: number): uPlot.Plugin {
	const line = (u: uPlot): void => {
		const x = Math.round(u.valToPos(at, "x", true));
		u.ctx.save();
		u.ctx.fillStyle = colour("--badtext");
		u.ctx.fillRect(x, u.bbox.top, 2 * devicePixelRatio, u.bbox.height);
		u.ctx.restore();
	};
	return { hooks: { draw: line } };
}

function plot(place: HTMLElement, points: Points, at: number): void {
	const xs = points.map((p) => p[0]);
	const options: uPlot.Options = {
		width: Math.min(WIDTH, place.clientWidth || WIDTH),
		height: HEIGHT,
		legend: { show: false },
		cursor: { show: false },
		axes: [{ show: false }, { show: false }],
		// The mark is to be seen, also before anything came after it.
		scales: { x: { time: true, range: [Math.min(xs[0] ?? at, at), Math.max(xs[xs.length - 1] ?? at, at) + 1] } },
		series: [{}, { stroke: colour("--link"), width: 1.5, points: { show: points.length < 3 } }],
		plugins: Number.isNaN(at) ? [] : [marked(at)],
	};
	place.replaceChildren();
	new uPlot(options, [xs, points.map((p) => p[1])], place);
	place.setAttribute("aria-hidden", "true");
	place.dataset["drawn"] = `${points.length} ${at}`;
}

function drawAll(incident: Incident): void {
	const at = Date.parse(incident.decided_at ?? "") / 1000;
	for (const place of document.querySelectorAll<HTMLElement>("figure[data-plot]")) {
		const points = incident.snapshot?.series?.[place.dataset["plot"] ?? ""] ?? [];
		if (points.length && place.dataset["drawn"] !== `${points.length} ${at}`) plot(place, points, at);
	}
}

/** Asks for the numbers when there is a plot to draw that they are not there for, or when all is to be drawn anew. */
export async function draw(anew: boolean): Promise<void> {
	const places = Array.from(document.querySelectorAll<HTMLElement>("figure[data-plot]"));
	const id = document.getElementById("main")?.dataset["id"];
	if (!id || !places.length || asking || (!anew && places.every((p) => p.dataset["drawn"]))) return;
	asking = true;
	try {
		const answer = await fetch(`/api/v1/incidents/${id}`, { headers: { Accept: "application/json" }, cache: "no-store" });
		if (answer.ok) known = ((await answer.json()) as { data: Incident }).data;
		if (known) drawAll(known);
	} catch {
		// The next update asks again; the numbers stand there.
	} finally {
		asking = false;
	}
}
