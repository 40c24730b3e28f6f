"""Whether a route is fit for a request at all, whatever its health."""

from domain.routing.capabilities import RequestNeeds
from domain.routing.catalog import Catalog, Model, Route
from domain.routing.exclusion import Exclusion, ExclusionReason
from domain.routing.serving import serves


def mismatch(catalog: Catalog, model: Model, route: Route, needs: RequestNeeds) -> Exclusion | None:
    """Return the first lasting reason why `route` cannot serve, or None when it can."""
    found = _configuration(catalog, route, needs) or _ability(model, route, needs)
    if found is None:
        return None
    reason, detail = found
    return Exclusion(
        route_id=route.id,
        provider_id=route.provider_id,
        model=model.name,
        reason=reason,
        detail=detail,
    )


def _configuration(
    catalog: Catalog, route: Route, needs: RequestNeeds
) -> tuple[ExclusionReason, str] | None:
    if not route.enabled:
        return ExclusionReason.ROUTE_DISABLED, ""
    provider = catalog.providers.get(route.provider_id)
    if provider is None:
        return ExclusionReason.PROVIDER_MISSING, ""
    if not provider.enabled:
        return ExclusionReason.PROVIDER_DISABLED, provider.name
    if not serves(provider.kind, needs.operation, needs.dialect):
        detail = f"{needs.operation.value} of {needs.dialect.value} at {provider.kind.value}"
        return ExclusionReason.OPERATION_NOT_SERVED, detail
    if needs.provider_ids is not None and route.provider_id not in needs.provider_ids:
        return ExclusionReason.OTHER_PROVIDER_HOLDS_STATE, ""
    return None


def _ability(model: Model, route: Route, needs: RequestNeeds) -> tuple[ExclusionReason, str] | None:
    able = route.capabilities.over(model.capabilities)
    if lacking := needs.features & able.cannot:
        return ExclusionReason.CAPABILITY_MISSING, ", ".join(sorted(lacking))
    most = able.max_output_tokens
    if most is not None and needs.output_tokens > most:
        return (
            ExclusionReason.OUTPUT_TOO_SMALL,
            f"asks for {needs.output_tokens} tokens, can give {most}",
        )
    needed = needs.input_tokens + needs.output_tokens
    window = able.context_window
    if window is not None and needed > window:
        return ExclusionReason.CONTEXT_TOO_SMALL, f"needs {needed} tokens, has {window}"
    return None
