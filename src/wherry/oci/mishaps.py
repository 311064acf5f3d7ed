"""What people send in the place of a manifest, when a shell, a tool or a proxy came between.

Each mishap is recognised by its bytes alone, before anything is known of manifests.
"""

import re
import zlib
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from wherry.oci.document import NotJSON, UnreadableJSON, decode
from wherry.oci.lookalikes import lookalike_of

__all__ = ["Diagnosis", "mishap_of"]


class Diagnosis(Struct, frozen=True):
    """`cause` is a stable name for programs; `problem` and `cure` are for people: what is wrong, what to type.

    `where` is the place in the document, such as `layers[2].digest`, where there is one.
    """

    cause: str
    problem: str
    cure: str
    where: str | None = None


_SEND_FILE = "save the manifest in a file and send exactly its bytes: curl --data-binary @manifest.json"
_WRITE_ANEW = "mend the program that made this manifest: write the number or the text so that every reader takes it"
_VARIABLE = re.compile(rb"""['"]?\$(?:\{?[A-Za-z_][A-Za-z0-9_]*\}?|\(.*\))['"]?""", re.DOTALL)
_PLACEHOLDER = re.compile(rb"""['"]?(?:%\w+%|\$env:\w+|`[^`{]+`|\$?\{\{[^{}"':]*\}\}|<%[^%]*%>)['"]?""")
_AT_FILE = re.compile(rb"""['"]?@[^\r\n'"{}]+['"]?""")
_FILE = re.compile(rb"""['"]?[\w .:/\\~-]*\.(?:json|txt|tar|tgz|gz|manifest)['"]?""")
_LONGEST_SHOWN = 40
_LONGEST_LITERAL = 4096  # bytes of a name or a command


def mishap_of(body: bytes) -> Diagnosis | None:
    """What `body` is instead of a JSON object; None if it is one."""
    return next(_mishaps(body, body.strip()), None)


def _mishaps(body: bytes, text: bytes) -> Iterator[Diagnosis]:
    for recognise in _BY_BYTES:
        if found := recognise(text):
            yield found
    try:
        document = decode(body)
    except UnreadableJSON as error:
        yield Diagnosis("unreadable-json", f"the body cannot be read: {error}", _WRITE_ANEW)
    except NotJSON as error:
        yield _not_json(body, text, str(error))
    else:
        if like := lookalike_of(document):
            yield Diagnosis(*like)
        if not isinstance(document, dict):
            yield _not_an_object(document)


def _empty(text: bytes) -> Diagnosis | None:
    if text:
        return None
    return Diagnosis(
        "empty-body",
        "the request has no body",
        f"{_SEND_FILE} (an empty file or an unset shell variable gives an empty body)",
    )


def _unexpanded_variable(text: bytes) -> Diagnosis | None:
    if len(text) > _LONGEST_LITERAL or not _VARIABLE.fullmatch(text):
        return None
    return Diagnosis(
        "unexpanded-variable",
        f"the body is the literal text {_shown(text)}: single quotes kept the shell from putting the variable's value there",
        f'use double quotes around the variable, or better, {_SEND_FILE} ("$variable" also loses the last newline, which changes the digest)',
    )


def _unfilled_placeholder(text: bytes) -> Diagnosis | None:
    if len(text) > _LONGEST_LITERAL or not _PLACEHOLDER.fullmatch(text):
        return None
    return Diagnosis(
        "unexpanded-variable",
        f"the body is the literal text {_shown(text)}: nothing has put a value in its place",
        f"that is another shell's or a template's way to write it; better than a variable: {_SEND_FILE}",
    )


def _file_name(text: bytes) -> Diagnosis | None:
    if len(text) > _LONGEST_LITERAL:
        return None
    if _AT_FILE.fullmatch(text):
        why = "curl --data-raw does not read files"
    elif _FILE.fullmatch(text):
        why = "curl reads a file only where @ stands before its name"
    else:
        return None
    return Diagnosis(
        "file-name", f"the body is the literal text {_shown(text)}, not what is in that file ({why})", _SEND_FILE
    )


