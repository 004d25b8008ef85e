"""Wrong values, fields and lists; and, at the end, what the log holds of all hostile input."""

import pytest
from hostile import BOTH, GOOD, NATIVE, REST, around, listed, refused, with_value
from installation import KEY, Server
from wire import ask, request

pytestmark = pytest.mark.e2e

SCORED = [
    *(
        ("bank_balance", literal)
        for literal in ("0", "-0", "0.0", "-0.0", "5e-324", "2.2250738585072014e-308", "1e308")
    ),
    *(
        ("bank_balance", literal)
        for literal in ("1e-400", "1E+2", "1000000000000000000000000000000", "1.7976931348623157e308")
    ),
    *(("annual_salary", literal) for literal in ("5e-324", "1e308", "1")),
    *(("employed", literal) for literal in ("0", "1", "-0")),
]
REFUSED = [
    *(("bank_balance", literal) for literal in ("-5e-324", "-1", "true", "false", "null", '"1"', '"NaN"', '""')),
    *(("bank_balance", literal) for literal in ("[1]", "[]", "{}", '{"$gt": 0}')),
    *(("annual_salary", literal) for literal in ("0", "-0.0", "1e-400", "false", "null", '"1e3"', "[[[[1]]]]")),
    *(("employed", literal) for literal in ("2", "-1", "0.5", "true", "null", '"1"', "9007199254740993")),
]
# JSON numbers that no float and no sensible integer holds: a reader may stop at them before it knows whose they are.
BEYOND = [
    ("bank_balance", "1e400"),
    ("bank_balance", "-1e400"),
    ("bank_balance", "1" + "0" * 400),
    ("employed", "1" * 5000),
]
# Not JSON either, but what many programs write: a reader may know them, and refuse them as values.
NO_NUMBERS = ("NaN", "Infinity", "-Infinity")
NO_JSON = ("nan", "inf", "01", "+1", ".5", "1.", "0x10", "1_000", "1e", "'1'", "undefined", "")


@pytest.mark.parametrize(("name", "literal"), SCORED)
def test_extreme_but_allowed_values_are_scored(server: Server, name: str, literal: str) -> None:
    row = with_value(name, literal)
    answers = [ask(server.url, request(target, around(target, row))) for target in (REST, NATIVE)]
    assert [answer.status for answer in answers if answer] == [200, 200]
    one, many = (answer.json() for answer in answers if answer)
    assert 0 < one["data"]["probability"] < 1
    assert many[0]["probability"] == one["data"]["probability"]


@pytest.mark.parametrize(("name", "literal"), REFUSED)
def test_a_wrong_value_is_refused_by_its_name(server: Server, name: str, literal: str) -> None:
    reply = refused(ask(server.url, request(REST, with_value(name, literal).encode())), 422)
    assert reply.json()["error"] == "invalid_applicant"
    assert [detail["field"] for detail in reply.json()["details"]] == [name]


@pytest.mark.parametrize(("name", "literal"), REFUSED)
def test_a_wrong_value_in_a_list_is_refused_in_its_place(server: Server, name: str, literal: str) -> None:
    reply = ask(server.url, request(NATIVE, listed(GOOD, with_value(name, literal), GOOD).encode()))
    assert reply is not None
    assert reply.status == 200, reply
    first, wrong, last = reply.json()
    assert first["probability"] == last["probability"]
    assert (wrong["error"], [detail["field"] for detail in wrong["details"]]) == ("invalid_applicant", [name])


@pytest.mark.parametrize(("name", "literal"), BEYOND, ids=range(len(BEYOND)))
def test_a_number_beyond_all_numbers_is_refused(server: Server, name: str, literal: str) -> None:
    row = with_value(name, literal)
    assert len(refused(ask(server.url, request(REST, row.encode())), 422).body) < 2000
    many = ask(server.url, request(NATIVE, listed(GOOD, row).encode()))
    assert many is not None
    assert many.status == 400 or "error" in many.json()[1]


@pytest.mark.parametrize("literal", NO_NUMBERS)
def test_no_number_and_infinity_are_refused(server: Server, literal: str) -> None:
    row = with_value("bank_balance", literal)
    refused(ask(server.url, request(REST, row.encode())), 422)
    many = ask(server.url, request(NATIVE, listed(GOOD, row).encode()))
    assert many is not None
    assert many.status == 400 or "error" in many.json()[1]


