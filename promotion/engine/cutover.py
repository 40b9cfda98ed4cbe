"""The moment of a promotion: fence, block, fence again, and one `_aliases` request."""

from environments.naming import Naming
from promotion.engine.errors import Conflict, StalePlan
from promotion.engine.lease import Lease
from promotion.engine.plan import Plan
from promotion.engine.ports import Fingerprint, IndexState, Writer


def fence(writer: Writer, plan: Plan) -> dict[str, IndexState]:
    """Return the live indices' states, if all is as planned.

    Raises:
        StalePlan: an index was written to, replaced or remade since the plan was made.
    """
    names = [part.live.index for part in plan.resources]
    states = writer.states(names)
    if missing := [name for name in names if name not in states]:
        raise StalePlan(f"{', '.join(missing)} is gone. Nothing was overwritten. Plan again.")
    marks = writer.marks(names)
    moved = []
    for part in plan.resources:
        state, mark = states[part.live.index], marks[part.live.index]
        now = Fingerprint(state.uuid, mark.max_seq_no, state.mapping_version, state.settings_digest)
        if now != part.live.fingerprint or not mark.settled:
            moved.append(part.resource)
    if moved:
        raise StalePlan(
            f"Production changed since the plan was made: {', '.join(moved)}. Nothing was "
            "overwritten. Look at the new plan."
        )
    return states


def cutover(writer: Writer, lease: Lease, plan: Plan, naming: Naming) -> None:
    """Make the prepared generation live. Never call it again without reading the truth back.

    Raises:
        StalePlan: something moved since the plan was made; nothing was switched.
        LeaseLost: the claim ran out; nothing was switched by this call.
        OutcomeUnknown: no answer came to the switch.
    """
    states = fence(writer, plan)
    outgoing = [part.live.index for part in plan.changed]
    open_ones = [name for name in outgoing if not states[name].write_blocked]
    if open_ones:
        # Through its own address, not as a setting: it waits for the writes in flight.
        writer.block(open_ones)
        fence(writer, plan)
    lease.check()
    try:
        writer.switch(plan.switch(naming))
    except Conflict as error:
        raise StalePlan(
            "Another promotion was faster, or this attempt was given up. Nothing was switched. "
            "Look at the new plan."
        ) from error
