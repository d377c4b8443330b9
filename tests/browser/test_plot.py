"""The numbers that were kept, as a plot: with the moment of the rollback marked."""
import pytest
from browser import MODULES, fn
from harness import Prometheus, Server, alert, config, parse_time, until

pytestmark = pytest.mark.xdist_group("browser")

# Columns of the canvas that are of the mark's colour from top to bottom, as parts of its width.
MARKED = """() => {
    const canvas = document.querySelector("figure[data-plot] canvas");
    if (!canvas) return null;
    const probe = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--badtext");
    probe.fillRect(0, 0, 1, 1);
    const want = probe.getImageData(0, 0, 1, 1).data;
    const {width, height} = canvas;
    const image = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    const is = (x, y) => [0, 1, 2].every(c => Math.abs(image[(y * width + x) * 4 + c] - want[c]) < 8) && image[(y * width + x) * 4 + 3] > 250;
    const found = [];
    for (let x = 0; x < width; x++) {
        let n = 0;
        for (let y = 0; y < height; y++) n += is(x, y);
        if (n > height * 0.6) found.push(x / width);
    }
    return found;
}"""


def test_a_plot_marks_the_rollback(daemon_of, service, programs, folder, page_of):
    class Exporter(Server):
        def handle(self, method, path, headers, body):
            return 200, {"Content-Type": "text/plain; version=0.0.4"}, f"shop_percentage {service.percentage()}\n"

    exporter = Exporter()
    prometheus = programs(Prometheus(folder / "prometheus", [("shop", f"127.0.0.1:{exporter.port}")], "groups: []\n"))
    d = daemon_of(config(service, prometheus=f"  prometheus: {{url: \"{prometheus.url}\", timeout: 3s}}",
                         snapshot="    snapshot: {window: 20s, queries: [{name: percentage, unit: percent, query: shop_percentage}]}"))
    until(lambda: len(prometheus.query("shop_percentage[20s]")[0]["values"]) >= 4)
    [r] = d.post(alert())
    n = r["incident"]
    page = page_of(d, f"/incidents/{n}")

    def kept():
        i = d.incident(n)
        return [p for p in i["snapshot"]["series"]["percentage"] if p[0] > parse_time(i["decided_at"]) and p[1] == 0]
    until(kept)
    assert d.act(n, "note", note="look at the plot")[0] == 200
    until(lambda: page.locator("#metrics tbody td").last().textContent().startswith("0 "))
    until(lambda: page.evaluate(fn(MARKED)))
    series = d.incident(n)["snapshot"]["series"]["percentage"]
    at = parse_time(d.incident(n)["decided_at"])
    begins, ends = series[0][0], max(series[-1][0], at)
    assert begins < at < ends
    for x in until(lambda: page.evaluate(fn(MARKED))):
        assert abs(x - (at - begins) / (ends - begins)) < 0.25, (x, series, at)
    assert page.locator("figure[data-plot]").getAttribute("aria-hidden") == "true"
    assert "10" in page.locator("#metrics").textContent()
    page.locator("#timeline", {"hasText": "look at the plot"}).waitFor()
    page.locator("#news").waitFor({"state": "hidden"})
    (MODULES / "screens").mkdir(exist_ok=True)
    (MODULES / "screens/page.png").write_bytes(page.screenshot({"fullPage": True}))     # README's, as deploy/docs/page.png
    exporter.close()
