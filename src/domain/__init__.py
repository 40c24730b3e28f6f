"""Pure model of the gateway: no I/O, clock, randomness or logging.

Imports only the standard library and msgspec. Time, randomness and identifiers arrive as values.
"""
