"""Turns the plans of a reference implementation into the table plans.txt.

Reads one JSON object per line, with the keys policy, user and plan, for every policy with every user; writes the table.
"""
import json
import sys

HEADER = """\
# The plan of every policy for every user.
#
# First a legend: one character per distinct plan. The alternatives of a plan are separated by " | " and stand in
# alphabetical order, their steps by ", "; "+ remind" says that a reminder to register is due.
#
# Then one line per policy: its settings, a colon, and one character per user. The users are counted up with the last
# of these facts changing fastest, each from its first value to its last:
#
#   device    never, formerly, confirmed, confirmed with recovery codes left
#   pending   no, yes
#   e-mail    none, unverified, unverified and tainted, verified, verified and tainted
#   trusted   no, yes
#   in grace  no, yes
#   ticket    no, yes
"""
SYMBOLS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SETTINGS = ["fallback", "trust", "grace"]


def order(user):
    facts = ["device", "ever", "codes", "pending", "tainted", "trusted", "in_grace", "ticket"]
    device, ever, codes, pending, tainted, *rest = (user[fact] for fact in facts)
    return ever, device, codes, pending, ["none", "unverified", "verified"].index(user["email"]), tainted, *rest


def settings(policy):
    return " ".join([policy["name"], policy["first"], *(s for s in SETTINGS if policy[s])])


def text(plan):
    if plan["kind"] == "deny": return f"deny {plan['reason']}, {plan['remedy']}"
    paths = sorted(", ".join(path) for path in plan["paths"]) if plan["kind"] == "paths" else ["allow"]
    return " | ".join(paths) + (" + remind" if plan["remind"] else "")


rows = {}
for case in map(json.loads, sys.stdin):
    rows.setdefault(settings(case["policy"]), []).append((order(case["user"]), text(case["plan"])))
rows = {policy: [plan for _, plan in sorted(row)] for policy, row in rows.items()}
legend = dict(zip(sorted({plan for row in rows.values() for plan in row}), SYMBOLS, strict=False))

print(HEADER)
for plan, symbol in legend.items():
    print(symbol, "=", plan)
print()
for policy, row in rows.items():
    print(policy + ":", "".join(legend[plan] for plan in row))
