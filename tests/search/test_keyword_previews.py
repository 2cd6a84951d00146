"""Previews: the place that matches, marked, and safe whatever the text is."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.keyword import Preview, previews
from search.keyword.excerpts import Marked, excerpt, unmark
from tests.factories import AgentWithToken, make_agent, make_ticket, make_workflow
from tickets.models import Ticket
from tickets.schemas.comments import AddComment
from tickets.services.comments import comment_add

LONG = "Nothing of interest is to be read in this sentence at all. " * 20
HOSTILE = [
    "</mark><script>alert('walrus')</script>",
    "<mark>walrus</mark> & &lt;b&gt; \"walrus\" 'walrus'",
    "\x02walrus\x03 \x02deadbeefdeadbeef walrus\x03deadbeefdeadbeef",
    '<b>walrus</b> {start} {end} %s %(x)s StartSel="<i>", HighlightAll=false walrus',
    '"walrus" StartSel=<script> walrus\\',
    "walrus\u202e\u2028\ufeff walrus\n\n\t\r\nwalrus",
    "naïve café — walrus \N{FIRE} 日本語walrus walrus日本語 walrus-like wal­rus",
    "http://walrus.example.com/a/b?c=walrus&d=e walrus@example.com /usr/lib/walrus.so -walrus 1.5walrus",
]


class _Tags(HTMLParser):
    """The text of HTML, what is marked in it, and every tag."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.marked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(self.get_starttag_text() or tag)
        self.marked.append("")

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.tags and self.tags[-1] == "<mark>":
            self.marked[-1] += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(f"<!--{data}-->")


def parsed(preview: Preview) -> _Tags:
    """The preview's HTML, which must be its text with marks alone."""
    tags = _Tags()
    tags.feed(preview.html)
    tags.close()
    assert tags.tags == ["<mark>", "</mark>"] * (len(tags.tags) // 2)
    assert html.unescape(preview.html.replace("<mark>", "").replace("</mark>", "")) == preview.text
    return tags


@pytest.fixture
def agent(db: None) -> AgentWithToken:
    return make_agent(make_workflow("flow"))


def shown(query: str, ticket: Ticket, *, include_comments: bool = True, prefix: bool = False) -> Preview:
    found = previews(query, [ticket.id], include_comments=include_comments, prefix=prefix)
    assert list(found) == [ticket.id]
    return found[ticket.id]


def say(agent: AgentWithToken, ticket: Ticket, text: str) -> None:
    comment_add(actor=agent.actor, request=AddComment(ticket_id=ticket.id, comment_text=text))


# What is shown


def test_the_place_in_the_description_is_shown(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, description=f"{LONG} There a walrus and a zebra met.\n\nAnother walrus came. {LONG}")
    preview = shown("zebra walrus", ticket)
    assert "There a walrus and a zebra met. Another walrus came." in preview.text
    assert parsed(preview).marked == ["walrus", "zebra", "walrus"]
    assert preview.matched_in == ("description",)
    assert preview.text.startswith("…")
    assert preview.text.endswith("…")
    assert 150 <= len(preview.text) <= 210


def test_every_form_of_a_word_is_marked(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, description="It CRASHES. It crashed, it is crashing; a crash-report is there.")
    assert parsed(shown("crash", ticket)).marked == ["CRASHES", "crashed", "crashing", "crash"]


def test_more_different_words_are_worth_more_than_more_of_one(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, description=f"walrus walrus walrus {LONG} here a walrus with a zebra {LONG}")
    assert "here a walrus with a zebra" in shown("walrus zebra", ticket).text


def test_a_comment_is_shown_where_the_description_says_nothing(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="A walrus", description="Nothing of interest is to be read here.")
    say(agent, ticket, "Somebody mentioned a walrus, and much else besides.")
    say(agent, ticket, "A walrus.  Walrus!")
    say(agent, ticket, "This is about something else.")
    preview = shown("walrus", ticket)
    assert (preview.text, preview.matched_in) == ("A walrus. Walrus!", ("title", "comments"))
    without = shown("walrus", ticket, include_comments=False)
    assert (without.text, without.matched_in) == ("A walrus", ("title",))


def test_a_match_in_the_description_comes_before_one_in_a_comment(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, description="A walrus was seen there.", tags=["Walrus"])
    say(agent, ticket, "A walrus, indeed.")
    preview = shown("walrus", ticket)
    assert (preview.text, preview.matched_in) == ("A walrus was seen there.", ("description", "comments", "tags"))


def test_what_was_found_by_meaning_shows_how_it_begins(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, description=f"It begins here. {LONG}")
    for query in ("walrus", "", "!?", "\N{FIRE}"):
        preview = shown(query, ticket)
        assert preview.text.startswith("It begins here. Nothing of interest")
        assert preview.text.endswith("…")
        assert preview.html == preview.text
        assert preview.matched_in == ()


def test_only_tags_match(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, description="It begins here, and soon ends.", tags=["walrus"])
    assert shown("walrus", ticket) == Preview(ticket.description, ticket.description, ("tags",), ticket.title)


def test_an_empty_description_gives_way_to_the_title(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="The title")
    Ticket.objects.filter(pk=ticket.pk).update(description="")
    assert shown("walrus", ticket).text == "The title"


def test_an_unfinished_word_is_marked(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, description="A walrus was seen there.")
    assert parsed(shown("walr", ticket, prefix=True)).marked == ["walrus"]
    assert shown("walr", ticket).matched_in == ()


def test_what_is_no_ticket_is_left_out(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent)
    assert list(previews("x", ["ticket-none", ticket.id, ticket.id])) == [ticket.id]
    assert previews("x", []) == {}


# Safety


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["title", "description", "comment"])
def test_whatever_the_text_is_only_matches_are_marked(agent: AgentWithToken, text: str, place: str) -> None:
    ticket = make_ticket(
        agent,
        title=text if place == "title" else "Nothing here",
        description=text if place == "description" else "Nothing is here either.",
    )
    if place == "comment":
        say(agent, ticket, text)
    for query in ("walrus", "walrus script mark", "deadbeef", text):
        preview = shown(query, ticket)
        tags = parsed(preview)
        if query == "walrus":
            assert tags.marked
            assert {mark.lower() for mark in tags.marked} <= {"walrus", "walruslike"}
            assert preview.matched_in == ({"comment": "comments"}.get(place, place),)


