"""The board editor in a real browser: by keyboard alone, beside others who save, with faulty files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from tests.browser.board_page import COLUMNS, Operator, column, placed, wait_until_live
from tests.browser.conftest import Agent, OpenPage

pytestmark = [pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
LONG = "Ein\u202e sehr langer Name 🔥 " * 4
ME = "human-dana"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
BOARD: dict[str, Any] = {"name": "Smithy", "columns": COLUMNS, "ticket_types": ["task", "bug"]}


def editor(open_page: OpenPage, workflow: str, **options: Any) -> Page:
    page = open_page(f"/board-settings?workflow={workflow}", **options)
    expect(page.locator(".be-preview-scroll .board")).to_be_attached()
    return page


def stored(operator: Operator, workflow: str) -> dict[str, Any]:
    board: dict[str, Any] = operator.http.get(f"/api/workflows/{workflow}/board").json()["board_config"]
    return board


def names(board: dict[str, Any]) -> list[str]:
    return [each["name"] for each in board["columns"]]


def state(page: Page) -> Locator:
    return page.locator("[data-state]")


def shown(page: Page) -> Locator:
    """The names of the preview's columns."""
    return page.locator(".be-preview-scroll .col-head h3")


def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press the key until the focus is there; that every control can be reached so is what this tests."""
    for _ in range(150):
        if wanted.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{wanted} is not reached by {key}")


def test_a_board_is_built_by_keyboard_alone(open_page: OpenPage, operator: Operator, agent: Agent) -> None:
    flow = operator.new_workflow("keys", BOARD)
    ticket = agent.create("Leaking bellows", workflow_id=flow)
    board = wait_until_live(open_page(f"/tickets?workflow={flow}"))
    board.evaluate("window.same = true")
    page = wait_until_live(editor(open_page, flow))
    keys, by_role = page.keyboard, page.get_by_role

    # A column: its id follows its name, until it is typed.
    tab_to(page, by_role("button", name="Add a column"))
    keys.press("Enter")
    expect(page.get_by_label("Name of column 4")).to_be_focused()
    keys.type("Quality Check")
    expect(page.get_by_label("Id of column 4")).to_have_value("quality_check")
    keys.press("Tab")
    keys.press("Control+a")
    keys.type("qc")
    keys.press("Tab")
    expect(page.get_by_label("Category of column 4")).to_be_focused()
    keys.press("Tab")
    keys.type("3")
    expect(shown(page)).to_have_text(["Open", "Doing", "Check", "Quality Check", "Done"])
    # It is carried to its place, and the focus goes along.
    grip = by_role("button", name="Move column Quality Check")
    tab_to(page, grip, "Shift+Tab")
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    expect(grip).to_be_focused()
    expect(page.locator("[data-announcer]")).to_have_text("Quality Check: place 2 of 5.")
    expect(shown(page)).to_have_text(["Open", "Quality Check", "Doing", "Check", "Done"])
    # Its colour, from the menu.
    keys.press("Tab")
    keys.press("Enter")
    expect(by_role("menu", name="Colour")).to_be_visible()
    keys.type("viol")
    keys.press("Enter")
    expect(page.get_by_label("Colour of column 2")).to_have_value("#8b5cf6")

    # Moves: one tab stop, arrows within, the diagonal stepped over.
    tab_to(page, by_role("switch", name="Only some moves are allowed"))
    keys.press("Space")
    keys.press("Tab")
    # Chromium lets the region be scrolled by keyboard, so it may be a stop before the grid.
    first = by_role("checkbox", name="From Open to Quality Check")
    tab_to(page, first)
    keys.press("Space")
    expect(first).not_to_be_checked()
    for key, move in (
        ("ArrowDown", "Doing to Quality Check"),
        ("ArrowRight", "Doing to Check"),
        ("ArrowLeft", "Doing to Quality Check"),
        ("ArrowDown", "Check to Quality Check"),
    ):
        keys.press(key)
        expect(by_role("checkbox", name=f"From {move}", exact=True)).to_be_focused()
    keys.press("End")
    expect(by_role("checkbox", name="From Check to Done")).to_be_focused()
    keys.press("Space")
    keys.press("Tab")
    assert not page.locator("[data-moves]").evaluate("node => node.contains(document.activeElement)")

    # A type, and a switch.
    tab_to(page, by_role("button", name="Add a type"))
    keys.press("Enter")
    keys.type("Risk")
    tab_to(page, page.get_by_label("Icon of type 3"), "Shift+Tab")
    keys.insert_text("⚠️")
    tab_to(page, by_role("switch", name="Limits are strict"))
    keys.press("Space")
    expect(page.locator(".be-legend")).to_contain_text("Risk")
    expect(state(page)).to_have_text(re.compile(r"\d+ changes, not saved"))

    # One step back, one forth; then it is saved.
    tab_to(page, by_role("button", name="Undo"), "Shift+Tab")
    keys.press("Enter")
    expect(by_role("switch", name="Limits are strict")).not_to_be_checked()
    keys.press("Control+Shift+z")
    expect(by_role("switch", name="Limits are strict")).to_be_checked()
    keys.press("Control+s")
    expect(state(page)).to_have_text("Version 2")

    saved = stored(operator, flow)
    assert names(saved) == ["Open", "Quality Check", "Doing", "Check", "Done"]
    new = saved["columns"][1]
    assert (new["id"], new["category"], new["wip_limit"], new["color"]) == ("qc", "active", 3, "#8b5cf6")
    assert saved["transitions"]["open"] == ["doing", "check", "done"]
    assert saved["transitions"]["check"] == ["open", "qc", "doing"]
    assert saved["ticket_types"][2]["id"] == "risk"
    assert saved["settings"]["enforce_wip_limits"] is True
    # The open board has the new column, and was not loaded anew.
    expect(board.locator(".col-head h2")).to_have_text(names(saved))
    expect(placed(board, "open", ticket)).to_be_visible()
    assert board.evaluate("window.same")
    event = operator.http.get(f"/api/workflows/{flow}/events?since=0").json()["events"][-1]
    assert (event["type"], event["agent_id"], event["data"]["version"]) == ("board_updated", ME, 2)


def test_a_column_with_tickets_goes(open_page: OpenPage, operator: Operator, agent: Agent) -> None:
    flow = operator.new_workflow("goes", BOARD)
    tickets = [agent.create(f"Ticket {n}", workflow_id=flow, initial_status="check") for n in range(2)]
    bug = agent.create("A bug", workflow_id=flow, ticket_type="bug")
    board = wait_until_live(open_page(f"/tickets?workflow={flow}"))
    page = editor(open_page, flow)

    # Renamed by its id, they go along without being asked for.
    page.get_by_label("Id of column 1").fill("inbox")
    page.get_by_role("button", name="Add a column").click()
    page.keyboard.type("Verify")
    page.get_by_role("button", name="Delete column Check").click()
    choice = page.get_by_label("Check goes. Its 2 tickets go to")
    expect(choice).to_be_focused()
    assert choice.locator("option").all_text_contents() == ["Choose…", "Doing", "Verify"]
    page.get_by_role("button", name="Save board").click()
    expect(choice).to_be_focused()
    expect(choice).to_have_attribute("aria-invalid", "true")
    expect(choice).to_have_accessible_description("Choose where they go.")
    choice.select_option("Verify")
    verify = page.locator(".be-preview-scroll .col", has_text="Verify")
    expect(verify.locator(".card")).to_have_count(2)

    page.get_by_role("button", name="Delete type Bug").click()
    page.get_by_label("Bug goes. Its 1 ticket becomes").select_option("Task")
    # A column with tickets keeps its category, and says so at its place.
    page.get_by_label("Category of column 1").select_option("Active")
    expect(page.get_by_label("Category of column 1")).to_have_accessible_description(re.compile("1 ticket here"))
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Category of column 1")).to_have_value("queue")
    page.get_by_role("button", name="Save board").click()
    expect(state(page)).to_have_text("Version 2")
    for ticket in tickets:
        expect(placed(board, "verify", ticket)).to_be_visible()
    expect(placed(board, "inbox", bug)).to_be_visible()
    now = agent.http.get(f"/api/tickets/{bug['ticket_id']}").json()["ticket"]
    assert (now["status"], now["ticket_type"]) == ("inbox", "task")
    expect(column(board, "check")).to_have_count(0)

    # Two columns exchange their ids by one save, and the tickets keep their column; so does what is typed meanwhile.
    page.get_by_label("Id of column 2").fill("verify")
    page.get_by_label("Id of column 3").fill("doing")
    page.get_by_role("button", name="Save board").click()
    page.get_by_label("Name of column 1").fill("Ideas")
    expect(state(page)).to_have_text("1 change, not saved")
    page.get_by_role("button", name="Save board").click()
    expect(state(page)).to_have_text("Version 4")
    for ticket in tickets:
        expect(placed(board, "doing", ticket)).to_be_visible()
    saved = [(each["id"], each["name"], each["ticket_count"]) for each in stored(operator, flow)["columns"]]
    assert saved[:3] == [("inbox", "Ideas", 1), ("verify", "Doing", 0), ("doing", "Verify", 2)]


def test_two_editors_meet(open_page: OpenPage, operator: Operator, check_access: Callable[[Page], None]) -> None:
    flow = operator.new_workflow("meet", BOARD)
    mine, theirs = (wait_until_live(editor(open_page, flow)) for _ in range(2))
    mine.get_by_label("Name of column 1").fill("Ideas")
    mine.get_by_label("Limit of column 2").fill("4")
    theirs.get_by_label("Limit of column 2").fill("7")
    theirs.get_by_label("Name of column 3").fill("Inspect")
    theirs.get_by_role("button", name="Save board").click()
    expect(state(theirs)).to_have_text("Version 2")

    conflict = mine.locator("[data-conflict]")
    expect(conflict).to_contain_text(f"{ME} saved the board while you changed it")
    expect(conflict.get_by_role("listitem")).to_have_text(["name of Check: Check → Inspect"])
    expect(conflict.get_by_role("group", name="limit of Doing")).to_contain_text("Yours: 4")
    expect(mine.get_by_label("Name of column 1")).to_have_value("Ideas")
    check_access(mine)
    # Saved all the same, the server refuses, and nothing is lost.
    mine.keyboard.press("Control+s")
    expect(conflict).to_be_visible()
    conflict.get_by_label("Theirs: 7").check()
    conflict.get_by_role("button", name="Merge").click()
    expect(mine.locator(".be-changes li")).to_have_text(["name of Open: Open → Ideas"])
    expect(mine.get_by_label("Name of column 3")).to_have_value("Inspect")
    # While another one is saved meanwhile, again.
    saved = stored(operator, flow)
    board = {key: saved[key] for key in ("name", "ticket_types", "settings")}
    board["columns"] = [{k: v for k, v in each.items() if k != "ticket_count"} for each in saved["columns"]]
    board["settings"]["track_time"] = True
    assert operator.http.put(f"/api/workflows/{flow}/board", json={"board": board}).status_code == 200
    expect(conflict).to_contain_text("track time: off → on")
    conflict.get_by_role("button", name="Take theirs").click()
    expect(mine.get_by_label("Name of column 1")).to_have_value("Open")
    expect(state(mine)).to_have_text("Version 3")
    mine.keyboard.press("Control+z")
    expect(mine.get_by_label("Name of column 1")).to_have_value("Ideas")
    expect(mine.get_by_role("switch", name="Track time")).not_to_be_checked()
    mine.get_by_role("switch", name="Track time").check()
    mine.get_by_role("button", name="Save board").click()
    expect(state(mine)).to_have_text("Version 4")
    after = stored(operator, flow)
    assert (names(after)[0], names(after)[2], after["columns"][1]["wip_limit"]) == ("Ideas", "Inspect", 7)
    assert after["settings"]["track_time"] is True
    # Who changed nothing has it at once.
    expect(theirs.get_by_label("Name of column 1")).to_have_value("Ideas")
    expect(theirs.locator(".toast")).to_contain_text("You see version")


def test_what_is_typed_outlives_leaving(open_page: OpenPage, operator: Operator) -> None:
    flow = operator.new_workflow("leave", BOARD)
    page = wait_until_live(editor(open_page, flow, expect_errors=True))
    page.get_by_label("Name of column 1").fill("Ideas")
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.reload()
    assert asked == ["beforeunload"]
    expect(page.get_by_label("Name of column 1")).to_have_value("Open")
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_label("Name of column 1")).to_have_value("Ideas")

    # Lost and found: the server goes on without this page, and the draft is what it was.
    page.context.set_offline(True)
    page.get_by_label("Name of column 2").fill("At work")
    page.get_by_role("button", name="Save board").click()
    expect(page.locator(".toast")).to_contain_text("The server did not answer.")
    expect(page.locator("[data-drawing]")).to_contain_text("Not drawn.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").last.click()
    expect(state(page)).to_have_text("Version 2")
    assert names(stored(operator, flow))[:2] == ["Ideas", "At work"]
    page.reload()
    expect(page.get_by_label("Name of column 1")).to_have_value("Ideas")
    expect(page.locator("[data-kept]")).to_have_count(0)
    assert asked == ["beforeunload"]


FAULTY = """{
  "name": "Imported",
  "columns": [
    {"id": "open", "name": "Open", "category": "queue"},
    {"id": "a b", "name": "Bad", "color": "nice"},
    {"id": "done", "name": "Done", "color": "#gray", "category": "final"}
  ],
  "ticket_types": ["task",]
}"""


def test_a_file_is_imported_with_its_faults_where_they_are(
    open_page: OpenPage, operator: Operator, tmp_path: Path, check_access: Callable[[Page], None]
) -> None:
    flow = operator.new_workflow("files", BOARD)
    page = editor(open_page, flow)
    page.get_by_role("button", name="Import").click()
    field = page.get_by_label("Board as JSON")
    expect(field).to_be_focused()
    faults = page.locator(".be-import-faults li")
    take = page.get_by_role("button", name="Use this board")
    selected = "node => node.value.slice(node.selectionStart, node.selectionEnd)"

    # No JSON: the line, the column, and what is wrong, selected in the text.
    field.fill(FAULTY)
    take.click()
    expect(faults).to_have_text(["Line 8, column 26 The comma before ] is one too many."])
    assert field.evaluate(selected) == ","
    # JSON, but no board: each fault at its place.
    field.fill(FAULTY.replace('"task",]', '"task"]'))
    take.click()
    expect(faults).to_have_count(2)
    expect(faults.nth(0)).to_contain_text("Line 5, column 6")
    expect(faults.nth(0)).to_contain_text("columns.1.id")
    expect(faults.nth(1)).to_contain_text("'nice' is no colour.")
    check_access(page)
    page.get_by_role("button", name="Line 5, column 34").click()
    assert field.evaluate(selected) == '"color": "nice"'
    assert names(stored(operator, flow)) == ["Open", "Doing", "Check", "Done"]
    # Mended, it is the draft; what was read otherwise is said.
    field.fill(FAULTY.replace('"task",]', '"task"]').replace("a b", "ab").replace("nice", "blue"))
    take.click()
    expect(page.locator(".toast")).to_contain_text("“#gray” of Done as #6b7280")
    expect(shown(page)).to_have_text(["Open", "Bad", "Done"])
    expect(page.get_by_label("Name", exact=True)).to_have_value("Imported")
    page.get_by_role("button", name="Undo").click()
    expect(shown(page)).to_have_text(["Open", "Doing", "Check", "Done"])
    page.get_by_role("button", name="Redo").click()

    # What is exported comes back as it was, through a file.
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Download as a file").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    exported = json.loads(path.read_text())
    assert re.fullmatch(r"board-\w+\.json", path.name)
    assert names(exported) == ["Open", "Bad", "Done"]
    page.get_by_role("button", name="Discard").click()
    expect(state(page)).to_have_text("Version 1")
    page.get_by_role("button", name="Import").click()
    page.locator("#be-file").set_input_files(path)
    expect(shown(page)).to_have_text(["Open", "Bad", "Done"])
    page.get_by_role("button", name="Save board").click()
    expect(state(page)).to_have_text("Version 2")
    config = operator.http.get(f"/api/workflows/{flow}/board/export").json()
    assert config == exported


def test_hostile_names_examples_and_looks(
    open_page: OpenPage, operator: Operator, agent: Agent, check_access: Callable[[Page], None], shots: Path
) -> None:
    board = json.loads(json.dumps(BOARD))
    board["name"] = board["columns"][0]["name"] = HOSTILE
    board["columns"][1]["name"] = LONG[:100]
    board["ticket_types"] = [{"id": "task", "name": HOSTILE, "icon": "<b>x</b>"}, {"id": "bug", "name": LONG[:100]}]
    flow = operator.new_workflow("looks", board)
    for number in range(7):
        agent.create(f"{HOSTILE} {number}", workflow_id=flow, initial_status=("open", "doing", "check")[number % 3])
    for theme in ("light", "dark"):
        page = editor(open_page, flow, color_scheme=theme)
        assert page.locator("main img").count() == 0
        page.get_by_role("switch", name="Only some moves").check()
        page.get_by_label("Limit of column 1").fill("1")
        page.get_by_label("Id of column 2").fill("a b")
        page.get_by_label("Colour of column 1").fill("nice")
        page.get_by_role("button", name="Delete column Check").click()
        expect(page.locator(".field-error")).to_have_count(2)
        check_access(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=shots / f"board-editor-{theme}.png", full_page=True)

    phone = editor(open_page, flow, **PHONE)
    phone.get_by_role("switch", name="Only some moves").check()
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    check_access(phone)
    phone.screenshot(path=shots / "board-editor-phone.png", full_page=True)
    # Without dragging and without a keyboard: the handle's menu.
    phone.get_by_role("button", name="Move column Done").tap()
    phone.get_by_role("menuitem", name="To the beginning").tap()
    expect(phone.get_by_label("Name of column 1")).to_have_value("Done")

    # The design's examples, one after the other; and a row carried by the mouse.
    wide = editor(open_page, flow)
    for name, count in (
        ("Plain board", 5),
        ("Development Board", 6),
        ("API Development Board", 6),
        ("Security Board", 6),
    ):
        wide.get_by_role("button", name="Start from an example").click()
        wide.get_by_role("menuitem", name=re.compile(f"^{name}")).click()
        expect(shown(wide)).to_have_count(count)
    expect(wide.get_by_label("Category of column 5")).to_have_value("final")
    expect(wide.get_by_label("Resolved tickets go to").locator(":checked")).to_have_text("Fixed")
    carry(wide, wide.get_by_role("button", name="Move column Found"), wide.locator("[data-columns] > li").nth(2))
    expect(shown(wide)).to_have_text(["Triaging", "Reproduced", "Found", "Fixing", "False Positive", "Fixed"])


def carry(page: Page, handle: Locator, row: Locator) -> None:
    """By the mouse, until the row's lower half."""
    handle.scroll_into_view_if_needed()
    start, end = handle.bounding_box(), row.bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 8, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(start["x"] + 10, start["y"] + 20, steps=4)
    page.mouse.move(start["x"] + 10, end["y"] + end["height"] - 6, steps=10)
    page.mouse.up()


