#!/usr/bin/python3
"""A strict stand-in for a Slack incoming webhook, on loopback.

It says what Slack says: 200 "ok" for a good message, else 400 (or what it was told to say) with Slack's word for it.
Each accepted message is one line of JSON in --file and one paragraph on stdout.

POST /services/...   a message
POST /control        {"mode": "ok" | "hang" | "500" | "429" | "404", "retry_after": seconds}: how to answer from now on.
                     A request that hangs is closed without an answer when the mode changes.
"""
import argparse
import datetime
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT_MAX = 40000
BLOCKS_MAX = 50
SECTION_MAX = 3000
HEADER_MAX = 150
FIELDS_MAX = 10
FIELD_MAX = 2000
BODY_MAX = 1024 * 1024
HANG_MAX = 600  # seconds

FAULTS = {"500": (500, "rollup_error"), "429": (429, "rate_limited"), "404": (404, "no_service")}


def text_object(obj, limit, kinds=("mrkdwn", "plain_text")):
    return (isinstance(obj, dict) and obj.get("type") in kinds
            and isinstance(obj.get("text"), str) and 0 < len(obj["text"]) <= limit)


def section_ok(block):
    fields = block.get("fields")
    if fields is not None and not (isinstance(fields, list) and 0 < len(fields) <= FIELDS_MAX
                                   and all(text_object(f, FIELD_MAX) for f in fields)):
        return False
    if "text" in block:
        return text_object(block["text"], SECTION_MAX)
    return fields is not None


def context_ok(block):
    elements = block.get("elements")
    return (isinstance(elements, list) and 0 < len(elements) <= FIELDS_MAX
            and all(isinstance(e, dict) and (e.get("type") == "image" or text_object(e, SECTION_MAX))
                    for e in elements))


def actions_ok(block):
    elements = block.get("elements")
    return isinstance(elements, list) and 0 < len(elements) <= 25 and all(isinstance(e, dict) for e in elements)


BLOCKS = {
    "section": section_ok,
    "context": context_ok,
    "actions": actions_ok,
    "header": lambda b: text_object(b.get("text"), HEADER_MAX, ("plain_text",)),
    "divider": lambda b: True,
    "image": lambda b: isinstance(b.get("image_url"), str) and isinstance(b.get("alt_text"), str),
}


def blocks_ok(blocks):
    return (isinstance(blocks, list) and len(blocks) <= BLOCKS_MAX
            and all(isinstance(b, dict) and b.get("type") in BLOCKS and BLOCKS[b["type"]](b) for b in blocks))


def refuse_constant(name):
    raise ValueError(name)  # NaN and Infinity are no JSON


def judge(content_type, body):
    """(message, None) or (None, Slack's word for what is wrong)."""
    if content_type.split(";")[0].strip().lower() != "application/json":
        return None, "invalid_payload"
    try:
        message = json.loads(body.decode("utf-8"), parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        return None, "invalid_payload"
    if not isinstance(message, dict):
        return None, "invalid_payload"
    text = message.get("text")
    if text is None or text == "":
        return None, "no_text"
    if not isinstance(text, str):
        return None, "invalid_payload"
    if len(text) > TEXT_MAX:
        return None, "msg_too_long"
    if "blocks" in message and not blocks_ok(message["blocks"]):
        return None, "invalid_blocks"
    return message, None


class Sink(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, path):
        super().__init__(("127.0.0.1", port), Handler)
        self.path = path
        self.changed = threading.Condition()  # guards mode, retry_after and generation
        self.mode, self.retry_after, self.generation = "ok", None, 0
        self.writing = threading.Lock()

    def set_mode(self, mode, retry_after):
        with self.changed:
            self.mode, self.retry_after = mode, retry_after
            self.generation += 1
            self.changed.notify_all()

    def hang(self):
        with self.changed:
            born = self.generation
            self.changed.wait_for(lambda: self.generation != born, HANG_MAX)

    def keep(self, message):
        now = datetime.datetime.now(datetime.timezone.utc)
        line = {"at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "text": message["text"]}
        if "blocks" in message:
            line["blocks"] = message["blocks"]
        with self.writing:
            with open(self.path, "a", encoding="utf-8") as out:
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
            print(f"{line['at']}\n{line['text']}\n", flush=True)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client may go away, above all while we hang
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "chat_sink"
    timeout = 30

    def answer(self, code, text, headers=()):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def read_body(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_MAX:
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def control(self, body):
        try:
            order = json.loads(body)
            mode, retry_after = order["mode"], order.get("retry_after")
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.answer(400, "invalid_order")
        if mode not in ("ok", "hang", *FAULTS) or not isinstance(retry_after, (int, float, type(None))):
            return self.answer(400, "invalid_order")
        self.server.set_mode(mode, retry_after)
        return self.answer(200, "ok")

    def message(self, body):
        mode, retry_after = self.server.mode, self.server.retry_after
        if mode == "hang":
            self.server.hang()
            self.close_connection = True
            return None
        if mode in FAULTS:
            headers = [("Retry-After", str(retry_after))] if retry_after is not None else []
            return self.answer(*FAULTS[mode], headers)
        message, wrong = judge(self.headers.get("Content-Type", ""), body)
        if wrong:
            return self.answer(400, wrong)
        self.server.keep(message)
        return self.answer(200, "ok")

    def do_POST(self):
        body = self.read_body()
        if body is None:
            return self.answer(400, "invalid_payload")
        if self.path == "/control":
            return self.control(body)
        if self.path.startswith("/services/"):
            return self.message(body)
        return self.answer(404, "no_service")

    def refuse(self):
        self.close_connection = True
        self.answer(400, "invalid_payload")

    do_GET = do_PUT = do_DELETE = refuse

    def log_message(self, format, *args):  # the name and the word are the base class's
        if "services" not in str(args[0]) or str(args[1]) != "200":
            sys.stderr.write(format % args + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: any free one; it is printed")
    parser.add_argument("--file", required=True, help="each accepted message is appended here, one line of JSON")
    options = parser.parse_args()
    sink = Sink(options.port, options.file)
    print(f"listening on 127.0.0.1:{sink.server_address[1]}", flush=True)
    try:
        sink.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