# The excerpt by itself


@st.composite
def marked_texts(draw: st.DrawFn) -> Marked:
    anything = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    text = draw(st.text(anything, max_size=60) | st.text("ab <>&\"'\n…\x02\x03", max_size=900))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=24)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    return Marked(text, [span for span in spans if (match := text[slice(*span)]) == match.strip()])


@given(marked_texts())
def test_an_excerpt_is_short_and_marks_nothing_but_matches(marked: Marked) -> None:
    text, markup = excerpt(marked)
    parsed(Preview(text, markup, (), ""))
    assert len(text) <= 202
    squeezed = " ".join(marked.text.split())
    inside = text.removeprefix("…").removesuffix("…")
    assert inside.strip() in squeezed or "…" in marked.text


@given(marked_texts())
def test_marks_are_taken_for_what_they_are(marked: Marked) -> None:
    mark = "\x02secret"
    content, at = "", 0
    for first, last in marked.spans:
        content += f"{marked.text[at:first]}{mark}{marked.text[first:last]}{mark}"
        at = last
    assert unmark(content + marked.text[at:], mark) == marked


def test_words_stay_whole_unless_there_is_no_end_to_them() -> None:
    words = " ".join(f"word{number}" for number in range(200))
    at = words.index("word100")
    text, _ = excerpt(Marked(words, [(at, at + 7)]))
    assert set(text.strip("…").split()) <= set(words.split())
    assert "word100" in text
    text, markup = excerpt(Marked("x" * 1000, [(500, 510)]))
    assert text == f"…{'x' * 200}…"
    assert markup == f"…{'x' * 40}<mark>{'x' * 10}</mark>{'x' * 150}…"