def _markup(text: bytes) -> Diagnosis | None:
    if not text.startswith(b"<"):
        return None
    return Diagnosis(
        "html",
        "the body is an HTML or XML page, not a manifest: what was saved is probably the page of a proxy, a login or a web site",
        "look at the saved file, then fetch the manifest again from https://REGISTRY/v2/NAME/manifests/TAG and check that the answer is 200",
    )


def _with_http_headers(text: bytes) -> Diagnosis | None:
    if re.match(rb"HTTP/[0-9.]+ [0-9]{3}", text):
        how = "-i"
    elif re.match(rb"[*<>] .*^< HTTP/", text, re.DOTALL | re.MULTILINE):
        how = "-v"
    else:
        return None
    return Diagnosis(
        "http-headers",
        f"the body begins with the headers of an HTTP answer: it was saved with curl {how}",
        "fetch the manifest again with curl -D headers.txt -o manifest.json, and send manifest.json",
    )


def _compressed(text: bytes) -> Diagnosis | None:
    kind = next((name for magic, name in _COMPRESSIONS if text.startswith(magic)), None)
    if kind is None:
        return None
    return _archive(_beginning(text)) or Diagnosis(
        "compressed",
        f"the body is {kind} data, not JSON: the answer was saved as it travelled, or it is no manifest but a layer",
        "fetch the manifest again with curl --compressed, or without an Accept-Encoding header; a layer is pushed as a blob",
    )


_COMPRESSIONS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\x00", "xz"), (b"BZh", "bzip2"))
_BLOCK = 512  # bytes; the first of a tar archive says that it is one