def test_drafts_merges_and_places_hold_what_they_promise(open_page: OpenPage, operator: Operator) -> None:
    flow = operator.new_workflow("laws", BOARD)
    page = editor(open_page, flow)
    plain = operator.http.get(f"/api/workflows/{flow}/board/export").json()
    boards = [plain]
    changes: list[dict[str, Any]] = [
        {"name": 'Sm"ith\\y\n🔥', "columns": [*plain["columns"][2:], *plain["columns"][:2]]},
        {"columns": plain["columns"][1:], "initial_status": "doing"},
        {"transitions": {"open": ["done"], "doing": [], "check": ["open", "done"], "done": []}},
        {"ticket_types": [*plain["ticket_types"][::-1], {"id": "risk", "name": "Risk", "icon": "⚠️", "color": "red"}]},
        {"settings": {**plain["settings"], "track_time": True, "approval_timeout_seconds": 60}},
    ]
    for change in changes:
        answer = operator.http.post(f"/api/workflows/{flow}/board/validate", json={"board": {**plain, **change}})
        assert answer.status_code == 200, answer.text
        board = answer.json()["board"]
        for place, each in enumerate(board["columns"]):
            each["order"] = place
        boards.append(board)
    laws = Path(__file__).with_name("board_editor_laws.js").read_text().partition("\n")[2]
    assert page.evaluate(laws, boards) > 1000
