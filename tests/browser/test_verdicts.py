"""The ten verdicts on a phone and on a desk, in light and in dark: seen without scrolling, in the order in which they are read, and without
anything that axe finds wrong. The screenshots are in build/browser/screens."""
import re

import pytest
import verdicts
from browser import DESK, MODULES, PHONE, axe, fn

pytestmark = pytest.mark.xdist_group("browser")
SCREENS = MODULES / "screens"
SIZES = {"phone": PHONE, "desk": DESK}


@pytest.fixture(scope="module")
def world(tmp_path_factory, request):
    """One daemon for all of this file: nothing here changes it."""
    import harness
    folder = harness.fresh("test_verdicts", "world")
    service = harness.Service(folder / "service")
    started = []

    def daemon_of(text):
        d = harness.Daemon(folder / "rollbackd", text)
        started.append(d)
        return d.start()
    w = verdicts.World(daemon_of, folder, service)
    yield w
    w.end()
    assert [d.stop() for d in started] == [0]
    service.close()


@pytest.fixture(autouse=True)
def ports():
    """The world's belong to the whole file."""
    yield


def on_screen(page, selector, height):
    box = page.locator(selector).first().boundingBox()
    return box and box["y"] >= 0 and box["y"] + box["height"] <= height


long = pytest.mark.long
COMBINED = [("phone", "light"), ("desk", "dark"), pytest.param("phone", "dark", marks=long), pytest.param("desk", "light", marks=long)]


@pytest.mark.parametrize("size, scheme", COMBINED)
def test_the_verdict_is_seen_without_scrolling(world, page_of, size, scheme):
    SCREENS.mkdir(exist_ok=True)
    page = page_of(world.daemon, "/incidents/1", viewport=SIZES[size], colorScheme=scheme)
    for v in world.verdicts:
        page.goto(f"/incidents/{v.incident}")
        (SCREENS / f"{v.name}-{size}-{scheme}.png").write_bytes(page.screenshot())
        assert v.says in page.locator("#verdict").textContent(), v.name
        parts = ["#verdict h1", "#over p", "#waits"] + ["[data-act=acknowledge] button"] * v.open
        assert [p for p in parts if not on_screen(page, p, SIZES[size]["height"])] == [], v.name
        assert page.evaluate(fn("() => document.documentElement.scrollWidth <= innerWidth")), f"{v.name} scrolls sideways"
        assert axe(page) == [], v.name


def test_it_is_read_in_the_order_of_what_counts(world, page_of):
    order = ["Is it over?", "What waits for a person", "Who has it", "Why", "Now", "What was seen", "Steps"]
    page = page_of(world.daemon, "/incidents/1", viewport=PHONE)
    for v in world.verdicts:
        page.goto(f"/incidents/{v.incident}")
        tree = page.locator("main").ariaSnapshot()
        headings = re.findall(r'heading "(.*?)" \[level=(\d)\]', tree)
        assert headings[0][1] == "1" and (v.says.rstrip(":") in headings[0][0] or v.says == "DRILL"), tree
        seen = [h for h, _ in headings if h in order]
        assert seen == [h for h in order if h in seen] and seen[:3] == order[:3], headings
        if v.open:
            assert tree.index('button "Acknowledge"') < tree.index('heading "Who has it"')


PAGES = ["/", "/incidents", "/incidents/{held}/note", "/incidents/{stubborn}/resolve", "/rollouts/held/rollback", "/rollouts/held", "/incidents/99999"]


@pytest.mark.parametrize("size, scheme", COMBINED)
def test_nothing_is_wrong_on_any_page(world, page_of, size, scheme):
    number = {v.name: v.incident for v in world.verdicts}
    page = page_of(world.daemon, "/", viewport=SIZES[size], colorScheme=scheme)
    for path in PAGES:
        page.goto(path.format(**number))
        if not page.locator("main").count():
            continue        # text, as yet
        (SCREENS / f"page{path.replace('/', '-').translate(str.maketrans('', '', '{}'))}-{size}-{scheme}.png").write_bytes(page.screenshot())
        assert page.locator("h1").count() == 1 and axe(page) == [], path
        assert page.evaluate(fn("() => document.documentElement.scrollWidth <= innerWidth")), f"{path} scrolls sideways"