def _beginning(text: bytes) -> bytes:
    """The first bytes of what gzip has packed; nothing, if they cannot be had."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(text[: 8 * _BLOCK], _BLOCK)
    except zlib.error:
        return b""


def _archive(text: bytes) -> Diagnosis | None:
    if text[257:262] != b"ustar":
        return None
    return Diagnosis(
        "archive",
        "the body is a tar archive, not a manifest: a layer, or what `docker save` writes",
        "`wherry copy docker-archive:FILE DESTINATION` (or oci-archive:FILE) pushes an image that was saved; a layer is pushed as a blob",
    )


def _form(text: bytes) -> Diagnosis | None:
    if re.match(rb"--[-\w]+\r?\nContent-Disposition:", text):
        return Diagnosis("form", "the body is a form with the manifest somewhere in it: curl -F sends that", _SEND_FILE)
    if field := re.match(rb"([\w.-]*)=\s*(?:\{|%7B|%0A)", text, re.IGNORECASE):
        name = field[1].decode()
        return Diagnosis(
            "form", f'the body is the field of a form ("{name}=" stands before the manifest), not JSON', _SEND_FILE
        )
    return None


def _base64(text: bytes) -> Diagnosis | None:
    if not re.match(rb"(?:e[wy]|W[wy])[\w+/]{6}", text):  # what `{` and `[` begin with
        return None
    try:
        inside = b64decode(b"".join(text.split()), validate=True)
    except NotBase64:
        return None
    if not inside.startswith((b"{", b"[")):
        return None
    return Diagnosis(
        "base64", "the body is JSON in base64, not JSON", f"base64 -d < FILE > manifest.json, and {_SEND_FILE}"
    )


def _coloured(text: bytes) -> Diagnosis | None:
    if not text.startswith(b"\x1b["):
        return None
    return Diagnosis(
        "terminal-colours",
        "the body has a terminal's colours in it, which a program wrote for eyes (jq -C, a pager)",
        "let the program that fetches write the file itself: curl -o manifest.json",
    )


def _other_encoding(text: bytes) -> Diagnosis | None:
    if text.startswith((b"{\x00", b"\x00{")):
        return Diagnosis(
            "utf-16",
            "the body is UTF-16, not UTF-8",
            "let the program that fetches write the file itself: curl -o manifest.json",
        )
    if not text.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return None
    return Diagnosis(
        "byte-order-mark",
        "the body begins with a byte order mark: it was saved as UTF-16 or as UTF-8 with a mark (Windows PowerShell's > does that), so its bytes are not the manifest's",
        "let the program that fetches write the file itself: curl -o manifest.json",
    )


def _url_encoded(text: bytes) -> Diagnosis | None:
    if not re.match(rb"%7B", text, re.IGNORECASE):
        return None
    return Diagnosis(
        "url-encoded",
        "the body is URL-encoded: curl --data-urlencode did that",
        _SEND_FILE,
    )


def _single_quoted(text: bytes) -> Diagnosis | None:
    if not (text.startswith(b"'{") or (text.startswith(b"'") and text.endswith(b"'"))):
        return None
    return Diagnosis(
        "quoted-json",
        "the body has quotes around the JSON: the shell did not take them away (cmd.exe does not know single quotes)",
        _SEND_FILE,
    )


def _quotes_changed(text: bytes) -> Diagnosis | None:
    for pattern, how in _QUOTES:
        if re.match(pattern, text):
            return Diagnosis("quotes-changed", f"the body is no JSON: {how}", _SEND_FILE)
    return None


_QUOTES = (
    (
        rb"\{\s*[A-Za-z]\w*\s*:",
        "the double quotes are gone, which a shell took away (PowerShell does, from an argument)",
    ),
    (rb'\{\s*\\"', "its double quotes have backslashes before them"),
    (rb"\{\s*'", "its quotes are single ones, as a program prints a value of its own (Python's print does)"),
)

_BY_BYTES: tuple[Callable[[bytes], Diagnosis | None], ...] = (
    _empty,
    _unexpanded_variable,
    _unfilled_placeholder,
    _file_name,
    _markup,
    _with_http_headers,
    _compressed,
    _archive,
    _form,
    _base64,
    _coloured,
    _other_encoding,
    _url_encoded,
    _single_quoted,
    _quotes_changed,
)


def _not_json(body: bytes, text: bytes, parser_says: str) -> Diagnosis:
    if "truncated" in parser_says and text.startswith((b"{", b"[", b'"')):
        return Diagnosis(
            "truncated-json",
            f"the JSON ends in the middle, after {len(text)} bytes",
            "fetch the manifest again, compare its length with the Content-Length of the answer, and " + _SEND_FILE,
        )
    if text[:1] not in b'{["' and text.isascii() and text[:_LONGEST_SHOWN].decode().isprintable():
        return Diagnosis("not-json", f'the body is not JSON, it is text: "{_shown(text)}"', _SEND_FILE)
    place = re.search(r"\(byte (\d+)\)", parser_says)
    start = int(place[1]) - ("trailing characters" in parser_says) if place else 0  # of these the second one is named
    there = f", at {_shown(body[start:].strip())!r}" if place else ""
    return Diagnosis("not-json", f"the body is not JSON: {parser_says}{there}", _SEND_FILE)


def _not_an_object(document: Any) -> Diagnosis:
    if isinstance(document, str):
        inside = document.strip().startswith("{")
        what = "a manifest in a JSON string" if inside else f'the JSON string "{_shown(document.encode())}"'
        return Diagnosis("quoted-json", f"the body is {what}, not a JSON object", _SEND_FILE)
    kind = {list: "a list", bool: "a boolean", type(None): "null"}.get(type(document), "a number")
    return Diagnosis("not-an-object", f"the body is {kind} where a manifest is a JSON object", _SEND_FILE)


def _shown(text: bytes) -> str:
    shown = text[:_LONGEST_SHOWN].decode(errors="replace")
    return shown + ("…" if len(text) > _LONGEST_SHOWN else "")
