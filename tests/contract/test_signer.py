"""Signer: a signature belongs to one content and one key, and keys of the ring can be replaced."""

from adapters.crypto.signing import Ed25519Signer

OLD, NEW = (bytes([number]) * 32 for number in (1, 2))


def test_a_signature_is_right_for_its_content_only() -> None:
    signer = Ed25519Signer([NEW], purpose="audit")
    signature = signer.sign(b"content")
    assert signer.verify(b"content", signature, signer.key_id) is True
    assert signer.verify(b"contend", signature, signer.key_id) is False
    assert signer.verify(b"content", bytes(64), signer.key_id) is False


def test_a_key_that_was_replaced_still_verifies_while_it_is_in_the_ring() -> None:
    old = Ed25519Signer([OLD], purpose="audit")
    both = Ed25519Signer([NEW, OLD], purpose="audit")
    signature = old.sign(b"content")
    assert both.key_id != old.key_id
    assert both.verify(b"content", signature, old.key_id) is True
    assert Ed25519Signer([NEW], purpose="audit").verify(b"content", signature, old.key_id) is None


def test_each_purpose_has_keys_of_its_own() -> None:
    assert (
        Ed25519Signer([NEW], purpose="audit").key_id != Ed25519Signer([NEW], purpose="other").key_id
    )
