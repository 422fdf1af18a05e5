"""Token probabilities as probabilities of labels, against arithmetic by hand and laws."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.errors import ReplyError
from polyjudge.judge.expected import Distribution, distribution
from polyjudge.llm.request import TokenChoice

law = settings(deadline=None, max_examples=150)

FIVE = ("1", "2", "3", "4", "5")
TEN = tuple(str(value) for value in range(1, 11))


def choice(token: str, probabilities: dict[str, float]) -> TokenChoice:
    top = sorted(((text, math.log(p)) for text, p in probabilities.items()), key=lambda pair: -pair[1])
    return TokenChoice(token, math.log(probabilities.get(token, 1e-9)), tuple(top))


def told(tokens: list[TokenChoice], labels: tuple[str, ...] = FIVE, before: int = 0) -> Distribution:
    found = distribution(tokens, before, labels)
    assert found is not None
    return found


def nonzero(found: Distribution) -> dict[str, object]:
    return {label: pytest.approx(p, abs=1e-9) for label, p in found.probabilities.items() if p}


def test_the_mass_is_renormalised_over_the_labels() -> None:
    found = told([choice("4", {"4": 0.5, "3": 0.2, "5": 0.1, "many": 0.15})])
    assert nonzero(found) == {"4": 0.625, "3": 0.25, "5": 0.125}
    assert found.lost == pytest.approx(0.2)
    assert found.hidden == pytest.approx(0.05)
    assert found.telling


@pytest.mark.parametrize("spelled", ["4", " 4", '"4', ' "4"', "4,", "4}", "4\n", ': 4"', "**4", "‘4’"])
def test_every_spelling_of_a_label_counts_for_it(spelled: str) -> None:
    for written in ("4", "3", spelled):
        found = told([choice(written, {spelled: 0.3, "3": 0.25, "2": 0.25}), choice("}", {"}": 1.0})])
        assert nonzero(found) == {"4": 0.375, "3": 0.3125, "2": 0.3125}


def test_spellings_of_one_label_are_summed() -> None:
    found = told([choice(" 4", {" 4": 0.3, "4": 0.2, ' "4"': 0.1, " 2": 0.2})], before=1)
    assert nonzero(found) == {"4": 0.75, "2": 0.25}


@pytest.mark.parametrize("other", ["6", "4.5", "44", "four", "-4", "４", ",", "}", "null", "4/"])
def test_what_is_no_label_is_lost_and_hides_none(other: str) -> None:
    found = told([choice("3", {"3": 0.6, other: 0.4})])
    assert nonzero(found) == {"3": 1.0}
    assert (found.lost, found.hidden) == (pytest.approx(0.4), pytest.approx(0.0))


@pytest.mark.parametrize("opening", [" ", '"', ' "', "\n", ""])
def test_a_token_before_a_value_may_hide_any_label(opening: str) -> None:
    found = told([choice("3", {"3": 0.6, opening: 0.4})])
    assert (found.lost, found.hidden) == (pytest.approx(0.4), pytest.approx(0.4))


def test_a_written_token_counts_that_is_not_among_the_most_probable_ones() -> None:
    token = TokenChoice("1", math.log(0.1), (("4", math.log(0.6)), ("5", math.log(0.2))))
    assert nonzero(told([token])) == {"1": pytest.approx(1 / 9), "4": pytest.approx(6 / 9), "5": pytest.approx(2 / 9)}


class TestLabelsOfSeveralTokens:
    def test_the_next_token_tells_a_one_from_a_ten_where_it_was_written(self) -> None:
        first = choice("1", {"1": 0.8, "9": 0.2})
        for following in ("0", ","):
            found = told([first, choice(following, {"0": 0.75, ",": 0.15, "}": 0.05, "2": 0.05})], TEN)
            assert nonzero(found) == {
                "10": pytest.approx(0.6 / 0.96),
                "1": pytest.approx(0.16 / 0.96),
                "9": pytest.approx(0.2 / 0.96),
            }
            assert found.lost == pytest.approx(0.04)
            assert found.hidden == pytest.approx(0.0)

    def test_where_it_was_not_written_its_mass_is_split_and_the_mean_in_doubt(self) -> None:
        found = told([choice("9", {"9": 0.5, "1": 0.3, "8": 0.2}), choice(",", {",": 1.0})], TEN)
        assert nonzero(found) == {"9": 0.5, "8": 0.2, "1": 0.15, "10": 0.15}
        assert (found.lost, found.hidden) == (pytest.approx(0), pytest.approx(0))
        assert found.doubt == pytest.approx(0.3 * 4.5 / 9)
        assert not found.telling

    def test_a_little_mass_that_is_split_does_no_harm(self) -> None:
        found = told([choice("9", {"9": 0.97, "1": 0.03}), choice(",", {",": 1.0})], TEN)
        assert found.doubt == pytest.approx(0.03 * 4.5 / 9)
        assert found.telling
        named = told([choice("fair", {"fair": 0.97, "very": 0.03})], ("very good", "very bad", "fair"))
        assert named.doubt == pytest.approx(0.03)
        assert not named.telling

    def test_too_much_hidden_mass_makes_the_rest_a_guess(self) -> None:
        assert not told([choice("9", {"9": 0.4, "1": 0.6})], TEN).telling
        assert told([choice("9", {"9": 0.4, "one": 0.6})], TEN).telling

    def test_a_ten_in_one_token_shows_that_a_one_is_a_one(self) -> None:
        found = told([choice("9", {"9": 0.5, "1": 0.3, "10": 0.2})], TEN)
        assert nonzero(found) == {"9": 0.5, "1": 0.3, "10": 0.2}

    def test_a_piece_that_begins_one_label_only_is_that_label(self) -> None:
        labels = ("compliance", "refusal")
        found = told([choice("ref", {"ref": 0.6, "compl": 0.3, "Ref": 0.05}), choice("usal", {"usal": 1.0})], labels)
        assert nonzero(found) == {"refusal": pytest.approx(0.65 / 0.95), "compliance": pytest.approx(0.3 / 0.95)}

    def test_a_piece_of_a_label_that_is_a_token_of_its_own_is_something_else(self) -> None:
        found = told([choice("refusal", {"refusal": 0.6, "ref": 0.1, "compl": 0.3})], ("compliance", "refusal"))
        assert nonzero(found) == {"refusal": pytest.approx(2 / 3), "compliance": pytest.approx(1 / 3)}

    def test_a_minus_is_told_from_the_digit_behind_it(self) -> None:
        labels = ("-2", "-1", "0", "1", "2")
        found = told([choice(" -", {" -": 0.5, " 1": 0.5}), choice("1", {"1": 0.8, "2": 0.2})], labels, before=1)
        assert nonzero(found) == {"-1": 0.4, "-2": 0.1, "1": 0.5}

    def test_labels_of_several_words_are_followed_through_their_blanks(self) -> None:
        labels = ("very good", "very bad", "fair")
        tokens = [
            choice("very", {"very": 0.9, "fair": 0.1}),
            choice(" bad", {" bad": 0.7, " good": 0.2, " much": 0.1}),
        ]
        assert nonzero(told(tokens, labels)) == {
            "very bad": pytest.approx(0.63 / 0.91),
            "very good": pytest.approx(0.18 / 0.91),
            "fair": pytest.approx(0.10 / 0.91),
        }

    def test_a_reply_that_ends_behind_a_label_has_chosen_it(self) -> None:
        assert nonzero(told([choice("1", {"1": 0.8, "7": 0.2})], TEN)) == {"1": 0.8, "7": 0.2}

    def test_a_reply_that_ends_before_a_label_has_not(self) -> None:
        assert distribution([choice("\n", {"\n": 1.0})], 0, ("yes", "no")) is None


def test_no_mass_on_a_label_is_no_distribution() -> None:
    assert distribution([choice("x", {"x": 1.0})], 0, FIVE) is None
    assert distribution([TokenChoice("4", -math.inf, (("x", 0.0),))], 0, FIVE) is None
    assert distribution([], 0, FIVE) is None


def tokens_of(label: str, kind: str) -> list[str]:
    """A label as a tokeniser of some kind cuts it."""
    sign = len(label) - len(label.lstrip("-"))
    half = max(1, len(label) // 2)
    cut = {
        "whole": [label],
        "characters": list(label),
        "half": [label[:half], label[half:]],
        "words": [word if not place else f" {word}" for place, word in enumerate(label.split(" "))],
        "sign": [label[:sign], label[sign:]],
        "first": [label[:1], label[1:]],
        "last": [label[:-1], label[-1:]],
    }[kind.removeprefix("space ").removeprefix("blank ").removeprefix("quote ")]
    cut = [piece for piece in cut if piece]
    if kind.startswith("space "):
        return [f" {cut[0]}", *cut[1:]]
    if kind.startswith("blank "):
        return [" ", *cut]
    return [f'"{cut[0]}', *cut[1:]] if kind.startswith("quote ") else cut


KINDS = [
    f"{before}{kind}"
    for before in ("", "space ", "blank ", "quote ")
    for kind in ("whole", "characters", "half", "words", "sign", "first", "last")
]
SETS = {
    "1-5": FIVE,
    "1-10": TEN,
    "0-10": tuple(map(str, range(11))),
    "-2..2": ("-2", "-1", "0", "1", "2"),
    "0-20": tuple(map(str, range(21))),
    "0-100": tuple(map(str, range(0, 101, 10))),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SETS)
def test_a_mean_is_right_or_refused_however_labels_are_cut(name: str, kind: str) -> None:
    labels, chance = SETS[name], random.Random(f"{name}/{kind}")
    values = [float(label) for label in labels]
    end = '"' if kind.startswith("quote") else "}"
    read = 0
    for _ in range(40):
        centre = chance.uniform(values[0], values[-1])
        width = (values[-1] - values[0]) * chance.uniform(0.05, 0.3)
        weights = [math.exp(-(((value - centre) / width) ** 2)) + 1e-12 for value in values]
        shares = [weight / math.fsum(weights) for weight in weights]
        cut = [[*tokens_of(label, kind), end] for label in labels]
        written = chance.choices(cut, shares)[0]
        tokens = []
        for place in range(len(written)):
            masses: dict[str, float] = {}
            for pieces, share in zip(cut, shares, strict=True):
                if pieces[:place] == written[:place]:
                    masses[pieces[place]] = masses.get(pieces[place], 0) + share
            total = math.fsum(masses.values())
            tokens.append(choice(written[place], {piece: mass / total for piece, mass in masses.items()}))
        found = distribution(tokens, 0, labels)
        if found is not None and found.telling:
            read += 1
            mean = math.fsum(value * found.probabilities[label] for value, label in zip(values, labels, strict=True))
            true = math.fsum(value * share for value, share in zip(values, shares, strict=True))
            assert abs(mean - true) <= 0.02 * (values[-1] - values[0])
    assert read == 40 or "whole" not in kind


@pytest.mark.parametrize("logprob", [0.5, math.inf, math.nan])
def test_a_log_probability_that_is_none_is_refused(logprob: float) -> None:
    for token in (TokenChoice("4", logprob, (("4", -0.5),)), TokenChoice("4", -0.5, (("4", -0.5), ("3", logprob)))):
        with pytest.raises(ReplyError, match="above 0 or not a number"):
            distribution([token], 0, FIVE)


def test_probabilities_that_sum_to_more_than_one_are_refused() -> None:
    with pytest.raises(ReplyError, match=r"sum to 1\.2"):
        distribution([choice("4", {"4": 0.8, "3": 0.4})], 0, FIVE)
    assert told([choice("4", {"4": 0.8004, "3": 0.2001})]).telling


pieces = st.sampled_from(["1", "2", "10", "0", " 1", '"1', "1,", "-", " ", "", "x", "yes", "ye", "y", ".", "}", "12"])
tokens = st.lists(
    st.builds(
        lambda written, logprob, top: TokenChoice(written, logprob - 2, tuple((text, p - 2) for text, p in top)),
        pieces,
        st.floats(-20, 0),
        st.lists(st.tuples(pieces, st.floats(-20, 0)), max_size=6),
    ),
    min_size=1,
    max_size=4,
)
scales = st.sampled_from([FIVE, TEN, ("0", "1", "10", "100"), ("yes", "no"), ("-1", "0", "1")])


@law
@given(tokens, st.integers(0, 2), scales)
def test_shares_sum_to_one_and_losses_are_shares(
    written: list[TokenChoice], before: int, labels: tuple[str, ...]
) -> None:
    found = distribution(written, before, labels)
    if found is not None:
        assert tuple(found.probabilities) == labels
        assert math.fsum(found.probabilities.values()) == pytest.approx(1)
        assert all(0 <= p <= 1 for p in found.probabilities.values())
        assert 0 <= found.hidden <= found.lost <= 1


@law
@given(tokens, st.integers(0, 2), scales, st.randoms(use_true_random=False))
def test_the_order_of_alternatives_means_nothing(
    written: list[TokenChoice], before: int, labels: tuple[str, ...], chance: random.Random
) -> None:
    shuffled = [TokenChoice(one.token, one.logprob, tuple(chance.sample(one.top, len(one.top)))) for one in written]
    assert distribution(shuffled, before, labels) == distribution(written, before, labels)


HALVES = ("1", "1.5", "2", "2.5", "3", "3.5", "4", "4.5", "5")


def test_half_points_are_told_by_the_token_behind_the_point() -> None:
    tokens = [choice("3", {"3": 0.8, "4": 0.2}), choice(".", {".": 0.75, ",": 0.25}), choice("5", {"5": 1.0})]
    found = told(tokens, HALVES)
    # What was not written, 4 or 4.5, is split between them.
    assert nonzero(found) == {"3.5": 0.6, "3": 0.2, "4": 0.1, "4.5": 0.1}
    assert found.doubt == pytest.approx(0.2 * 0.25 / 4)
    assert found.telling
    one_token = told([choice("3.5", {"3.5": 0.7, "3": 0.2, "4.5": 0.1})], HALVES)
    assert nonzero(one_token) == {"3.5": 0.7, "3": 0.2, "4.5": 0.1}
    assert one_token.doubt == 0
