import pytest

from opsjobs.backup import plan as plans
from opsjobs.backup.plan import Action, Aim, Wish
from opsjobs.errors import NotOffered
from opsjobs.objects import KINDS, Copy, Listed, Server


class Kept:
    """A Grafana in memory that may only be looked at."""

    concurrency = 2
    name = "Grafana"
    server = Server(url="http://g", version="9.4.0", organisation=1, organisation_name="Main")

    def __init__(self, *copies, lacks=()):
        self.copies, self.lacks = copies, lacks

    def listing(self, kind):
        if kind in self.lacks:
            raise NotOffered(f"no {kind} here")
        for each in self.copies:
            if each.kind == kind:
                yield Listed(kind=kind, uid=each.uid, title=each.title, folder=each.folder)

    unique_titles = True

    def fit(self, wanted):
        """Everything can be made here."""

    def read(self, found):
        return next(each for each in self.copies if (each.kind, each.uid) == (found.kind, found.uid))


def copy(kind, uid, folder="", title="", **content):
    return Copy(kind=kind, uid=uid, title=title or uid, folder=folder, content={"title": title or uid, **content})


def wish(kind, uid, folder="", title="", **content):
    made = copy(kind, uid, folder, title, **content)
    return Wish(kind=kind, uid=uid, title=made.title, folder=folder, load=lambda: made)


def made(source, *wishes, **known):
    return [(each.action, each.uid) for each in plans.make(source, Aim(wishes=wishes, **known))]


def test_steps_are_in_the_order_in_which_they_have_to_be_done():
    wishes = [wish(kind, kind) for kind in reversed(KINDS)]
    assert [uid for _, uid in made(Kept(), *wishes)] == list(KINDS)


def test_a_conflict_is_only_with_what_has_the_title_at_the_same_place():
    there = Kept(copy("folder", "f"), copy("dashboard", "x", "f", "Same"), copy("playlist", "p", title="Same"))
    assert made(there, wish("dashboard", "y", "f", "same")) == [(Action.CONFLICT, "y")]
    assert made(there, wish("dashboard", "y", "", "Same")) == [(Action.CREATE, "y")]
    assert made(there, wish("library-panel", "y", "f", "Same")) == [(Action.CREATE, "y")]
    assert made(there, wish("playlist", "q", title="Same")) == [(Action.CREATE, "q")]
    assert made(Kept(copy("data-source", "x", title="P")), wish("data-source", "y", title="P")) == [
        (Action.CONFLICT, "y")
    ]


def test_a_kind_that_is_not_there_blocks_only_its_own():
    found = made(Kept(lacks=("rule-group",)), wish("rule-group", "r"), wish("dashboard", "d"))
    assert found == [(Action.CREATE, "d"), (Action.IMPOSSIBLE, "r")]


def test_where_data_sources_may_not_be_listed_none_is_called_missing():
    asks = wish("dashboard", "d", panels=[{"datasource": {"uid": "p"}}])
    assert made(Kept(), asks) == [(Action.MISSING, "d")]
    assert made(Kept(lacks=("data-source",)), asks) == [(Action.CREATE, "d")]
    assert made(Kept(), wish("data-source", "p"), asks) == [(Action.CREATE, "p"), (Action.CREATE, "d")]
    assert made(Kept(), asks, dangling=frozenset({"p"})) == [(Action.CREATE, "d")]
    assert made(Kept(copy("data-source", "q")), asks, sources={"p": "q"}) == [(Action.CREATE, "d")]


def test_what_is_removed_goes_after_what_is_made_and_its_folder_last():
    there = Kept(copy("folder", "f"), copy("folder", "g", "f"), copy("dashboard", "d", "g"), copy("dashboard", "keep"))
    wishes = (wish("folder", "new"), wish("dashboard", "keep"))
    found = made(there, *wishes, prune=frozenset(KINDS))
    removals = [(Action.REMOVE, "d"), (Action.REMOVE, "g"), (Action.REMOVE, "f")]
    assert found == [(Action.CREATE, "new"), (Action.UNCHANGED, "keep"), *removals]
    assert [each for each in made(there, *wishes) if each[0] is Action.REMOVE] == []


def test_data_sources_and_policies_are_never_removed():
    there = Kept(copy("data-source", "a"), copy("data-source", "b"), copy("policy", "other"))
    found = made(there, wish("data-source", "a"), wish("policy", "policies"), prune=frozenset(KINDS))
    assert Action.REMOVE not in {action for action, _ in found}


@pytest.mark.parametrize("chain", [("a", "b", "c"), ("c", "b", "a")])
def test_what_is_picked_brings_every_folder_around_it(chain):
    top, middle, low = chain
    wishes = [
        wish("folder", top),
        wish("folder", middle, top),
        wish("folder", low, middle),
        wish("dashboard", "d", low),
    ]
    picked = plans.chosen(wishes, uids=("d",), folder="")
    assert {(each.uid, each.dependency) for each in picked} == {(top, True), (middle, True), (low, True), ("d", False)}
    inside = plans.chosen(wishes, uids=(), folder=middle)
    assert {each.uid for each in inside if not each.dependency} == {middle, low, "d"}


def test_folders_that_are_in_each_other_do_not_hang_it():
    wishes = [wish("folder", "a", "b"), wish("folder", "b", "a"), wish("dashboard", "d", "a")]
    assert len(plans.chosen(wishes, uids=("d",), folder="")) == 3


def test_a_library_panel_brings_its_own_folder():
    wishes = [
        wish("folder", "shared"),
        wish("library-panel", "lib", "shared"),
        wish("dashboard", "d", panels=[{"libraryPanel": {"uid": "lib"}}]),
        wish("dashboard", "other"),
    ]
    picked = plans.chosen(wishes, uids=("d",), folder="")
    assert {each.uid: each.dependency for each in picked} == {"shared": True, "lib": True, "d": False}


def test_a_fingerprint_is_of_what_it_means_and_where_it_is():
    one = copy("dashboard", "d", "f", panels=[{"id": 1}])
    assert plans.fingerprint(one) == plans.fingerprint(copy("dashboard", "d", "f", panels=[{"id": 1}], version=9, id=3))
    others = [copy("dashboard", "d", "g", panels=[{"id": 1}]), copy("dashboard", "d", "f", panels=[])]
    assert plans.fingerprint(one) not in {plans.fingerprint(each) for each in others}
