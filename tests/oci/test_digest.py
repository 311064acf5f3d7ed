import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oci.strategies import digests, refusal
from wherry.oci.digest import ALGORITHMS, Digest
from wherry.oci.errors import InvalidDigest, UnsupportedAlgorithm

SHA256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
SHA512 = (
    "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
)


@pytest.mark.parametrize("text", [SHA256, SHA512])
def test_a_digest_prints_as_it_was_read(text):
    assert str(Digest.parse(text)) == text
    assert Digest.of(b"", text.partition(":")[0]) == Digest.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no ':' between algorithm and value"),
        ("sha256", "no ':' between algorithm and value"),
        ("sha256:", "0 hex digits where sha256 needs 64"),
        ("sha256:abc", "3 hex digits where sha256 needs 64"),
        (f"{SHA256}0", "65 hex digits where sha256 needs 64"),
        (SHA256[:-1], "63 hex digits where sha256 needs 64"),
        (f"sha512:{64 * '0'}", "64 hex digits where sha512 needs 128"),
        (f"sha256:{64 * 'A'}", "upper-case 'A' where sha256 needs lower-case hex digits"),
        (f"sha256:{63 * '0'}g", "'g' where sha256 needs lower-case hex digits"),
        (f"sha256:{63 * '0'}\n", "'\\n' where sha256 needs lower-case hex digits"),
        (f"sha256:{64 * '٣'}", "'٣' where sha256 needs lower-case hex digits"),
        (f" {SHA256}", "not of the form algorithm:encoded"),
        (f"SHA256:{64 * '0'}", "the algorithm must be lower-case"),
        (":abc", "not of the form algorithm:encoded"),
        ("sha+:abc", "not of the form algorithm:encoded"),
        ("a b:abc", "not of the form algorithm:encoded"),
        ("md5:", "not of the form algorithm:encoded"),
        (f"sha256:{SHA256}", "'s' where sha256 needs lower-case hex digits"),
        ("sha256:../../etc/passwd", "'.' where sha256 needs lower-case hex digits"),
    ],
)
def test_what_is_no_digest_is_refused_with_the_reason(text, reason):
    with pytest.raises(InvalidDigest) as caught:
        Digest.parse(text)
    assert type(caught.value) is InvalidDigest
    assert (caught.value.text, caught.value.reason) == (text, reason)


@pytest.mark.parametrize(
    "text",
    [
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
        "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
        "sha384:" + 96 * "0",
        "blake3:" + 64 * "0",
    ],
)
def test_a_wellformed_digest_of_an_algorithm_that_is_not_computed_is_told_apart(text):
    """The examples of the specification's grammar are among them (descriptor.md, "Digests")."""
    with pytest.raises(UnsupportedAlgorithm, match="is not supported"):
        Digest.parse(text)


def test_a_digest_is_checked_however_it_is_made():
    with pytest.raises(InvalidDigest):
        Digest("sha256", "abc")
    with pytest.raises(UnsupportedAlgorithm):
        Digest.of(b"", "md5")


@given(digests)
def test_parsing_reads_what_printing_wrote(digest):
    assert Digest.parse(str(digest)) == digest
    assert hash(Digest.parse(str(digest))) == hash(digest)


@given(st.text(max_size=200))
def test_any_text_is_a_digest_or_is_refused_as_one(text):
    refused = refusal(InvalidDigest, Digest.parse, text)
    if refused is None:
        assert str(Digest.parse(text)) == text
    else:
        assert refused.text == text
        assert refused.reason


@given(st.binary(), st.sampled_from(sorted(ALGORITHMS)))
def test_a_digest_matches_the_content_it_was_computed_of_and_no_other(content, algorithm):
    digest = Digest.of(content, algorithm)
    assert digest.encoded == hashlib.new(algorithm, content).hexdigest()
    assert digest.matches(content)
    assert not digest.matches(content + b"x")


@given(st.lists(st.binary()), st.sampled_from(sorted(ALGORITHMS)))
def test_a_running_hash_comes_to_the_same_digest(pieces, algorithm):
    whole = Digest.of(b"".join(pieces), algorithm)
    hasher = whole.hasher()
    for piece in pieces:
        hasher.update(piece)
    assert Digest.taken_from(hasher, algorithm) == whole


def test_digests_sort_by_algorithm_and_value():
    first, second, third = Digest.parse(f"sha256:{64 * '0'}"), Digest.parse(f"sha256:{64 * '1'}"), Digest.parse(SHA512)
    assert sorted([third, second, first]) == [first, second, third]
