"""The sampling rule as documented: an independent implementation, the document's table, rollbackctl and the demo service agree."""
import json
import re
import textwrap
import types

import pytest
from harness import ROOT, config, ctl, until

DOCUMENT = (ROOT / "deploy/sampling.md").read_text()
ROWS = re.findall(r"^\| `([^`]*)` \| `([^`]*)` \| `0x([0-9a-f]{8})` \| (\d+) \|$", DOCUMENT, re.M)


def murmur3_32(data, seed=0):
    """After the description in Wikipedia, not after our C."""
    def scramble(k):
        k = k * 0xCC9E2D51 % 2**32
        k = (k << 15 | k >> 17) % 2**32
        return k * 0x1B873593 % 2**32

    h, whole = seed, len(data) // 4 * 4
    for i in range(0, whole, 4):
        h ^= scramble(int.from_bytes(data[i:i + 4], "little"))
        h = (h << 13 | h >> 19) % 2**32
        h = (h * 5 + 0xE6546B64) % 2**32
    h ^= scramble(int.from_bytes(data[whole:], "little")) ^ len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ h >> shift) * factor % 2**32
    return h ^ h >> 16


def test_the_reference_here_is_murmur3():
    assert murmur3_32(b"Hello, world!", 0x9747B28C) == 0x24884CBA and murmur3_32(b"", 1) == 0x514E28B7


@pytest.mark.parametrize("salt, key, digest, bucket", ROWS)
def test_every_row_of_the_document(salt, key, digest, bucket):
    h = murmur3_32(f"{salt}:{key}".encode())
    assert f"{h:08x}" == digest and h * 10000 >> 32 == int(bucket)


def test_the_document_has_rows():
    assert len(ROWS) == 7


def test_the_documents_python_decides_at_every_hundredth():
    """0.07 * 100 is 7.000000000000001: a comparison without rounding takes bucket 7 in at 0.07 %."""
    code = compile(textwrap.dedent(re.search(r"^In Python.*?\n\n(.*?)\n\n", DOCUMENT, re.M | re.S)[1]), "sampling.md", "exec")
    bucket = 0
    mmh3 = types.SimpleNamespace(hash=lambda data, seed, signed: -(-bucket * 2**32 // 10000))      # the least hash of that bucket
    for hundredths in range(10001):
        for bucket in {max(hundredths - 1, 0), min(hundredths, 9999)}:
            names = {"mmh3": mmh3, "salt": "s", "key": "k", "percentage": hundredths / 100}
            exec(code, names)
            assert names["bucket"] == bucket and names["takes_new_way"] == (bucket < hundredths), hundredths


def test_rollbackctl_explains_a_key(daemon_of, service):
    d = daemon_of(config(service))
    wanted = {key: murmur3_32(f"shop:{key}".encode()) * 10000 >> 32 for key in (f"user-{n}" for n in range(40))}
    for key, bucket in wanted.items():
        p = ctl(d, "-o", "json", "flags", "explain", "shop", "--key", key)
        out = json.loads(p.stdout)
        assert p.returncode == 0 and out["bucket"] == bucket and out["new"] == (bucket < 1000)
        assert out["from_stage"] == (1 if bucket < 1000 else 2 if bucket < 2500 else 3 if bucket < 5000 else None)
    inside = min(wanted, key=wanted.get)
    text = ctl(d, "flags", "explain", "shop", "--key", inside).stdout
    assert f"at 10% it takes the new way, because {wanted[inside] / 100:g}% is below 10%" in text and "from stage 1 (Canary) on" in text


def test_flags_are_shown_with_their_generation(daemon, service):
    p = ctl(daemon, "flags", "shop")
    assert p.returncode == 0 and "SHOP_PERCENTAGE" in p.stdout and "generation" in p.stdout
    assert ctl(daemon, "flags", "nothing").returncode == 1
    assert ctl(daemon, "flags", "explain", "shop").returncode == 2
    out = json.loads(ctl(daemon, "-o", "json", "flags", "shop").stdout)
    assert out["flags"]["SHOP_PERCENTAGE"] == 10 and out["sampling"] == {"salt": "shop", "rule": "murmur3_32(salt:key)"}


def test_another_salt_picks_other_keys(daemon_of, service):
    d = daemon_of(config(service).replace("      percentage: SHOP_PERCENTAGE", "      percentage: SHOP_PERCENTAGE\n      salt: winter sale"))
    assert d.get("/api/v1/rollouts/shop/flags")["sampling"]["salt"] == "winter sale"
    out = json.loads(ctl(d, "-o", "json", "flags", "explain", "shop", "--key", "user-7").stdout)
    assert out["salt"] == "winter sale" and out["bucket"] == murmur3_32(b"winter sale:user-7") * 10000 >> 32
    assert out["bucket"] != murmur3_32(b"shop:user-7") * 10000 >> 32


def test_explain_goes_by_the_flags_file_and_says_when_it_cannot_tell(daemon, service):
    key = next(f"user-{n}" for n in range(100) if 1000 <= murmur3_32(f"shop:user-{n}".encode()) * 10000 >> 32 < 2500)
    until(lambda: daemon.get("/api/v1/rollouts/shop")["watch"]["percentage"] == "yes")     # the next look comes 15 s later
    service.raise_to(25)                # by hand, behind rollbackd's back
    p = ctl(daemon, "flags", "explain", "shop", "--key", key)
    assert p.returncode == 0 and "at 25% it takes the new way" in p.stdout and "from stage 2 (" in p.stdout, p.stdout
    assert "wanted is 10%" in p.stdout, p.stdout
    service.flags.write_text("SHOP_PERCENTAGE=ten\n")
    p = ctl(daemon, "flags", "explain", "shop", "--key", key)
    assert p.returncode == 4 and "unknown" in p.stdout and "ten" in p.stdout, p.stdout
    assert json.loads(ctl(daemon, "-o", "json", "flags", "explain", "shop", "--key", key).stdout)["new"] is None
    assert ctl(None, "flags", "explain", "shop", "--key", key).returncode == 3
