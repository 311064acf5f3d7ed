import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.certificates import Authority
from wherry.stores.remote.certificates import read_certificate


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """A certificate in DER form, fresh from openssl."""
    file, _ = Authority(tmp_path / "an authority").issue("localhost")
    return ssl.PEM_cert_to_DER_cert(file.read_text())


def test_fields_of_a_certificate(content: bytes):
    found = read_certificate(content)
    assert (found.subject, found.issuer) == ("CN=localhost", "CN=an authority")
    assert found.names == ("localhost", "127.0.0.1")
    assert found.end - found.start == timedelta(days=2)
    assert abs(found.start - datetime.now(UTC)) < timedelta(minutes=10)


def test_part_of_a_certificate_is_none(content: bytes):
    for length in range(len(content)):
        with pytest.raises(ValueError, match="no certificate"):
            read_certificate(content[:length])


def test_damaged_certificate_is_read_or_refused_and_nothing_else(content: bytes):
    for position in range(len(content)):
        for byte in (0x00, 0x30, 0x80, 0xFF):
            damaged = content[:position] + bytes([byte]) + content[position + 1 :]
            with suppress(ValueError):  # and nothing else: whatever else is raised fails the test
                read_certificate(damaged)


@given(st.binary(max_size=200))
def test_anything_else_is_none(noise: bytes):
    with pytest.raises(ValueError, match="no certificate"):
        read_certificate(noise)
