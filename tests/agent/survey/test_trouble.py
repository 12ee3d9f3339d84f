from agent.locale import N_, translator
from agent.survey.trouble import SurveyError


def test_what_stands_in_the_way_is_told_in_both_languages() -> None:
    error = SurveyError(N_("the radio does not answer: {why}"), why="busy")
    assert str(error) == error.told(translator("en")) == "the radio does not answer: busy"
    assert error.told(translator("vi")) == "bộ thu phát Wi-Fi không trả lời: busy"
