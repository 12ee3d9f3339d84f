from agent.locale import N_, translator
from agent.survey.trouble import SurveyError, unreadable


def test_what_stands_in_the_way_is_told_in_both_languages() -> None:
    error = SurveyError(N_("the radio does not answer: {why}"), why="busy")
    assert str(error) == error.told(translator("en")) == "the radio does not answer: busy"
    assert error.told(translator("vi")) == "bộ thu phát Wi-Fi không trả lời: bận"


def test_what_the_system_says_is_translated_where_it_is_known() -> None:
    said = "a.pcap: không đọc được: không có quyền; hãy nêu đúng tên tệp"
    assert unreadable("a.pcap", PermissionError(13, "Permission denied")).told(translator("vi")).startswith(said)
    assert "Stale file handle" in unreadable("a.pcap", OSError(116, "Stale file handle")).told(translator("vi"))
