"""Reads and writes a structure in Thrift's compact protocol, in which Parquet keeps the footer of a file.

A structure is a dictionary of its fields by number, each a pair of the wire type and the value, so that what is not
understood is kept as it is. See the Apache Thrift specification "Thrift Compact protocol encoding".
"""

from typing import Any, TypeAlias

Struct: TypeAlias = dict[int, tuple[int, Any]]

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)
I64 = 6
_LONG_LIST = 15


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while head := self._byte():
            delta, wire = head >> 4, head & 15
            number = number + delta if delta else _unzigzag(self._varint())
            fields[number] = (wire, self._value(wire))
        return fields

    def _value(self, wire: int) -> Any:  # noqa: PLR0911  # one for each type
        if wire in {_TRUE, _FALSE}:
            return None
        if wire == _BYTE:
            return self._byte()
        if wire in _INTEGERS:
            return _unzigzag(self._varint())
        if wire == _DOUBLE:
            return self._bytes(8)
        if wire == _BINARY:
            return self._bytes(self._varint())
        if wire in {_LIST, _SET}:
            return self._list()
        if wire == _STRUCT:
            return self.struct()
        raise ValueError(f"unknown wire type {wire}")

    def _list(self) -> tuple[int, list[Any]]:
        head = self._byte()
        size, wire = head >> 4, head & 15
        if size == _LONG_LIST:
            size = self._varint()
        # In a list a boolean is a byte of its own.
        return wire, [self._byte() if wire in {_TRUE, _FALSE} else self._value(wire) for _ in range(size)]

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def _byte(self) -> int:
        self._place += 1
        return self._content[self._place - 1]

    def _bytes(self, count: int) -> bytes:
        self._place += count
        return self._content[self._place - count : self._place]


def read_struct(content: bytes) -> Struct:
    """Read one structure from the beginning of `content`; raises ValueError or IndexError when there is none."""
    return _Reader(content).struct()


def write_struct(fields: Struct) -> bytes:
    """The same structure in bytes."""
    out = bytearray()
    _write_fields(out, fields)
    return bytes(out)


def _write_fields(out: bytearray, fields: Struct) -> None:
    last = 0
    for number, (wire, value) in fields.items():
        if 0 < number - last <= 15:
            out.append((number - last) << 4 | wire)
        else:
            out.append(wire)
            _write_varint(out, _zigzag(number))
        _write_value(out, wire, value)
        last = number
    out.append(0)


def _write_value(out: bytearray, wire: int, value: Any) -> None:
    if wire == _BYTE:
        out.append(value)
    elif wire in _INTEGERS:
        _write_varint(out, _zigzag(value))
    elif wire == _DOUBLE:
        out += value
    elif wire == _BINARY:
        _write_varint(out, len(value))
        out += value
    elif wire in {_LIST, _SET}:
        _write_list(out, *value)
    elif wire == _STRUCT:
        _write_fields(out, value)


def _write_list(out: bytearray, wire: int, values: list[Any]) -> None:
    out.append(min(len(values), _LONG_LIST) << 4 | wire)
    if len(values) >= _LONG_LIST:
        _write_varint(out, len(values))
    for value in values:
        if wire in {_TRUE, _FALSE}:
            out.append(value)
        else:
            _write_value(out, wire, value)


def _write_varint(out: bytearray, number: int) -> None:
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _unzigzag(number: int) -> int:
    return number >> 1 if number & 1 == 0 else -(number >> 1) - 1
