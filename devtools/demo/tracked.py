"""Writes down what a visitor did, in the documents that Tracardi 0.8.1 would make of it."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from devtools.demo import Document
from environments.naming import Side

_FIRST = "Ada Bo Cleo Dario Elin Finn Greta Hugo Ida Jonas Kira Leo Mina Nils Ona Per Rosa Sven"
_LAST = "Ahlgren Berger Costa Dahl Eriksen Fuchs Gruber Holm Ivers Janssen Kowal Lund Moreau Novak"
_TOWNS = (("Bergen", "NO"), ("Lübeck", "DE"), ("Aarhus", "DK"), ("Turku", "FI"), ("Delft", "NL"))
_PRODUCTS = (
    ("HP-LAN-01", "Storm lantern", 49.0),
    ("HP-BLK-07", "Wool blanket", 89.0),
    ("HP-MUG-12", "Enamel mug", 14.5),
    ("HP-AXE-03", "Camp axe", 74.0),
    ("HP-SWE-21", "Fisherman's sweater", 129.0),
    ("HP-CAN-05", "Pine candle", 19.0),
)
_CAMPAIGNS = ("autumn-lanterns", "wool-week")
# A visit's campaign, where it came by one: where from, how, and which.
_WAYS = (
    ("google", "cpc", "lanterns-search"),
    ("instagram", "social", "cabin-mood"),
    ("partner-blog", "referral", "winter-guide"),
)
_COUNTRIES = (
    ("Norway", "NO", 40),
    ("Germany", "DE", 25),
    ("Denmark", "DK", 14),
    ("Finland", "FI", 12),
    ("Netherlands", "NL", 8),
    # So few that a dashboard leaves them out.
    ("Iceland", "IS", 1),
)
_PAGES = {
    "page-view": ("/", "/lanterns", "/blankets", "/sale", "/about"),
    "basket-item-added": ("/basket",),
    "basket-abandoned": ("/basket",),
    "order-placed": ("/checkout/done",),
    "sign-up": ("/sign-up",),
}
_SHOP = "https://shop.example.com"
_JOURNEY = {
    "page-view": "awareness",
    "sign-up": "awareness",
    "newsletter-clicked": "awareness",
    "app-opened": "awareness",
    "product-viewed": "consideration",
    "basket-item-added": "consideration",
    "basket-abandoned": "consideration",
    "order-placed": "purchase",
}
# (event type, source) to what a side's configuration runs: rule's name and flow's id.
_RUNS = {
    ("sign-up", "src-web-shop"): ("Sign-up → welcome", "flow-welcome"),
    ("order-placed", "src-web-shop"): ("Web order → follow-up", "flow-order"),
    ("order-placed", "src-mobile-app"): ("App order → follow-up", "flow-order"),
}
RUNS_ON = {
    Side.STAGING: {
        **_RUNS,
        ("order-placed", "src-point-of-sale"): ("Store receipt → loyalty", "flow-loyalty"),
        ("basket-abandoned", "src-web-shop"): ("Abandoned basket → reminder", "flow-basket"),
        ("stock-low", "src-point-of-sale"): ("Low stock → alert", "flow-stock"),
    },
    Side.PRODUCTION: {
        **_RUNS,
        ("order-placed", "src-point-of-sale"): ("Store receipt → follow-up", "flow-order"),
    },
}
_CHANNELS = {
    "src-web-shop": "web",
    "src-mobile-app": "mobile",
    "src-newsletter": "mail",
    "src-point-of-sale": "store",
}


@dataclass
class Customer:
    """Somebody who visits, and what was learnt so far."""

    id: str
    since: datetime
    visits: list[datetime] = field(default_factory=list)
    spent: float = 0.0
    signed_up: bool = False


@dataclass(frozen=True)
class Visit:
    """One session; `steps` are its event types. `device` and `utm` are Tracardi's."""

    id: str
    customer: Customer
    source: str
    start: datetime
    steps: Sequence[str]
    device: dict[str, Any] = field(default_factory=dict)
    utm: dict[str, str] = field(default_factory=dict)


def month_of(moment: datetime) -> str:
    """Return the month, such as `2026-11`, whose index gets a document of `moment`."""
    return f"{moment:%Y-%m}"


