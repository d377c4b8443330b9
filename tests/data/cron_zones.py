"""Writes cron_zones.txt: when cron expressions begin, and for how long they are in force, around changes of the clock.

An independent calculation for tests/unit/test_cron.c: it walks every minute of real time with Python's zoneinfo (IANA time zone
database) and applies the rules as a person would say them, slowly. A line: zone, expression, duration in seconds, the first and
the last minute looked at, the minutes in which it begins, the spans in which it is in force (all in minutes since 1970, UTC).
"""
import datetime
import zoneinfo

UTC = datetime.timezone.utc
MINUTE = datetime.timedelta(minutes=1)
# zone, a moment (UTC) near its change, what happens there
CHANGES = [
    ("Europe/Berlin", "2026-03-29 01:00"),        # 02:00 is 03:00
    ("Europe/Berlin", "2026-10-25 01:00"),        # 03:00 is 02:00
    ("America/New_York", "2026-03-08 07:00"),     # 02:00 is 03:00
    ("America/New_York", "2026-11-01 06:00"),     # 02:00 is 01:00
    ("Australia/Lord_Howe", "2026-04-04 15:00"),  # 02:00 is 01:30
    ("Australia/Lord_Howe", "2026-10-03 15:30"),  # 02:00 is 02:30
    ("America/Havana", "2026-03-08 05:00"),       # 00:00 is 01:00
    ("Pacific/Apia", "2011-12-30 10:00"),         # the 30th is left out
    ("UTC", "2026-03-01 00:00"),
]
RULES = [("30 1 * * *", 3600), ("30 2 * * *", 3600), ("15 2 * * *", 600), ("45 1 * * *", 7200), ("0 3 * * *", 60), ("0 0 * * *", 1800),
         ("0 12 30 * *", 86400), ("*/20 0-4 * * *", 300), ("0 16 * * 6", 64 * 3600), ("30 0 8 * *", 5400),
         # Longer than a month, ending in an hour that is left out or comes twice: of Berlin, New York, Lord Howe.
         ("30 2 20 2 *", 37 * 86400), ("30 2 18 9 *", 37 * 86400), ("30 2 30 1 *", 37 * 86400), ("30 1 25 9 *", 37 * 86400),
         ("45 1 27 2 *", 37 * 86400), ("15 2 28 8 *", 37 * 86400)]


def values(text, low, high):
    out = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        a, _, b = (f"{low}-{high}" if span == "*" else span).partition("-")
        out |= set(range(int(a), int(b or a) + 1, int(step or 1)))
    return out


def matcher(cron):
    minute, hour, day, month, weekday = cron.split()
    sets = [values(minute, 0, 59), values(hour, 0, 23), values(day, 1, 31), values(month, 1, 12), {d % 7 for d in values(weekday, 0, 7)}]

    def matches(t):
        d, w = t.day in sets[2], (t.weekday() + 1) % 7 in sets[4]
        date = (d or w) if day[0] != "*" and weekday[0] != "*" else (d and w)
        return t.minute in sets[0] and t.hour in sets[1] and t.month in sets[3] and date
    return matches


def walk(zone, cron, duration, first, last):
    """Looks from long enough before first that whatever is in force then has begun."""
    matches, z = matcher(cron), zoneinfo.ZoneInfo(zone)
    span = datetime.timedelta(seconds=duration)
    t, wall_before = first - span - datetime.timedelta(days=2), None
    once, each, shown, force = [], [], [], []
    while t <= last:
        wall = t.astimezone(z)
        naive = wall.replace(tzinfo=None, fold=0)
        new = [naive] if wall_before is None or naive <= wall_before else [wall_before + MINUTE * n for n in range(1, int((naive - wall_before) / MINUTE) + 1)]
        hits = [w for w in new if matches(w)]
        shown += hits
        if hits:
            each.append(t)
            if wall.fold == 0 and (not once or once[-1] != t):
                once.append(t)
        lasts = any(b <= t < b + span for b in each[-200:])
        says = any(w <= naive < w + span for w in shown[-400:])
        if t >= first and (lasts or says):
            if force and force[-1][1] == t:
                force[-1][1] = t + MINUTE
            else:
                force.append([t, t + MINUTE])
        wall_before, t = naive, t + MINUTE
    return [b for b in once if b >= first], force


def minutes(t):
    return str(int(t.timestamp()) // 60)


def main():
    for zone, moment in CHANGES:
        middle = datetime.datetime.strptime(moment, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        first, last = middle - datetime.timedelta(hours=26), middle + datetime.timedelta(hours=26)
        for cron, duration in RULES:
            once, force = walk(zone, cron, duration, first, last)
            print("|".join([zone, cron, str(duration), minutes(first), minutes(last), ",".join(map(minutes, once)),
                            ",".join(f"{minutes(a)}-{minutes(b)}" for a, b in force)]))


if __name__ == "__main__":
    main()
