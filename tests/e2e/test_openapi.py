"""GET /api/v1/openapi.json against the running server, in both directions."""
import json

from harness import basic, request
from test_auth import ALICE, AM, VIC, guarded  # noqa: F401 (a fixture)

# What users rely on; beside it the description may have more.
PROMISED = """
POST /webhook
GET /api/v1/incidents
POST /api/v1/incidents
GET /api/v1/incidents/{id}
GET /api/v1/incidents/{id}/report
POST /api/v1/incidents/{id}/acknowledge
POST /api/v1/incidents/{id}/note
POST /api/v1/incidents/{id}/eta
POST /api/v1/incidents/{id}/approve
POST /api/v1/incidents/{id}/cancel
POST /api/v1/incidents/{id}/retry
POST /api/v1/incidents/{id}/review
POST /api/v1/incidents/{id}/resolve
GET /api/v1/rollouts
GET /api/v1/rollouts/{name}
POST /api/v1/rollouts/{name}/rollback
POST /api/v1/rollouts/{name}/advance
POST /api/v1/rollouts/{name}/approve
POST /api/v1/rollouts/{name}/check
POST /api/v1/rollouts/{name}/hold
POST /api/v1/rollouts/{name}/resume
POST /api/v1/rollouts/{name}/freeze
GET /api/v1/rollouts/{name}/flags
GET /api/v1/rollouts/{name}/compare
GET /api/v1/events
GET /api/v1/openapi.json
GET /metrics
GET /-/healthy
GET /-/ready
POST /-/reload
GET /
GET /incidents/{id}
GET /rollouts/{name}
"""


def described(port, **kw):
    status, headers, body = request(port, "GET", "/api/v1/openapi.json", **kw)
    assert status == 200 and headers["Content-Type"] == "application/json", body
    return json.loads(body)


def operations(doc):
    return [(method.upper(), path, op) for path, item in doc["paths"].items() for method, op in item.items()]


def filled(path):
    return path.replace("{id}", "999999").replace("{name}", "nowhere")


def params(op, where):
    return [p for p in op["parameters"] if p["in"] == where]


def test_what_is_promised_is_described_and_the_description_is_well_formed(daemon):
    doc = described(daemon.port)
    assert doc["openapi"].startswith("3.0.") and doc["info"]["version"]
    there = {f"{method} {path}" for method, path, _ in operations(doc)}
    assert not set(PROMISED.split("\n")) - {""} - there
    for method, path, op in operations(doc):
        assert op["summary"] and op["responses"], path
        assert [p["name"] for p in params(op, "path")] == [s[1:-1] for s in path.split("/") if s.startswith("{")], path
        assert all(p["schema"]["type"] and p["description"] for p in op["parameters"]), path
        for answer in op["responses"].values():
            assert answer["description"]
            for content in answer.get("content", {}).values():
                ref = content["schema"].get("$ref")
                assert not ref or ref.removeprefix("#/components/schemas/") in doc["components"]["schemas"], ref
        for way in op["security"]:
            assert set(way) <= set(doc["components"]["securitySchemes"])


def test_every_described_path_answers_and_takes_no_other_method(daemon):
    doc = described(daemon.port)
    for path, item in doc["paths"].items():
        allowed = {m.upper() for m in item}
        for method in {"GET", "POST", "PUT"}:
            status, headers, body = request(daemon.port, method, filled(path) + "?nosuch=1", {} if method != "GET" else None)
            if method in allowed:
                assert status == 400, (method, path, body)      # it is there, and looks at its parameters
            else:
                assert status == 405 and {m.strip() for m in headers["Allow"].split(",")} - {"HEAD"} == allowed, (method, path)
    assert request(daemon.port, "GET", "/api/v1/nothing")[0] == 404


def test_every_described_parameter_is_taken_and_no_other(daemon):
    doc = described(daemon.port)
    seen = 0
    for method, path, op in operations(doc):
        body = None if method == "GET" else {}
        known = [p["name"] for p in params(op, "query")]
        for p in params(op, "query"):
            for value in p["schema"].get("enum", [p["example"]]):
                status, _, answer = request(daemon.port, method, f"{filled(path)}?{p['name']}={value}", body)
                assert status in (200, 404), (path, p["name"], value, answer)
                seen += 1
        for name in ["nosuch", "Limit", "limit ", "__proto__"]:
            status, _, answer = request(daemon.port, method, f"{filled(path)}?{name.replace(' ', '%20')}=1", body)
            assert status == 400 and json.loads(answer)["errorType"] == "bad_data", (path, name, answer)
            assert all(k in answer.decode() for k in known)
    assert seen > 20


def test_every_described_member_of_a_body_is_known_and_no_other(daemon, service):
    doc = described(daemon.port)
    for method, path, op in operations(doc):
        schema = op.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if "properties" not in schema:
            continue
        status, _, body = request(daemon.port, method, filled(path), {**{k: None for k in schema["properties"]}, "nosuch": 1})
        assert status == 400 and b"unknown key nosuch" in body, (path, body)
        names = body.decode().split("there are ")[1].split('"')[0].split(",")
        assert names == list(schema["properties"]), path
    assert daemon.incidents() == [] and service.file_percentage() == "10"


def test_a_slip_is_told_what_was_meant(daemon):
    for path, meant in ("/api/v1/incidents?rolout=shop", "rollout"), ("/api/v1/incidents?limt=3", "limit"), \
            ("/api/v1/rollouts/shop/sla?sinc=1h", "since"), ("/api/v1/events?Cursor=3", "cursor"):
        status, _, body = request(daemon.port, "GET", path)
        assert status == 400 and f"did you mean {meant}?".encode() in body, body
    status, _, body = request(daemon.port, "POST", "/api/v1/rollouts/shop/rollback", {"stagee": 1})
    assert status == 400 and b"unknown key stagee: did you mean stage?" in body, body


def test_the_roles_are_as_described(guarded):       # noqa: F811
    d = guarded()
    doc = described(d.port, headers=basic(*VIC))
    has = {AM: {"webhook"}, ALICE: {"operator", "viewer"}, VIC: {"viewer"}}
    for method, path, op in operations(doc):
        who_may = set(op["x-roles"])
        assert request(d.port, method, filled(path) + "?nosuch=1")[0] == (401 if op["security"] else 400), path
        for who, roles in has.items():
            status, _, body = request(d.port, method, filled(path) + "?nosuch=1", headers=basic(*who))
            may = not op["security"] or not who_may or who_may & roles
            assert status == (400 if may else 403), (who[0], method, path, body)
