// /api/v1/events as a stream. Not by EventSource: that one hides the signs of life (comments) and cannot say where to begin, and the
// page must know both.

export interface Heard {
	life(): void; // anything at all came
	event(id: number): void;
	begins(id: number, date: string | null): void; // the record that it tells of goes on behind this event
	refused(status: number): void;
}

const FIRST_WAIT = 500; // ms
const LONGEST_WAIT = 15_000;
const SILENCE = 20_000; // then the connection is given up: the server says something every 15 s

/** Lines of a stream into events; what is not complete yet waits for the next piece. */
export class Reader {
	private rest = "";
	private id = -1;
	private data = false;
	private first = true;

	constructor(
		private readonly heard: Heard,
		private readonly date: string | null,
	) {}

	take(piece: string): void {
		const lines = (this.rest + piece).split("\n");
		this.rest = lines.pop() ?? "";
		for (const line of lines) this.line(line);
	}

	private line(line: string): void {
		if (line.startsWith("id: ")) this.id = Number(line.slice(4));
		else if (line.startsWith("data: ")) this.data = true;
		else if (line === "") this.end();
	}

	private end(): void {
		if (this.id >= 0 && this.data) this.heard.event(this.id);
		else if (this.id >= 0 && this.first) this.heard.begins(this.id, this.date);
		this.first = this.first && this.id < 0;
		this.data = false;
		this.id = -1;
	}
}

export class Stream {
	private stopped = new AbortController();
	private running = false;

	/** after: the newest event that is known, when it is asked. */
	constructor(
		private readonly url: string,
		private readonly after: () => number,
		private readonly heard: Heard,
	) {}

	start(): void {
		if (this.running) return;
		this.running = true;
		this.stopped = new AbortController();
		void this.go(this.stopped.signal);
	}

	stop(): void {
		this.running = false;
		this.stopped.abort();
	}

	private async go(stopped: AbortSignal): Promise<void> {
		let wait = FIRST_WAIT;
		while (!stopped.aborted) {
			if (await this.once(stopped)) wait = FIRST_WAIT;
			// Not all pages of a daemon that starts again in the same moment.
			await pause(wait * (0.5 + Math.random() / 2), stopped);
			wait = Math.min(wait * 2, LONGEST_WAIT);
		}
	}

	/** One connection, to its end. Whether anything came. */
	private async once(stopped: AbortSignal): Promise<boolean> {
		const silent = new AbortController();
		const give_up = (): void => silent.abort();
		let timer = setTimeout(give_up, SILENCE);
		let any = false;
		stopped.addEventListener("abort", give_up, { once: true });
		try {
			const answer = await fetch(this.url, {
				headers: { Accept: "text/event-stream", "Last-Event-ID": String(this.after()) },
				cache: "no-store",
				signal: silent.signal,
			});
			if (!answer.ok || !answer.body || answer.redirected) {
				this.heard.refused(answer.redirected ? 401 : answer.status); // led away: to where one signs in
				return false;
			}
			const reader = new Reader(this.heard, answer.headers.get("Date"));
			const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader();
			for (;;) {
				const { done, value } = await pieces.read();
				if (done) return any;
				any = true;
				clearTimeout(timer);
				timer = setTimeout(give_up, SILENCE);
				this.heard.life();
				reader.take(value);
			}
		} catch {
			return any; // cut, or silent: once more
		} finally {
			clearTimeout(timer);
			stopped.removeEventListener("abort", give_up);
		}
	}
}

function pause(ms: number, stopped: AbortSignal): Promise<void> {
	return new Promise((done) => {
		const timer = setTimeout(done, ms);
		stopped.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
	});
}
