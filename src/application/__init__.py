"""Use cases and the ports they need. Knows `domain`; never a technology."""
