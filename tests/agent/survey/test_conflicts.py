import pytest

from agent.locale import translator
from agent.survey.conflicts import conflicts
from collectors.wire.survey_file import ChannelUse, Heard, Visit

A, B, C = "aa:00:00:00:01:00", "aa:00:00:00:02:00", "aa:00:00:00:03:00"


def ap(bssid: str, channel: int, signal: float = -50, *, band: str = "2.4", ssid: str = "CSC-Free") -> Heard:
    return Heard(ssid, bssid, band, channel, signal)


def others(*counts: tuple[int, int], signal: float = -60.0, band: str = "2.4") -> tuple[ChannelUse, ...]:
    return tuple(ChannelUse(band, channel, networks, signal) for channel, networks in counts)


def said(*visits: Visit) -> list[str]:
    return conflicts(visits, -67.0, translator("en"))


def at(zone: str, *heard: Heard, channels: tuple[ChannelUse, ...] = ()) -> Visit:
    return Visit(1.79e9, zone, ("CSC-Free", "CSC-Staff"), heard, channels)


def test_networks_of_one_radio_are_told_once_and_are_no_conflict_of_their_own() -> None:
    crowd = others((36, 5), band="5")
    visit = at("Hall", ap(A, 36, band="5"), ap("aa:00:00:00:01:01", 36, -51, band="5", ssid="CSC-Staff"), channels=crowd)
    (line,) = said(visit)
    assert line == f"CSC-Free, CSC-Staff ({A}) shares channel 36 (5 GHz) with 5 other networks; channel 40 is the quietest."


def test_faint_neighbours_are_no_conflict() -> None:
    assert said(at("Hall", ap(A, 6), channels=others((6, 9), signal=-90.0))) == []


@pytest.mark.parametrize(("channels", "advised"), [(others((6, 4), (11, 1)), 1), (others((6, 4), (1, 2)), 11)])
def test_the_channel_with_the_fewest_neighbours_is_advised(channels: tuple[ChannelUse, ...], advised: int) -> None:
    (line,) = said(at("Hall", ap(A, 6), channels=channels))
    assert f"channel {advised} is the quietest" in line


def test_two_access_points_are_not_advised_to_meet_on_the_same_channel() -> None:
    crowd = others((6, 5))
    hall = at("Hall", ap(A, 6, -45), ap(B, 6, -70), channels=crowd)
    yard = at("Yard", ap(B, 6, -45), ap(A, 6, -70), channels=crowd)
    lines = [line for line in said(hall, yard) if "quietest" in line]
    assert [line.rpartition("channel ")[2] for line in lines] == ["1 is the quietest.", "11 is the quietest."]


def test_one_between_the_channels_moves_first_and_the_others_may_stay() -> None:
    crowd = others((1, 4), (6, 4), (11, 4))
    lines = said(at("Hall", ap(A, 6, -50), ap(B, 11, -70), ap(C, 4, -80), channels=crowd))
    assert lines[0].startswith(f"CSC-Free ({C}) is on channel 4, which overlaps two others")
    assert [line for line in lines if "quietest" in line] == [
        f"CSC-Free ({C}) shares channel 4 (2.4 GHz) with 8 other networks; channel 1 is the quietest."
    ]


def test_two_that_are_strong_together_are_told_once_for_the_whole_survey() -> None:
    (line,) = said(at("Hall", ap(A, 6), ap(B, 6)), at("Yard", ap(B, 6), ap(A, 6)))
    assert line.startswith(f"Hall: two access points of the site ({A}, {B}) are both strong and overlap on channels 6 and 6;")
