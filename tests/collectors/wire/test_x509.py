"""The end of a certificate's validity, against the library that agents go without."""

import contextlib
import datetime

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.wire.x509 import not_after

AUTHORITY = trustme.CA()


def der(expires: datetime.datetime, kind: trustme.KeyType = trustme.KeyType.ECDSA) -> bytes:
    leaf = AUTHORITY.issue_cert(
        "portal.example", not_before=datetime.datetime(1999, 1, 1, tzinfo=datetime.UTC), not_after=expires, key_type=kind
    )
    return x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER)


SAMPLE = der(datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC))


@settings(max_examples=30)
@given(st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(9999, 12, 31), timezones=st.just(datetime.UTC)))  # noqa: DTZ001
def test_as_cryptography_reads_it(expires: datetime.datetime) -> None:
    certificate = der(expires.replace(microsecond=0))
    assert not_after(certificate) == x509.load_der_x509_certificate(certificate).not_valid_after_utc.timestamp()


def test_rsa_keys_make_long_certificates() -> None:
    moment = datetime.datetime(2030, 2, 28, 23, 59, 59, tzinfo=datetime.UTC)
    assert not_after(der(moment, trustme.KeyType.RSA)) == moment.timestamp()


@pytest.mark.parametrize("cut", range(0, len(SAMPLE), 7))
def test_a_cut_certificate_is_a_value_error(cut: int) -> None:
    with pytest.raises(ValueError, match="certificate"):
        not_after(SAMPLE[:cut])


@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=4)).map(
            lambda change: SAMPLE[: change[0]] + change[1] + SAMPLE[change[0] + len(change[1]) :]
        ),
    )
)
def test_any_octets_are_a_date_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert not_after(data) < 253402300800
