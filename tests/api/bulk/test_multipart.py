"""Forms: the file comes out as it went in however it is cut, and what is odd is refused with what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.api.bulk.multipart import Form
from loan_default.errors import MalformedBody, UnsupportedMediaType

TYPE = b"multipart/form-data; boundary=cut"
FIELDS = ("reasons", "separator")


def part(name: str, content: bytes, more: str = "", *headers: str) -> bytes:
    lines = [f'Content-Disposition: form-data; name="{name}"{more}', *headers, "", ""]
    return b"--cut\r\n" + "\r\n".join(lines).encode() + content + b"\r\n"


def file(content: bytes = b"a,b\n1,2\n", name: str = "file", *headers: str) -> bytes:
    return part(name, content, '; filename="p.csv"', *headers)


END = b"--cut--\r\n"


def read(body: bytes, step: int = 1 << 20, content_type: bytes = TYPE) -> tuple[Form, bytes]:
    form = Form(content_type, "file", FIELDS)
    found = b"".join(form.feed(body[i : i + step]) for i in range(0, len(body), step))
    form.finish()
    return form, found


@given(st.binary(max_size=300) | st.text("\r\n-cut", max_size=60).map(str.encode), st.integers(1, 80), st.booleans())
def test_a_file_comes_out_as_it_went_in_however_it_is_cut(content: bytes, step: int, first: bool) -> None:
    if b"\r\n--cut" in b"\r\n" + content:
        return  # no client chooses a boundary that the file has
    fields = part("reasons", b"true") + part("separator", b";")
    form, found = read((fields if first else b"") + file(content) + (b"" if first else fields) + END, step)
    assert found == content
    assert form.fields == {"reasons": "true", "separator": ";"}
    assert form.file_name == "p.csv"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (file(), "last boundary is missing"),
        (file() + b"--cut\r\n", "last boundary is missing"),
        (b"", "last boundary is missing"),
        (b"a,b\n1,2\n", "check the boundary"),
        (b"--other\r\n", "check the boundary"),
        (END, "has no file: send it as the part `file`"),
        (part("reasons", b"true") + END, "has no file"),
        (file() + file() + END, "`file` is given more than once"),
        (part("file", b"a,b\n") + END, "must be a file: its part needs a filename"),
        (file(b"x", "portfolio") + END, "`portfolio` is no field of this form; it has file, reasons, separator"),
        (file(b"x", "reasons") + END, "`reasons` must be a field"),
        (part("reasons", b"true") * 2 + file() + END, "`reasons` is given more than once"),
        (part("reasons", b"t" * 257) + file() + END, "longer than 256 bytes"),
        (part("reasons", b"\xff") + file() + END, "`reasons` must be UTF-8"),
        (part("", b"x") + file() + END, "Each part of the form needs"),
        (b"--cut\r\nContent-Type: text/csv\r\n\r\nx\r\n" + END, "Each part of the form needs"),
        (file(b"x", "file", "Content-Transfer-Encoding: base64") + END, "not encoded"),
        (file(b"x", "file", "Content-Type: multipart/mixed; boundary=in") + END, "no form itself"),
        (file(b"x", "file", "X: 1", "x: 2") + END, "a header twice"),
        (file(b"x", "file", *(f"X-{i}: 1" for i in range(20))) + END, "headers are at most 8"),
        (file(b"x", "file", "X: " + "y" * 5000) + END, "of 1,024 bytes each"),
        (b"--cut\r\n" + b"y" * 100_000, "headers are at most"),
    ],
)
def test_what_is_odd_is_refused_whole_or_in_pieces(body: bytes, complaint: str) -> None:
    for step in (1 << 20, 7):
        with pytest.raises(MalformedBody) as caught:
            read(body, step)
        assert complaint in caught.value.message


@pytest.mark.parametrize("content_type", [b"multipart/form-data", b"multipart/form-data; boundary=" + b"x" * 71])
def test_a_form_needs_a_boundary_of_a_sane_length(content_type: bytes) -> None:
    with pytest.raises(MalformedBody, match="boundary of 1 to 70"):
        read(END, content_type=content_type)


@pytest.mark.parametrize("content_type", [b"", b"text/csv", b"multipart/mixed; boundary=cut"])
def test_another_media_type_is_not_read(content_type: bytes) -> None:
    with pytest.raises(UnsupportedMediaType, match="form with the file as its part `file`"):
        read(END, content_type=content_type)


def test_a_path_for_a_name_is_only_a_name() -> None:
    form, found = read(part("file", b"x", '; filename="../../x"') + END)
    assert (form.file_name, found) == ("../../x", b"x")


def test_the_parser_logs_nothing_of_what_it_does_not_understand(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MalformedBody):
        read(b"--cut\r\nan applicant's value\r\n")
    assert caplog.records == []
