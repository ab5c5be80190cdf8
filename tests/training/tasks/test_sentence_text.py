"""What is read of a sentence: its words, and the names of its emojis."""

from __future__ import annotations

import pytest

from training.tasks.sentence_text import NoWordsError, plain_text


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("  rough   day\t, calm ", "rough day , calm"),
        ("one\n\n  two \r\nthree", "one\ntwo\nthree"),
        ("<b>sad</b> &amp; <a href='x'>blue</a><br/>", "sad & blue"),
        ("<!-- no --><script>music</script>", "music"),
        ("I <3 you, 2 < 3 and 3 > 2", "I <3 you, 2 < 3 and 3 > 2"),
        ("&lt;b&gt; is a tag", "<b> is a tag"),
        ("\x1b[1;31mred\x1b[0m\x07alarm\x00", "red alarm"),
        ("&#27;[2Jcalm", "[2Jcalm"),
        ("so\u200bft \u202ehyphen\u00ad \udcffend", "soft hyphen end"),
        ("😢", "crying face"),
        ("calm 🎉🔥!", "calm party popper fire !"),
        ("❤\ufe0f", "red heart"),
        ("5", "5"),
        ("今日はとても悲しい", "今日はとても悲しい"),
    ],
    ids=ascii,
)
def test_words_are_what_is_left(sentence, text):
    assert plain_text(sentence) == text


@pytest.mark.parametrize("sentence", ["", " \n", "…?!", "<p></p>", "\x1b[31m", "\u200b", "♪"])
def test_a_sentence_without_a_word_is_refused(sentence):
    with pytest.raises(NoWordsError, match=r"has no word .* for example: evensong mood"):
        plain_text(sentence)


def test_a_long_text_takes_no_long_time():
    """Openings of tags that never end: no expression goes over the text again for each of them."""
    assert plain_text("<a " * 100_000).count("<a") == 100_000
