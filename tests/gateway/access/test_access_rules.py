"""Which adapters a caller may use, and what somebody is told who may not."""

import pytest

from banktuner_api.gateway import AccessRule
from banktuner_gateway.access.caller import Caller
from banktuner_gateway.access.rules import may_use, require_access, usable_adapters
from banktuner_gateway.errors import ApiError

RULES = [AccessRule(adapter="fraud", groups=["fraud-desk", "audit"]), AccessRule(adapter="loans", groups=["loans"])]
ADAPTERS = ["cards", "fraud", "loans"]


def caller(*groups: str) -> Caller:
    return Caller("somebody", frozenset(groups))


@pytest.mark.parametrize(
    ("groups", "adapter", "allowed"),
    [
        (["fraud-desk"], "fraud", True),
        (["audit", "other"], "fraud", True),
        (["loans"], "fraud", False),
        (["FRAUD-DESK"], "fraud", False),
        (["fraud-desk "], "fraud", False),
        (["fraud"], "fraud", False),
        ([], "fraud", False),
        ([], "cards", True),
        ([], None, True),
    ],
)
def test_a_rule_opens_its_adapter_to_its_groups_only(groups, adapter, allowed):
    assert may_use(caller(*groups), adapter, RULES) is allowed


def test_two_rules_for_one_adapter_add_up():
    rules = [*RULES, AccessRule(adapter="fraud", groups=["night-shift"])]
    assert may_use(caller("night-shift"), "fraud", rules)
    assert may_use(caller("audit"), "fraud", rules)
    assert not may_use(caller("loans"), "fraud", rules)


def test_a_caller_without_the_group_is_told_what_it_may_use_and_no_group():
    with pytest.raises(ApiError) as refused:
        require_access(caller("loans"), "fraud", ADAPTERS, RULES)
    assert (refused.value.status, refused.value.code, refused.value.field) == (403, "adapter_forbidden", "adapter")
    assert refused.value.available == ["cards", "loans"]
    answer = refused.value.response("id").body.decode()
    assert "fraud-desk" not in answer and "audit" not in answer


def test_what_is_open_passes():
    require_access(caller("audit"), "fraud", ADAPTERS, RULES)
    assert usable_adapters(caller("audit"), ADAPTERS, RULES) == ["cards", "fraud"]
