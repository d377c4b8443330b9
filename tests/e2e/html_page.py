"""The page as a browser without a script has it: read, checked, and its forms sent."""
import html.parser
import re
import urllib.parse

from harness import basic, request

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
EMPTY = {"meta", "br", "input", "link", "hr", "img"}


class Page(html.parser.HTMLParser):
    """A page, checked as it is read: every tag ends where it should, ids are unique, every field has a label."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text, self.ids = [], [], [], []
        self.links, self.forms, self.fields, self.labels, self.headings = [], [], [], set(), []
        self.source = text
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        assert len(self.ids) == len(set(self.ids)), self.ids
        for f in self.fields:
            assert f.get("type") in ("hidden", "submit") or f.get("id") in self.labels or "aria-label" in f, f"no label: {f}"
        assert self.headings and self.headings[0] == 1 and self.headings.count(1) == 1, self.headings
        assert all(b <= a + 1 for a, b in zip(self.headings, self.headings[1:])), self.headings

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        assert "style" not in a and not [k for k in a if k.startswith("on")], a
        self.tags.append((tag, a))
        if tag not in EMPTY:
            self.open.append(tag)
        if "id" in a:
            self.ids.append(a["id"])
        if tag == "a":
            self.links.append(a["href"])
        if tag == "form":
            self.forms.append({**a, "fields": {}})
        if tag in ("input", "textarea", "select"):
            self.fields.append(a)
            if tag == "select":
                self.forms[-1]["fields"][a["name"]] = ""
            elif a.get("type") != "checkbox":
                self.forms[-1]["fields"][a["name"]] = a.get("value", "")
        if tag == "label":
            self.labels.add(a.get("for"))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        assert tag not in EMPTY and self.open and self.open[-1] == tag, f"</{tag}> within {self.open}"
        self.open.pop()

    def handle_data(self, data):
        if "textarea" in self.open:
            self.forms[-1]["fields"][self.fields[-1]["name"]] += data.removeprefix("\n")
        if "style" not in self.open:
            self.text.append(data)

    def words(self):
        return re.sub(r"\s+", " ", "".join(self.text))

    def attributes(self, tag):
        return next(a for t, a in self.tags if t == tag)

    def form(self, act):
        [f] = [f for f in self.forms if f["data-act"] == act]
        return f

    def parts(self):
        return [a["id"] for t, a in self.tags if t == "section"]


def get(d, path, status=200, headers=None):
    return page_of(request(d.port, "GET", path, headers={**BROWSER, **(basic(*d.auth) if d.auth else {}), **(headers or {})}), status)


def page_of(answer, status):
    got, h, body = answer
    assert got == status, (got, body[:500])
    assert h["Content-Type"] == "text/html; charset=utf-8" and h["X-Content-Type-Options"] == "nosniff", h
    policy = h["Content-Security-Policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, policy
    return Page(body.decode())


def submit(d, page, act, headers=None, **typed):
    """Sends a form as a browser would without a script: what the page put into it, and what was typed or ticked."""
    form = page.form(act)
    assert form["method"] == "post"
    body = urllib.parse.urlencode({**form["fields"], **typed}).encode()
    return request(d.port, "POST", form["action"], body,
                   {**BROWSER, **(basic(*d.auth) if d.auth else {}), "Content-Type": "application/x-www-form-urlencoded",
                    "Origin": f"http://127.0.0.1:{d.port}", "Sec-Fetch-Site": "same-origin", **(headers or {})})


def lands(d, answer, path):
    """The act was done: the browser is led to a page, which it gets by GET."""
    assert answer[0] == 303 and answer[1]["Location"] == path, (answer[0], answer[2][:3000])
    return get(d, path)
