"""Which addresses may be connected to."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.routing.address_policy import NEVER, AddressPolicy

STRICT = AddressPolicy()
EVERYTHING = AddressPolicy.allowing(["0.0.0.0/0", "::/0"])

METADATA = [
    "169.254.169.254",  # AWS, GCP, Azure, OCI, DigitalOcean
    "169.254.170.2",  # ECS task credentials
    "168.63.129.16",  # Azure WireServer
    "100.100.100.200",  # Alibaba Cloud
    "192.0.0.192",  # Oracle Cloud
    "fd00:ec2::254",  # AWS
    "fd20:ce::254",  # GCP
    "fe80::1",
    "fe80::a9fe:a9fe%eth0",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "255.255.255.255",
    "240.0.0.1",
    "224.0.0.1",
    "ff02::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]
NON_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "203.0.113.7",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "2001:db8::1",
]
PUBLIC = [
    "1.1.1.1",
    "104.18.6.192",
    "172.32.0.1",
    "100.128.0.1",
    "169.253.255.255",
    "2606:4700::6812:6c0",
    "64:ff9b::101:101",
]


@pytest.mark.parametrize("address", METADATA)
def test_metadata_and_link_local_addresses_are_refused_whatever_is_allowed(address: str) -> None:
    assert not EVERYTHING.permits(address)
    assert not AddressPolicy.allowing([address.partition("%")[0]]).permits(address)


@pytest.mark.parametrize("address", NON_PUBLIC)
def test_non_public_addresses_need_permission(address: str) -> None:
    assert not STRICT.permits(address)
    assert EVERYTHING.permits(address)
    assert AddressPolicy.allowing([address]).permits(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_need_no_permission(address: str) -> None:
    assert STRICT.permits(address)


def test_permission_is_for_the_range_given_only() -> None:
    policy = AddressPolicy.allowing(["10.1.0.0/16", " ::1 "])
    assert policy.permits("10.1.255.255")
    assert not policy.permits("10.2.0.0")
    assert policy.permits("::1")
    assert not policy.permits("127.0.0.1")


@pytest.mark.parametrize(
    "form", ["::ffff:{}", "::ffff:0:{}", "::ffff:0:0", "64:ff9b::{}", "::{}", "2002:{hex}::1"]
)
def test_ipv6_forms_are_judged_by_the_ipv4_address_inside(form: str) -> None:
    for inside in ("169.254.169.254", "127.0.0.1", "10.0.0.1"):
        number = int(IPv4Address(inside))
        text = form.format(inside, hex=f"{number >> 16:x}:{number & 0xFFFF:x}")
        assert not STRICT.permits(text)
        if "{}" in form and inside != "169.254.169.254":
            assert AddressPolicy.allowing([inside]).permits(text)


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_like_the_plain_one(address: IPv4Address) -> None:
    mapped = IPv6Address(f"::ffff:{address}")
    for policy in (STRICT, EVERYTHING, AddressPolicy.allowing(["10.0.0.0/8"])):
        assert policy.permits(mapped) == policy.permits(address)


@given(st.ip_addresses())
def test_permission_never_takes_away(address: IPv4Address | IPv6Address) -> None:
    assert EVERYTHING.permits(address) or not STRICT.permits(address)


@given(
    st.sampled_from([network for network in NEVER if isinstance(network, IPv4Network)]).flatmap(
        lambda network: st.integers(0, network.num_addresses - 1).map(lambda at: network[at])
    )
)
def test_no_address_of_a_refused_range_is_permitted(address: IPv4Address) -> None:
    assert not EVERYTHING.permits(address)
    assert not EVERYTHING.permits(f"::ffff:{address}")


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "0x7f.1", "127.0.0.1:80", "[::1]"])
def test_what_is_not_an_address_is_refused(text: str) -> None:
    assert not EVERYTHING.permits(text)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "nonsense", "10.0.0.0/33", ""])
def test_a_bad_range_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(ValueError, match=text or "''"):
        AddressPolicy.allowing([text])
