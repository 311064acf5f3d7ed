from contextlib import suppress
from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.oci.errors import RangeInvalid
from wherry.oci.wire.ranges import (
    Span,
    read_chunk_range,
    read_download_ranges,
    read_upload_range,
    write_parts,
    write_upload_range,
)

SIZE = 2048


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=500-1499", Span(500, 1500)),
        ("bytes=500-", Span(500, SIZE)),
        ("bytes=-500", Span(SIZE - 500, SIZE)),
        ("bytes=2000-5000", Span(2000, SIZE)),
        ("bytes=-5000", Span(0, SIZE)),
        ("bytes=0-0", Span(0, 1)),
        ("Bytes = 1 - 2 ", Span(1, 3)),
        ("bytes=2047-9999999999999999999", Span(2047, SIZE)),
    ],
)
def test_a_download_gets_the_bytes_that_exist(header, span):
    assert read_download_ranges(header, SIZE) == (span,)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1-2,",
        "bytes=1-2,x",
        "bytes=0-,0-",
        "bytes=" + ",".join(["0-0"] * 1025),
        "items=0-5",
        "bytes=0x1-2",
        "bytes=١-٢",
        "0-5",
    ],
)
def test_a_download_gets_everything_when_its_range_says_nothing(header):
    assert read_download_ranges(header, SIZE) == ()


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=500-0", SIZE),
        ("bytes=2048-", SIZE),
        ("bytes=5000-10000", SIZE),
        ("bytes=-0", SIZE),
        ("bytes=0-0", 0),
        ("bytes=0-", 0),
        ("bytes=-5", 0),
    ],
)
def test_a_download_of_no_byte_is_refused(header, size):
    with pytest.raises(RangeInvalid):
        read_download_ranges(header, size)


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        ("bytes=1-2,5-6", (Span(1, 3), Span(5, 7))),
        ("bytes=5-6 , 1-2", (Span(5, 7), Span(1, 3))),
        ("bytes=0-9,-10", (Span(0, 10), Span(SIZE - 10, SIZE))),
        ("bytes=0-9,5-14", (Span(0, 10), Span(5, 15))),
        ("bytes=9000-,0-9,3000-4000", (Span(0, 10),)),
    ],
)
def test_several_ranges_are_given_in_their_order_without_those_that_do_not_exist(header, spans):
    assert read_download_ranges(header, SIZE) == spans


def test_several_ranges_of_no_byte_are_refused():
    with pytest.raises(RangeInvalid, match="9000"):
        read_download_ranges("bytes=9000-,10000-10001", SIZE)


def test_parts_are_read_back_as_mail_is():
    parts = [(Span(1, 3), b"ab"), (Span(5, 9), b"\r\n--")]
    body = write_parts(parts, 10, "text/plain", "frontier")
    message = message_from_bytes(b"Content-Type: multipart/byteranges; boundary=frontier\r\n\r\n" + body)
    found = [
        (part["Content-Range"], part.get_content_type(), part.get_payload(decode=True))
        for part in message.get_payload()
    ]
    assert found == [("bytes 1-2/10", "text/plain", b"ab"), ("bytes 5-8/10", "text/plain", b"\r\n--")]


@given(st.integers(0, 100), st.integers(0, 200), st.integers(0, 200))
def test_a_range_is_what_python_would_slice(size, first, last):
    content = bytes(index % 251 for index in range(size))
    expected = content[first : last + 1]
    try:
        (span,) = read_download_ranges(f"bytes={first}-{last}", size)
    except RangeInvalid:
        assert expected == b""
    else:
        assert content[span.start : span.stop] == expected
        assert len(span) == len(expected) > 0


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("0-0", Span(0, 1)),
        ("0-1023", Span(0, 1024)),
        (" 5-9 ", Span(5, 10)),
        ("bytes 0-9/10", Span(0, 10)),
        ("bytes=0-9", Span(0, 10)),
        ("0-9/*", Span(0, 10)),
    ],
)
def test_a_chunk_says_where_it_goes(header, span):
    assert read_chunk_range(header) == span
    assert len(span) == span.stop - span.start


@pytest.mark.parametrize(
    "header",
    [
        "",
        "0",
        "0-",
        "-5",
        "5-0",
        "a-b",
        "0-1-2",
        "0–1",
        "0-9999999999999999999",
        "0-99999999999999999999",
        "bytes",
        "١-٢",
        "-1-5",
        "0-9/x",
    ],
)
def test_a_chunk_that_does_not_is_refused(header):
    with pytest.raises(RangeInvalid) as caught:
        read_chunk_range(header)
    assert caught.value.hint == "for example 0-1023, both ends included"


@given(st.integers(0, 2**62).filter(lambda count: count != 1))
def test_reading_finds_what_was_written(count):
    assert read_upload_range(write_upload_range(count)) == count


def test_one_byte_cannot_be_told_from_none():
    assert write_upload_range(0) == write_upload_range(1) == "0-0"
    assert read_upload_range("0-0") == 0


@pytest.mark.parametrize("header", [None, "", "x", "0", "0-"])
def test_an_upload_that_does_not_say_how_far_it_is(header):
    assert read_upload_range(header) is None


@given(st.text(max_size=30) | st.text("bytes=-0123456789/* ", max_size=30))
def test_any_header_is_read_without_harm(header):
    read_upload_range(header)
    with suppress(RangeInvalid):
        spans = read_download_ranges(header, SIZE)
        assert all(0 <= span.start < span.stop <= SIZE for span in spans)
        assert sum(map(len, spans)) <= SIZE
    with suppress(RangeInvalid):
        assert len(read_chunk_range(header)) > 0
