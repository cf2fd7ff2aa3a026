"""A backup as a folder for people and git: the same bytes for the same content, and nothing outside of it."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from opsjobs.backup import tree
from opsjobs.backup.shelf import Shelf
from opsjobs.errors import BackupError
from opsjobs.objects import Copy
from tests.unit.backup.test_retention import Memory, backup

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOSTILE = [
    "../../../../escaped",
    "/escaped",
    "a\x00b",
    "x" * 300,
    "\x1b[2J\x1b]0;owned\x07",
    "<script>alert(1)</script>",
    "con\r\nnewline",
    "..",
    ".",
    "",
    "\u202egnp.exe",
    "ü" * 300,
    "-rf --help",
    ".git",
    "README.md",
    "a/b",
]


def written(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kept(shelf, *copies, at=AT):
    made = backup(at, entries=sorted((shelf.keep(each) for each in copies), key=lambda each: each.key))
    shelf.publish(made)
    return made


def board(uid, title, folder="", **content):
    return Copy(kind="dashboard", uid=uid, title=title, folder=folder, content={"title": title, **content})


def home(uid, title, parent=""):
    return Copy(kind="folder", uid=uid, title=title, folder=parent, content={"uid": uid, "title": title})


def test_dashboards_lie_in_the_folders_that_they_are_in(tmp_path):
    shelf = Shelf(Memory())
    made = kept(
        shelf,
        home("shop", "The Shop"),
        home("pay", "Payments", "shop"),
        board("root", "At the root"),
        board("in", "Übersicht: 1", "pay"),
    )
    tree.write(shelf, made, tmp_path / "out")
    assert set(written(tmp_path / "out")) == {
        ".opsjobs-dashboards",
        "folder/the-shop-shop.json",
        "folder/the-shop-shop/payments-pay.json",
        "dashboard/at-the-root-root.json",
        "dashboard/the-shop-shop/payments-pay/ubersicht-1-in.json",
    }


def test_the_same_content_has_the_same_bytes_whatever_its_grafana_counted(tmp_path):
    first, second = Shelf(Memory()), Shelf(Memory())
    one = kept(first, board("a", "A", id=7, version=3, iteration=1, panels=[{"b": 1, "a": 2}]))
    other = kept(second, board("a", "A", panels=[{"a": 2, "b": 1}], version=9, id=1), at=AT + timedelta(days=1))
    tree.write(first, one, tmp_path / "one")
    tree.write(second, other, tmp_path / "other")
    assert written(tmp_path / "one") == written(tmp_path / "other")
    content = written(tmp_path / "one")["dashboard/a-a.json"]
    assert orjson.loads(content) == {"title": "A", "panels": [{"a": 2, "b": 1}]}
    assert content.endswith(b"}\n") and content.count(b"\n") > 4, "lines that git can compare"


def test_what_went_is_gone_from_the_folder_and_what_a_person_put_there_stays(tmp_path):
    shelf = Shelf(Memory())
    tree.write(shelf, kept(shelf, board("a", "A"), board("b", "B")), tmp_path)
    (tmp_path / "README.md").write_text("ours")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("git")
    (tmp_path / "notes.txt").write_text("of a person")
    tree.write(shelf, kept(shelf, board("b", "B"), at=AT + timedelta(days=1)), tmp_path)
    left = written(tmp_path)
    assert set(left) == {".opsjobs-dashboards", "dashboard/b-b.json", "README.md", ".git/config", "notes.txt"}


@pytest.mark.parametrize("name", ["notes.txt", "dashboard", "folder"])
def test_a_folder_with_something_else_in_it_is_left_alone(name, tmp_path):
    shelf = Shelf(Memory())
    there = tmp_path / name / "important.txt" if "." not in name else tmp_path / name
    there.parent.mkdir(exist_ok=True)
    there.write_text("important")
    with pytest.raises(BackupError, match="holds files that are not from here") as told:
        tree.write(shelf, kept(shelf, board("a", "A")), tmp_path)
    assert "empty folder" in told.value.advice
    assert written(tmp_path) == {there.relative_to(tmp_path).as_posix(): b"important"}


def test_a_fresh_repository_may_be_written_to(tmp_path):
    shelf = Shelf(Memory())
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("ours")
    tree.write(shelf, kept(shelf, board("a", "A")), tmp_path)
    assert "dashboard/a-a.json" in written(tmp_path)


def test_whatever_things_are_called_nothing_is_written_outside_and_every_name_is_plain(tmp_path):
    shelf = Shelf(Memory())
    copies = [home(f"{title}f{number}", title) for number, title in enumerate(HOSTILE)]
    copies += [board(title, title, f"{title}f{number}") for number, title in enumerate(HOSTILE)]
    copies += [board(f"{number}", title) for number, title in enumerate(HOSTILE)]
    tree.write(shelf, kept(shelf, *copies), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    files = set(written(tmp_path / "out")) - {".opsjobs-dashboards"}
    assert len(files) == len(copies), "no two in one file"
    plain = set("abcdefghijklmnopqrstuvwxyz0123456789-_.")
    for name in files:
        parts = name.split("/")
        assert parts[0] in {"folder", "dashboard"} and len(parts) <= 3
        assert all(set(part.lower()) <= plain and not part.startswith(".") and len(part) < 120 for part in parts)


def test_uids_that_differ_only_in_capitals_are_two_files_on_every_disk(tmp_path):
    shelf = Shelf(Memory())
    tree.write(shelf, kept(shelf, board("abc", "A"), board("ABC", "A"), board("aBc", "A")), tmp_path)
    names = [name.lower() for name in written(tmp_path) if name.startswith("dashboard/")]
    assert len(set(names)) == 3


def test_folders_that_lie_in_each_other_end_somewhere(tmp_path):
    shelf = Shelf(Memory())
    made = kept(shelf, home("a", "A", "b"), home("b", "B", "a"), board("d", "D", "a"))
    tree.write(shelf, made, tmp_path)
    assert any(name.endswith("d-d.json") for name in written(tmp_path))


def test_a_damaged_object_ends_it_in_words(tmp_path):
    shelf = Shelf(Memory())
    made = kept(shelf, board("a", "A"))
    name = f"objects/{made.entries[0].sha256[:2]}/{made.entries[0].sha256}.json"
    shelf.store.files[name] = b"{}"
    with pytest.raises(BackupError, match="its file was damaged"):
        tree.write(shelf, made, tmp_path)


def test_a_place_that_cannot_be_written_is_told_in_words(tmp_path):
    shelf = Shelf(Memory())
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackupError, match="cannot be written"):
        tree.write(shelf, kept(shelf, board("a", "A")), tmp_path / "file" / "below")
