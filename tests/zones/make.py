"""Writes transitions.txt: the offsets from UTC of 40 zones from 2020 to 2030, by Python's zoneinfo and the tzdata package.

Run: python3 -m venv venv && venv/bin/pip install tzdata && PYTHONTZPATH= venv/bin/python make.py > transitions.txt
With PYTHONTZPATH empty, Python reads the package's data and not the machine's.
"""

import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import tzdata

ZONES = """Africa/Cairo Africa/Casablanca Africa/El_Aaiun Africa/Juba America/Asuncion America/Chihuahua America/Ciudad_Juarez
America/Edmonton America/Havana America/Inuvik America/Los_Angeles America/Mexico_City America/New_York America/Nuuk
America/Santiago America/Sao_Paulo America/Scoresbysund America/St_Johns America/Vancouver America/Winnipeg Antarctica/Troll
Asia/Almaty Asia/Amman Asia/Beirut Asia/Gaza Asia/Kathmandu Asia/Kolkata Asia/Tehran Asia/Tokyo Atlantic/Azores
Australia/Lord_Howe Australia/Sydney Europe/Berlin Europe/London Europe/Volgograd Pacific/Apia Pacific/Auckland
Pacific/Chatham Pacific/Fiji Pacific/Kiritimati""".split()

FROM = int(datetime(2020, 1, 1, tzinfo=timezone.utc).timestamp())
TO = int(datetime(2031, 1, 1, tzinfo=timezone.utc).timestamp())


def offset(zone, second):
    moment = datetime.fromtimestamp(second, timezone.utc).astimezone(zone)
    return int(moment.utcoffset() / timedelta(seconds=1))


def main():
    assert len(ZONES) == 40, len(ZONES)
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"# Made by make.py with Python {python} and tzdata {tzdata.IANA_VERSION}. A zone, and its offset at 2020-01-01T00:00:00Z;")
    print("# below it, indented, each second since 1970 (UTC) at which another offset begins, and that offset, up to 2031-01-01.")
    for name in ZONES:
        zone = ZoneInfo(name)
        now = offset(zone, FROM)
        print(name, now)
        for hour in range(FROM, TO, 3600):
            if offset(zone, hour + 3600) == now:
                continue
            low, high = hour, hour + 3600
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, middle) == now else (low, middle)
            now = offset(zone, high)
            print(f"  {high} {now}")


main()