class Recorder:
    """Makes one side's documents; all chance comes from `rng`."""

    def __init__(self, rng: random.Random, side: Side) -> None:
        self.rng, self.side = rng, side
        self.instance = self.new_id()

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def device(self, source: str) -> dict[str, Any]:
        """Return what a visitor comes with, and from where; a till is no visitor's device."""
        if source == "src-point-of-sale":
            return {}
        [kind] = self.rng.choices(("desktop", "mobile", "tablet"), (52, 38, 10))
        if source == "src-mobile-app":
            kind = "mobile"
        weights = [weight for *_, weight in _COUNTRIES]
        [(name, code, _)] = self.rng.choices(_COUNTRIES, weights)
        geo = {"country": {"name": name, "code": code}}
        return {"type": kind, "touch": kind != "desktop", "geo": geo}

    def utm(self, source: str) -> dict[str, str]:
        """Return the campaign that a visitor came by, where there is one."""
        if source == "src-newsletter":
            campaign = self.rng.choice(_CAMPAIGNS)
            return {"source": "newsletter", "medium": "email", "campaign": campaign}
        if source == "src-web-shop" and self.rng.random() < 0.3:
            origin, medium, campaign = self.rng.choice(_WAYS)
            return {"source": origin, "medium": medium, "campaign": campaign}
        return {}

    def event(self, visit: Visit, kind: str, moment: datetime, *, failed: bool) -> Document:
        sku, product, price = self.rng.choice(_PRODUCTS)
        run = RUNS_ON[self.side].get((kind, visit.source))
        done = run is not None and not failed
        properties: dict[str, Any] = {"sku": sku} if "page" not in kind else {"url": f"/p/{sku}"}
        data: dict[str, Any] = {}
        if kind in ("order-placed", "basket-abandoned"):
            total = round(price * self.rng.randint(1, 3), 2)
            properties = {"sku": sku, "total": total}
            if kind == "order-placed":
                number = f"HP-{self.rng.randint(100000, 999999)}"
                properties["order"] = number
                income = {"revenue": total, "value": total}
                data = {"ec": {"order": {"id": number, "status": "paid", "income": income}}}
                visit.customer.spent += total
        elif kind == "product-viewed":
            data = {"ec": {"product": {"id": sku, "name": product, "price": price}}}
        event_id = self.new_id()
        source: dict[str, Any] = {
            "id": event_id,
            "name": kind.replace("-", " ").title(),
            "type": kind,
            "metadata": {
                "aux": {},
                "time": {
                    "insert": moment.isoformat(timespec="microseconds"),
                    "process_time": round(self.rng.lognormvariate(-2.2, 0.5), 6),
                },
                "status": "error" if failed else "processed" if done else "collected",
                "channel": _CHANNELS[visit.source],
                "processed_by": {
                    "rules": [run[0]] if run and done else [],
                    "flows": [run[1]] if run and done else [],
                    "third_party": [],
                },
                "profile_less": False,
                "debug": False,
                "valid": True,
                "error": failed,
                "warning": False,
                "instance": {"id": self.instance},
            },
            "source": {"id": visit.source},
            "session": {"id": visit.id, "start": visit.start.isoformat(), "tz": "utc"},
            "profile": {"id": visit.customer.id},
            "properties": properties,
            "context": {},
            "tags": {"values": [_CHANNELS[visit.source]], "count": 1},
            "data": data,
            "journey": {"state": _JOURNEY.get(kind)},
        }
        if visit.utm:
            source["utm"] = visit.utm
        if visit.device:
            source["device"] = visit.device
        if visit.source in ("src-web-shop", "src-newsletter"):
            page = f"/p/{sku}" if kind == "product-viewed" else ""
            page = page or self.rng.choice(_PAGES.get(kind, ("/",)))
            source["hit"] = {"name": page.strip("/") or "home", "url": f"{_SHOP}{page}"}
        return Document("event", month_of(moment), event_id, source)

    def session(self, visit: Visit, end: datetime) -> Document:
        time = {
            "insert": visit.start.isoformat(timespec="microseconds"),
            "update": end.isoformat(timespec="microseconds"),
            "timestamp": int(visit.start.replace(tzinfo=UTC).timestamp()),
            "duration": (end - visit.start).total_seconds(),
            "weekday": visit.start.weekday(),
        }
        source = {
            "id": visit.id,
            "metadata": {
                "time": time,
                "channel": _CHANNELS[visit.source],
                "aux": {},
                "status": "started",
            },
            "profile": {"id": visit.customer.id},
            "context": {},
            "properties": {},
            **({"device": visit.device} if visit.device else {}),
            **({"utm": visit.utm} if visit.utm else {}),
        }
        return Document("session", month_of(visit.start), visit.id, source)

    def profile(self, customer: Customer) -> Document:
        first = self.rng.choice(_FIRST.split())
        last = self.rng.choice(_LAST.split())
        town, country = self.rng.choice(_TOWNS)
        visits = customer.visits or [customer.since]
        segments = ["newcomers" if len(visits) < 3 else "regulars" if len(visits) > 6 else ""]
        segments += ["big-spenders"] if customer.spent > 600 else []
        inserted = customer.since.isoformat(timespec="microseconds")
        pii = {"firstname": first, "lastname": last, "name": f"{first} {last}"}
        email = f"{first}.{last}.{customer.id[:4]}@example.com".lower()
        source = {
            "id": customer.id,
            "ids": [customer.id],
            "metadata": {
                "time": {
                    "insert": inserted,
                    "update": visits[-1].isoformat(timespec="microseconds"),
                    "visit": {"current": visits[-1].isoformat(), "count": len(visits)},
                },
                "aux": {},
            },
            "stats": {"visits": len(visits), "views": 0, "counters": {}},
            "segments": [name for name in segments if name],
            "interests": {},
            "consents": {"analytics": {"revoke": None}} if self.rng.random() < 0.7 else {},
            "active": True,
            "data": {
                "pii": pii if customer.signed_up else {},
                "contact": {
                    "email": email if customer.signed_up else None,
                    "address": {"town": town, "country": country},
                },
                "metrics": {"ltv": round(customer.spent, 2)},
            },
        }
        return Document("profile", month_of(customer.since), customer.id, source)

    def log(self, moment: datetime, level: str, message: str) -> Document:
        source = {
            "date": moment.isoformat(timespec="microseconds"),
            "message": message,
            "logger": "shop.tracker",
            "file": "tracker.py",
            "line": self.rng.randint(20, 400),
            "level": level,
            "stack_info": None,
        }
        return Document("log", month_of(moment), self.new_id(), source)
