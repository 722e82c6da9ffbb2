import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.mrkdwn import render_mrkdwn, render_plain

LINK = '<a href="https://x.test/a?b=1&amp;c=2" target="_blank" rel="noopener noreferrer">'


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* _italic_ ~gone~", "<b>bold</b> <i>italic</i> <s>gone</s>"),
        ("*_both_*", "<b><i>both</i></b>"),
        ("snake_case_name 2 * 3 * 4", "snake_case_name 2 * 3 * 4"),
        ("*a _b* c_", "<b>a _b</b> c_"),
        ("`a*b*c`", "<code>a*b*c</code>"),
        ("see ```\nx < 1\n*y*\n```\nend", "see <pre>x &lt; 1\n*y*</pre>end"),
        ("```x```\n&gt; said", "<pre>x</pre><blockquote>said</blockquote>"),
        ("one\ntwo", "one<br>two"),
        ("&gt; said\n&gt; again\nme", "<blockquote>said<br>again</blockquote>me"),
        ("a &amp; b &lt; c", "a &amp; b &lt; c"),
        ("&amp;lt;", "&amp;lt;"),
        ("<https://x.test/a?b=1&amp;c=2|the page>", f"{LINK}the page</a>"),
        ("*<https://x.test/a?b=1&c=2|the page>*", f"<b>{LINK}the page</a></b>"),
        ("<https://x.test/a?b=1&amp;c=2>", f"{LINK}https://x.test/a?b=1&amp;c=2</a>"),
        ("https://x.test/a?b=1&c=2.", f"{LINK}https://x.test/a?b=1&amp;c=2</a>."),
        (":fire: :rotating_light: :nosuch: 12:30:45", "🔥 🚨 :nosuch: 12:30:45"),
        ("<!channel> <@U1|dana> <#C1|alerts>", "@channel @dana #alerts"),
        ("&lt;!channel&gt;", "&lt;!channel&gt;"),
    ],
)
def test_mrkdwn(text: str, html: str) -> None:
    shown = re.sub(r'<span class="mention">(.*?)</span>', r"\1", render_mrkdwn(text))
    assert shown == html


def test_dates_leave_the_local_time_to_the_browser() -> None:
    html = render_mrkdwn("<!date^1392734382^{date_short_pretty} {time}|Feb 18>")
    assert (
        html
        == '<time datetime="2014-02-18T14:39:42+00:00" data-format="{date_short_pretty} {time}">Feb 18</time>'
    )
    assert render_mrkdwn("<!date^soon^{time}|later>") == "later"
    assert render_mrkdwn("<!date^99999999999^{time}|past the year 3000>").endswith(
        ">past the year 3000</time>"
    )
    linked = render_mrkdwn("<!date^1^{time}^https://x.test/|t>")
    assert linked.startswith('<a href="https://x.test/"')


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("&lt;img src=x onerror=alert(1)&gt;", "&lt;img src=x onerror=alert(1)&gt;"),
        ("<javascript:alert(1)|click>", "&lt;javascript:alert(1)|click&gt;"),
        ("<data:text/html,x>", "&lt;data:text/html,x&gt;"),
        ("`<b>`", "<code>&lt;b&gt;</code>"),
        ("\x000\x00 `code`", "0 <code>code</code>"),
    ],
)
def test_hostile_text_stays_text(text: str, html: str) -> None:
    assert render_mrkdwn(text) == html


@pytest.mark.parametrize(
    "text",
    [
        '<https://x.test/"onmouseover="alert(1)|x>',
        '<https://x.test/`" onmouseover="alert(1)`|x>',
        "<https://x.test/<!date^1^{time}|y>|x>",
        '<!date^1^{time}" onmouseover="alert(1)|x>',
        "<!date^1^{time}^javascript:alert(1)|x>",
        '<@U1|"><img src=x>',
        "*<https://x.test|`*`*>*_~`",
        "<|><>< >",
    ],
)
def test_hostile_markup_makes_no_other_tag_or_attribute(text: str) -> None:
    assert_harmless(render_mrkdwn(text))


@given(
    st.lists(
        st.sampled_from(
            [*"*_~`<>|^!@#&;\"' :\n\0", "```", "https://x.test/", "!date^1^", "&gt;", "fire", "a", "0"]
        )
    )
)
def test_no_combination_of_markup_makes_another_tag_or_attribute(parts: list[str]) -> None:
    assert_harmless(render_mrkdwn("".join(parts)))


TAG = re.compile(
    r"</?(?:b|i|s|br|pre|code|blockquote|a|time|span)>"
    r'|<a href="(?:https?:|mailto:)[^"<>]*" target="_blank" rel="noopener noreferrer">'
    r'|<time datetime="[^"<>]*" data-format="[^"<>]*">'
    r'|<span class="mention">'
)


def assert_harmless(html: str) -> None:
    open_tags: list[str] = []
    for tag in TAG.findall(html):
        name = re.sub(r"[</>]|\s.*", "", tag)
        if tag.startswith("</"):
            assert open_tags.pop() == name
        elif name != "br":
            open_tags.append(name)
    assert open_tags == []
    assert not set("<>\0") & set(TAG.sub("", html))


@pytest.mark.parametrize(
    "part", ["*a ", "_", "<", "```", "*_~", "&gt; ", "https://", "!date^", "\n> x", "`a`*", "*a_b~"]
)
def test_long_hostile_text_is_no_work(part: str) -> None:
    began = time.process_time()
    assert_harmless(render_mrkdwn(part * (40_000 // len(part))))
    assert time.process_time() - began < 3


def test_plain_text_knows_emoji_and_nothing_else() -> None:
    assert render_plain(":fire: *x* <b> fire\n&lt;") == "🔥 *x* &lt;b&gt; fire<br>&lt;"
