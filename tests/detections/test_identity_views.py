"""What rules about identities stand on: addresses, networks, issuers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detections.views import create_views
from lake.delta import Lake
from lake.query import connect


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    lake = Lake.open(tmp_path_factory.mktemp("views") / "lake", create=True)
    with connect(lake) as con:
        create_views(con)
        yield con


def value(con: duckdb.DuckDBPyConnection, expression: str, *given: Any) -> Any:
    return con.execute(f"SELECT {expression} AS it", list(given)).to_arrow_table()["it"][0].as_py()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("203.0.113.9", True),
        ("172.15.0.1", True),
        ("172.32.0.1", True),
        ("100.128.0.1", True),
        ("2001:db8::1", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("172.31.255.255", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("::ffff:10.0.0.1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_public_is_what_the_internet_can_reach(con: duckdb.DuckDBPyConnection, address: str, public: bool) -> None:
    """Private, shared, loopback and link-local addresses are not, and what is no address is none."""
    assert value(con, "is_public_address(?)", address) is public


@given(st.ip_addresses(), st.integers(0, 128), st.ip_addresses())
def test_an_address_lies_in_a_network_as_python_says(
    con: duckdb.DuckDBPyConnection, address: Any, length: int, other: Any
) -> None:
    """in_networks agrees with the standard library for every address and prefix of either family."""
    network = ipaddress.ip_network(f"{other}/{length % (other.max_prefixlen + 1)}", strict=False)
    expected = address.version == network.version and address in network

    assert value(con, "in_networks(?, ?)", str(address), [str(network)]) is expected
    assert value(con, "in_networks(?, ?)", str(address), [str(address)]) is True


def test_no_network_holds_what_is_no_address(con: duckdb.DuckDBPyConnection) -> None:
    """A list that is empty, and a name instead of an address, match nothing."""
    assert value(con, "in_networks('10.0.0.1', []::VARCHAR[])") is False
    assert value(con, "in_networks('localhost', ['0.0.0.0/0', '::/0'])") is False


@pytest.mark.parametrize(
    ("name", "issuer"),
    [
        ("https://login.example/realm#bob", "https://login.example/realm#"),
        ("oidc:carol@corp.example", "oidc:"),
        ("bob@corp.example", None),
        ("bob", None),
    ],
)
def test_an_issuer_is_the_prefix_of_a_name(con: duckdb.DuckDBPyConnection, name: str, issuer: str | None) -> None:
    """What stands before the subject, with its separator."""
    assert value(con, "issuer_of(?)", name) == issuer


def test_a_place_is_a_network_near_the_address(con: duckdb.DuckDBPyConnection) -> None:
    """A /24 of IPv4 and a /64 of IPv6."""
    assert value(con, "address_place('10.1.2.3')") == "10.1.2.0/24"
    assert value(con, "address_place('2001:db8:1:2:3::1')") == "2001:db8:1:2::/64"
