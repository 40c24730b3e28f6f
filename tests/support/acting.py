"""Somebody who may do everything, for tests of what is done and not of who may do it."""

from domain.access.actor import system_actor

OPERATOR = system_actor("operator")
