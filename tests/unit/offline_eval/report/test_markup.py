from __future__ import annotations

from offline_eval.report.markup import Markup, element, fragment, number


def test_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", "a < b & c", element("b", "d")) == "<p>a &lt; b &amp; c<b>d</b></p>"


def test_text_inside_iterables_is_escaped_too() -> None:
    assert fragment("<", ["<", (each for each in (Markup("<br>"), "<"))], None) == "&lt;&lt;<br>&lt;"


def test_joining_markup_with_text_makes_it_text_again() -> None:
    joined = Markup("<b>") + "<i>"
    assert element("p", joined) == "<p>&lt;b&gt;&lt;i&gt;</p>"


def test_attributes_are_quoted_and_absent_ones_left_out() -> None:
    made = element("a", "x", class_="c", aria_label='"<', hidden=True, title=None, open=False, x=1.50)
    assert made == '<a class="c" aria-label="&quot;&lt;" hidden x="1.5">x</a>'


def test_elements_without_content_have_no_end() -> None:
    assert element("input", type="radio") == '<input type="radio">'


def test_numbers_are_short() -> None:
    assert [number(each) for each in (1.0, 1.25, -0.01, 100.0, 33.333)] == ["1", "1.2", "0", "100", "33.3"]
