import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.units import format_duration, parse_duration, parse_rate, spelled


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("7ns", 7),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1μs", 1_000),
        ("250ms", 250_000_000),
        ("1.5s", 1_500_000_000),
        ("0.1s", 100_000_000),
        ("1h30m", 5_400_000_000_000),
        ("2d", 172_800_000_000_000),
        (" 30s ", 30_000_000_000),
        # A float of the nanoseconds would be off by one here.
        ("9007199.254740993s", 9_007_199_254_740_993),
    ],
)
def test_a_duration_is_exact_nanoseconds(text, ns):
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("30", "'30' is a number without a unit; write 30s if seconds are meant"),
        ("1.5", "write 1.5s if seconds are meant"),
        ("30sec", "did you mean 30s?"),
        ("30 seconds", "did you mean 30s?"),
        ("5min", "did you mean 5m?"),
        ("5 msec", "did you mean 5ms?"),
        ("2 hours", "did you mean 2h?"),
        ("-5s", "negative"),
        ("soon", "write a number with a unit"),
        ("", "write a number with a unit"),
        ("1:30", "write a number with a unit"),
        ("٣s", "write a number with a unit"),
        ("1e3s", "write a number with a unit"),
        ("9" * 5000 + "s", "..."),
    ],
)
def test_what_is_no_duration_is_refused_with_the_remedy(text, said):
    with pytest.raises(ValueError, match=r"duration|unit") as error:
        parse_duration(text)
    assert said in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1500ns"),
        (2_000, "2us"),
        (1_500_000, "1.5ms"),
        (200_000_000, "200ms"),
        (1_500_000_000, "1.5s"),
        (1_234_567_000_000, "1234.567s"),
        (90_000_000_000, "90s"),
        (2160 * 3600 * 10**9, "2160h"),
        (-1_500_000_000, "-1.5s"),
    ],
)
def test_a_duration_is_written_in_the_largest_fitting_unit(ns, text):
    assert format_duration(ns) == text


@given(st.integers(0, 2**63))
def test_writing_and_reading_a_duration_loses_nothing(ns):
    assert parse_duration(format_duration(ns)) == ns


@pytest.mark.parametrize(
    ("text", "rate"), [("5/s", 5.0), ("30/m", 0.5), ("1.5 / s", 1.5), ("36/h", 0.01), ("0/s", 0.0)]
)
def test_a_rate_is_per_second(text, rate):
    assert parse_rate(text) == pytest.approx(rate, rel=1e-15)


@pytest.mark.parametrize("text", ["5", "5/d", "5 per second", "-5/s", "/s", "5/ms", "1e3/s", "9" * 100 + "/s"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match="is not a rate; write a number per unit of time, such as 5/s"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (0, "0 s"), (999, "999 ns"), (1500, "2 us"), (1_500_000, "1.5 ms"), (9_960_000, "10 ms"),
        (250_000_000, "250 ms"), (999_700_000, "1.00 s"), (1_234_000_000, "1.23 s"), (9_999_000_000, "10.0 s"),
        (23_400_000_000, "23.4 s"), (59_960_000_000, "1 min"), (72_000_000_000, "1 min 12 s"),
        (3_599_700_000_000, "1 h"), (11_100_000_000_000, "3 h 5 min"), (52 * 3_600_000_000_000, "2 d 4 h"),
        (3 * 365 * 86_400_000_000_000, "3 years"), (-72_000_000_000, "-1 min 12 s"),
    ],
)  # fmt: skip
def test_times_as_people_say_them(ns: int, said: str):
    assert spelled(ns) == said


def test_estimates_have_whole_seconds():
    assert [spelled(ns, about=True) for ns in (9_400_000_000, 59_600_000_000, 72_000_000_000, 631_000_000_000)] == [
        "9 s", "1 min", "1 min 12 s", "11 min",
    ]  # fmt: skip
