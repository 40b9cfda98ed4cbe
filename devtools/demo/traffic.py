"""The shop's visitors: events, sessions, profiles and logs of the last days.

A week has its rhythm, a day too, and nine days before the end the tills fail for an afternoon.
"""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from devtools.demo import Document
from devtools.demo.tracked import Customer, Recorder, Visit, month_of
from environments.naming import Side

# Monday to Sunday.
_WEEK = (0.85, 0.8, 0.85, 0.95, 1.2, 1.35, 1.1)
_DAY = (1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 11, 12, 10, 9, 9, 10, 12, 14, 16, 17, 14, 9, 4)
_SESSIONS_A_DAY = 50
_PROFILES = 400
_STAGING_SHARE = 8
_INCIDENT_DAYS_AGO = 9
_SOURCES = ("src-web-shop", "src-mobile-app", "src-newsletter", "src-point-of-sale")


def months(now: datetime, days: int = 30) -> list[str]:
    """Return the months, such as `2026-11`, that `documents` of the same arguments write to."""
    month, found = _beginning(now, days), []
    while month <= _naive(now):
        found.append(month_of(month))
        month = (month + timedelta(days=32)).replace(day=1)
    return found


def _naive(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise ValueError("The time needs its zone.")
    return now.astimezone(UTC).replace(tzinfo=None)


def _first_day(now: datetime, days: int) -> datetime:
    today = _naive(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days - 1)


def _beginning(now: datetime, days: int) -> datetime:
    """Return when the first customers came: a month's first day, two weeks or more before."""
    return (_first_day(now, days) - timedelta(days=14)).replace(day=1)


class _Shop:
    def __init__(self, side: Side, now: datetime, days: int, seed: int) -> None:
        self.rng = random.Random(f"{seed}-{side}")  # noqa: S311
        self.side, self.now, self.days = side, _naive(now), days
        self.first = _first_day(now, days)
        self.share = _STAGING_SHARE if side is Side.STAGING else 1
        self.record = Recorder(self.rng, side)
        incident = self.first + timedelta(days=days - 1 - _INCIDENT_DAYS_AGO)
        self.incident = incident + timedelta(hours=13), incident + timedelta(hours=18)
        start = _beginning(now, days)
        # The square root: more customers came lately.
        self.customers = sorted(
            (
                Customer(
                    self.record.new_id(), start + (self.now - start) * math.sqrt(self.rng.random())
                )
                for _ in range(_PROFILES // self.share)
            ),
            key=lambda customer: customer.since,
        )

    def fails(self, source: str, moment: datetime) -> bool:
        if source == "src-point-of-sale" and self.incident[0] <= moment < self.incident[1]:
            return self.rng.random() < 0.6
        return self.rng.random() < 0.012

    def visits(self) -> Iterator[Visit]:
        for number in range(self.days):
            day = self.first + timedelta(days=number)
            weight = _WEEK[day.weekday()] * self.rng.uniform(0.95, 1.05)
            moments = sorted(
                day + timedelta(hours=hour, seconds=self.rng.uniform(0, 3600))
                for hour in self.rng.choices(
                    range(24), _DAY, k=round(_SESSIONS_A_DAY * weight / self.share)
                )
            )
            for moment in moments:
                known = [customer for customer in self.customers if customer.since <= moment]
                if moment < self.now and known:
                    yield self.visit(moment, known)

    def visit(self, start: datetime, known: Sequence[Customer]) -> Visit:
        new = [customer for customer in known[-6:] if not customer.visits]
        customer = new[0] if new else self.rng.choice(known)
        customer.visits.append(start)
        [source] = self.rng.choices(_SOURCES, (60, 22, 8, 10))
        steps: list[str] = []
        if source == "src-point-of-sale":
            steps = ["order-placed"]
            if self.rng.random() < 0.2:
                steps.append("stock-low")
        else:
            opening = {"src-mobile-app": "app-opened", "src-newsletter": "newsletter-clicked"}
            steps.append(opening.get(source, "page-view"))
            steps += self.rng.choices(("page-view", "product-viewed"), k=self.rng.randint(1, 4))
            if source == "src-web-shop" and not customer.signed_up and self.rng.random() < 0.25:
                customer.signed_up = True
                steps.append("sign-up")
            if self.rng.random() < 0.4:
                steps.append("basket-item-added")
                bought = self.rng.random() < 0.5
                steps.append("order-placed" if bought else "basket-abandoned")
        return Visit(
            f"sess-{self.record.new_id()[:18]}",
            customer,
            source,
            start,
            steps,
            self.record.device(source),
            self.record.utm(source),
        )

    def documents(self) -> Iterator[Document]:
        for visit in self.visits():
            moment = end = visit.start
            for kind in visit.steps:
                if moment > self.now:
                    break
                failed = self.fails(visit.source, moment)
                event, end = self.record.event(visit, kind, moment, failed=failed), moment
                yield event
                if failed:
                    words = f"A workflow of event {kind} failed: {visit.source} gave no answer."
                    yield self.record.log(moment, "ERROR", words)
                elif self.rng.random() < 0.015:
                    yield self.record.log(
                        moment, "WARNING", f"Event {kind} waited long to be processed."
                    )
                moment += timedelta(seconds=self.rng.uniform(4, 180))
            yield self.record.session(visit, end)
        for customer in self.customers:
            yield self.record.profile(customer)


def documents(
    *, now: datetime, days: int = 30, seed: int = 1, side: str = "production"
) -> Iterator[Document]:
    """Yield the traffic of `days` days up to `now`; staging has an eighth of production's.

    Raises:
        ValueError: `now` has no time zone, or `days` is less than 1.
    """
    if days < 1:
        raise ValueError(f"{days} is no number of days.")
    yield from _Shop(Side(side), now, days, seed).documents()
