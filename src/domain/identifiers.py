"""Identifiers: UUIDv7 text for rows, so that ids sort by creation time."""

from typing import NewType

UserId = NewType("UserId", str)
TeamId = NewType("TeamId", str)
SsoProviderId = NewType("SsoProviderId", str)
ApiKeyId = NewType("ApiKeyId", str)
LineageId = NewType("LineageId", str)
ProviderId = NewType("ProviderId", str)
ModelId = NewType("ModelId", str)
RouteId = NewType("RouteId", str)
PriceId = NewType("PriceId", str)
EventId = NewType("EventId", str)
RequestId = NewType("RequestId", str)
