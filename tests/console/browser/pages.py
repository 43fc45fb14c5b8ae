"""The pages that are looked at in a browser, each by the name of its picture, with the role that sees it."""

from __future__ import annotations

from console.access.permissions import Role

PAGES: dict[str, tuple[str, Role]] = {
    "inbox": ("/inbox", Role.REVIEWER),
    "alerts": ("/alerts", Role.REVIEWER),
    "alert": ("alert:volume", Role.REVIEWER),
    "alert-of-a-rule": ("alert:policy_clause", Role.REVIEWER),
    "people": ("/people?kind=requester", Role.REVIEWER),
    "requester": ("/requester?agency=lapd&name=r1", Role.REVIEWER),
    "unit": ("/unit?agency=lapd&name=u0", Role.REVIEWER),
    "tool": ("/tool?agency=lapd&name=banned", Role.REVIEWER),
    "subject": ("/subject?name=pet", Role.REVIEWER),
    "calendar": ("/calendar?agency=lapd&year=2021", Role.REVIEWER),
    "completeness": ("/completeness", Role.REVIEWER),
    "figures": ("/figures?from=2021-03-01&to=2021-03-31", Role.ANALYST),
    "policy": ("/policy?day=2021-04-01&before=2019-01-01", Role.REVIEWER),
    "ledger": ("/ledger/verify", Role.AUDITOR),
    "look-ups": ("/names/look-ups", Role.SUPERVISOR),
    "look-up": ("/names?pseudonym=r1", Role.REVIEWER),
    "account": ("/account", Role.REVIEWER),
    "accounts": ("/accounts", Role.ADMINISTRATOR),
}
