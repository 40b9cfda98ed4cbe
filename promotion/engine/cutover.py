"""The moment of a promotion: fence, block, fence again, and one `_aliases` request."""

from collections.abc import Callable, Mapping

from environments.naming import Naming
from promotion.engine.errors import Conflict, MachineryError, StalePlan
from promotion.engine.lease import Lease
from promotion.engine.plan import Generation, Plan
from promotion.engine.ports import IndexState, Writer, fingerprint


def fence(
    writer: Writer,
    plan: Plan,
    made: Generation,
    states: Mapping[str, IndexState] | None = None,
) -> Mapping[str, IndexState]:
    """Return the live indices' states, if all is as planned and as prepared.

    `states` are of all the environment's indices, if they were read a moment ago.

    Raises:
        StalePlan: an index was written to, replaced or remade since the plan was made.
    """
    wanted = {part.live.index: (part.resource, part.live.fingerprint) for part in plan.resources}
    for name, held in made.resources.items():
        wanted.setdefault(held.index, (name, held.fingerprint))
    states = states if states is not None else writer.states(list(wanted))
    if missing := [name for name in wanted if name not in states]:
        raise StalePlan(f"{', '.join(missing)} is gone. Nothing was overwritten. Plan again.")
    marks = writer.marks(list(wanted))
    moved = []
    for index, (resource, recorded) in wanted.items():
        if fingerprint(states[index], marks[index]) != recorded or not marks[index].settled:
            moved.append(resource)
    if moved:
        raise StalePlan(
            f"Production changed since the plan was made: {', '.join(moved)}. Nothing was "
            "overwritten. Look at the new plan."
        )
    return states


def cutover(
    writer: Writer,
    lease: Lease,
    plan: Plan,
    made: Generation,
    naming: Naming,
    still_allowed: Callable[[], None] = lambda: None,
    states: Mapping[str, IndexState] | None = None,
) -> None:
    """Make the prepared generation live. Never call it again without reading the truth back.

    `still_allowed` is asked last, and raises if the request is not what it was; where it returns,
    the switch is sent. `states` are as `fence` takes them.

    Raises:
        StalePlan: something moved since the plan was made; nothing was switched.
        LeaseLost: the claim ran out; nothing was switched by this call.
        OutcomeUnknown: no answer came to the switch.
    """
    states = fence(writer, plan, made, states)
    outgoing = [part.live.index for part in plan.changed]
    open_ones = [name for name in outgoing if not states[name].write_blocked]
    if open_ones:
        # Through its own address, not as a setting: it waits for the writes in flight.
        writer.block(open_ones)
        fence(writer, plan, made)
    still_allowed()
    lease.check()
    try:
        writer.switch(plan.switch(naming))
    except Conflict as error:
        raise StalePlan(
            "Another promotion was faster, or this attempt was given up. Nothing was switched. "
            "Look at the new plan."
        ) from error


def undo(writer: Writer, lease: Lease, plan: Plan, naming: Naming) -> None:
    """Swap back what `cutover` made live and verification refused.

    Raises:
        MachineryError: it is not live any more; nothing was switched.
    """
    # Verification may have taken longer than a claim lasts.
    lease.renew()
    try:
        writer.switch(plan.switch_back(naming))
    except Conflict as error:
        raise MachineryError(
            "What is live is not this promotion any more. Nothing was switched back."
        ) from error
