// What only the script says: that the page is not live, and that something new waits to be shown.
import { render } from "preact";
import { clock } from "./clock";

export interface State {
	heard: number; // wall; when the server was heard last
	live: boolean;
	signedOut: boolean;
	waiting: number; // events that are not shown yet
	verdict: string; // what it says by now, when what stands there is older; "": it stands there
	offline: string; // the command that works without the daemon; "": none
}

function NotLive({ s }: { s: State }) {
	return (
		<>
			Not live since {clock(s.heard)}. What stands below may be old.
			{s.signedOut && <> You are no longer signed in: <a href={location.href}>sign in again</a>.</>}
			{!s.signedOut && s.offline && <> Without rollbackd: <code>{s.offline}</code></>}
		</>
	);
}

function News({ s, show }: { s: State; show: () => void }) {
	const n = s.waiting === 1 ? "1 new event" : s.waiting ? `${s.waiting} new events` : "Something is new";
	return (
		<button type="button" onClick={show}>
			{n}
			{s.verdict && <strong> {s.verdict}</strong>}
			<span> · show</span>
		</button>
	);
}

export function say(s: State, show: () => void): void {
	const banner = document.getElementById("banner");
	const news = document.getElementById("news");
	if (!banner || !news) return;
	banner.hidden = s.live;
	render(s.live ? null : <NotLive s={s} />, banner);
	news.hidden = !s.live || (!s.waiting && !s.verdict);
	render(news.hidden ? null : <News s={s} show={show} />, news);
	document.documentElement.classList.toggle("not-live", !s.live);
}
