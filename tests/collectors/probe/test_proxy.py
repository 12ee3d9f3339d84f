"""Which proxy the environment names, and for whom not."""

import urllib.parse

import pytest

from collectors.probe.proxy import Proxy, is_excepted, proxy_for


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, "https://portal.example/", None),
        ({"https_proxy": "http://proxy:8080"}, "https://portal.example/", Proxy("proxy", 8080)),
        ({"https_proxy": "http://proxy:8080"}, "http://portal.example/", None),
        ({"HTTP_PROXY": "proxy"}, "http://portal.example/", Proxy("proxy", 3128)),
        ({"ALL_PROXY": "http://proxy:1"}, "https://portal.example/", Proxy("proxy", 1)),
        ({"https_proxy": "http://proxy:1", "no_proxy": "example"}, "https://portal.example/", None),
        ({"https_proxy": "http://proxy:1"}, "https://127.0.0.1:8443/", None),
    ],
)
def test_proxy(environ: dict[str, str], url: str, proxy: Proxy | None) -> None:
    assert proxy_for(urllib.parse.urlsplit(url), environ) == proxy


def test_credentials_are_sent_but_never_shown() -> None:
    proxy = proxy_for(urllib.parse.urlsplit("http://a.vn"), {"http_proxy": "http://lan:b%C3%AD-m%E1%BA%ADt@proxy:8080"})
    assert proxy is not None
    assert proxy.authorization == "Basic bGFuOmLDrS1t4bqtdA=="
    assert "bGFu" not in repr(proxy)
    assert "lan" not in repr(proxy)


@pytest.mark.parametrize("value", ["socks5://u:secret@proxy:1080", "http://proxy:99999", "http://"])
def test_what_is_no_http_proxy_is_told_without_its_secret(value: str) -> None:
    with pytest.raises(ValueError, match="the variable https_proxy") as caught:
        proxy_for(urllib.parse.urlsplit("https://a.vn"), {"https_proxy": value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "exceptions", "excepted"),
    [
        ("portal.gov.vn", "gov.vn", True),
        ("portal.gov.vn", ".gov.vn,other", True),
        ("portal.gov.vn", "*.gov.vn", True),
        ("portal.gov.vn", "*", True),
        ("notgov.vn", "gov.vn", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "192.168.0.0/16 10.1.2.3", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("localhost", "", True),
        ("::1", "", True),
        ("portal.gov.vn", "", False),
        ("portal.gov.vn", "gov.vn:443", True),
        ("portal.gov.vn", "portal.gov.vn:8443", False),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("2001:db8::1", "[2001:db8::1]:443", True),
        ("2001:db8::1", "[2001:db8::1]:8443", False),
        ("2001:db8::443", "2001:db8::443", True),
    ],
)
def test_exceptions(host: str, exceptions: str, excepted: bool) -> None:  # noqa: FBT001
    assert is_excepted(host, exceptions, 443) is excepted
    here = f"[{host}]" if ":" in host else host
    assert (
        proxy_for(urllib.parse.urlsplit(f"https://{here}/"), {"https_proxy": "p:1", "no_proxy": exceptions}) is None
    ) is excepted