@pytest.mark.parametrize("literal", NO_JSON)
def test_what_is_no_json_number_makes_the_body_no_json(server: Server, literal: str) -> None:
    row = with_value("bank_balance", literal)
    refused(ask(server.url, request(REST, row.encode())), 422)
    refused(ask(server.url, request(NATIVE, listed(GOOD, row).encode())), 400)


DOUBLED = [
    GOOD[:-1] + ', "bank_balance": 1}',
    GOOD[:-1] + ', "bank_balance": 8754.36}',
    GOOD[:-1] + ', "bank\\u005fbalance": 1}',
    '{"bank_balance": -1, ' + GOOD[1:],
]


@pytest.mark.parametrize("row", DOUBLED)
def test_a_field_given_twice_is_refused(server: Server, row: str) -> None:
    reply = refused(ask(server.url, request(REST, row.encode())), 422)
    assert "bank_balance" in reply.json()["message"]
    many = ask(server.url, request(NATIVE, listed(GOOD, row).encode()))
    assert many is not None
    assert many.status == 400 or "error" in many.json()[1]


def test_two_lists_in_one_body_are_refused(server: Server) -> None:
    refused(ask(server.url, request(NATIVE, f'{listed(GOOD)[:-1]}, "applications": [{GOOD}]}}'.encode())), 400)


@pytest.mark.parametrize(
    "name", ["x", "__proto__", "Employed", "employed ", "employed\\u0000", "", "a" * 10_000, "ｅmployed"]
)
def test_an_unknown_field_is_refused_and_not_echoed_at_length(server: Server, name: str) -> None:
    row = GOOD[:-1] + f', "{name}": 1}}'
    reply = refused(ask(server.url, request(REST, row.encode())), 422)
    assert len(reply.body) < 2000
    many = ask(server.url, request(NATIVE, listed(row).encode()))
    assert many is not None
    assert [answer["error"] for answer in many.json()] == ["invalid_applicant"]


@pytest.mark.parametrize("row", ["null", "1", '"x"', "[]", "{}", "true", f"[{GOOD}]"])
def test_what_is_no_applicant_is_refused(server: Server, row: str) -> None:
    refused(ask(server.url, request(REST, row.encode())), 422)
    many = ask(server.url, request(NATIVE, listed(row, GOOD).encode()))
    assert many is not None
    assert (many.status, ["error" in answer for answer in many.json()]) == (200, [True, False])


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", GOOD, '{"applications": 1}', '{"applications": {}}', listed()]
)
def test_what_is_no_list_is_400_on_bentomls_face(server: Server, body: str) -> None:
    refused(ask(server.url, request(NATIVE, body.encode())), 400)


@pytest.mark.parametrize(("count", "status"), [(1000, 200), (1001, 400)])
def test_a_list_has_at_most_a_thousand(server: Server, count: int, status: int) -> None:
    reply = ask(server.url, request(NATIVE, listed(*[GOOD] * count).encode()))
    assert reply is not None
    assert reply.status == status


@pytest.mark.parametrize(
    "query", ["reasons=1", "reasons=", "reasons", "reasons=True", "reasons=true&reasons=true", "x=1", "%ff=%ff"]
)
def test_a_query_that_is_not_described_is_refused(server: Server, query: str) -> None:
    reply = refused(ask(server.url, request(f"{REST}?{query}", GOOD.encode())), 422)
    assert reply.json()["error"] == "invalid_query"


@BOTH
@pytest.mark.parametrize("reference", ["", "a" * 65, "a b", 'a"b', "é", "a/b", "../x", "a;b"])
def test_a_bad_reference_is_refused(server: Server, target: str, reference: str) -> None:
    data = request(target, around(target, GOOD), f"X-Applicant-Reference: {reference}")
    refused(ask(server.url, data), 422 if target == REST else 400)


def test_the_log_of_all_that_holds_no_applicant_no_key_and_no_stack(server: Server) -> None:
    log = server.log.read_text()
    assert "Traceback" not in log
    for secret in (KEY, "8754.36", "532339.56"):
        assert secret not in log
