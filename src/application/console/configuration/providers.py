"""Planning of providers and their sealed credentials."""

from application.console.configuration.credentials import ProviderCredentials, text_of
from application.console.configuration.document import ProviderEntry
from application.console.configuration.plan import (
    SHOWN_SECRET,
    FieldChange,
    Planned,
    field_changes,
)
from application.console.configuration.planning import (
    Planning,
    Plans,
    create,
    delete,
    is_repeated,
    readable,
    unchanged,
    update,
)
from application.ports.provider import ProviderFactory
from application.ports.secrets import SecretCipher
from domain.errors import InvalidRequest
from domain.identifiers import ProviderId
from domain.names import slug_fault
from domain.routing.catalog import ProviderSpec


class ProviderPlanner:
    """Compares providers, credentials included, and tries new configurations before storing them."""

    def __init__(self, cipher: SecretCipher, factory: ProviderFactory) -> None:
        """`factory` refuses configurations that cannot work."""
        self._credentials = ProviderCredentials(cipher, factory)

    async def plan(self, planning: Planning) -> Plans:
        """Providers by name."""
        upserts: list[Planned] = []
        seen: set[str] = set()
        for path, entry in readable(planning.document.providers, "providers"):
            if fault := slug_fault(entry.name):
                planning.faults.append(f"{path}.name: {fault}")
            elif not is_repeated(seen, entry.name, f"{path}.name", planning.faults):
                upserts.append(await self._plan_one(planning, path, entry))
        stored = planning.stored.providers
        planning.provider_ids.update({each.name: each.id for each in stored.values()})
        gone = [
            _deletion(provider)
            for name, provider in stored.items()
            if planning.prune and name not in planning.names["providers"]
        ]
        return Plans(upserts, gone)

    async def _plan_one(self, planning: Planning, path: str, entry: ProviderEntry) -> Planned:
        stored = planning.stored.providers.get(entry.name)
        provider_id = stored.id if stored is not None else ProviderId(planning.ids.new_id())
        planning.provider_ids[entry.name] = provider_id
        credential_changes: tuple[FieldChange, ...] = ()
        sealed = stored.sealed_credentials if stored is not None else None
        note = ""
        if entry.credentials is not None:
            same, note = self._is_stored(entry.credentials, stored)
            if not same:
                before = SHOWN_SECRET if sealed is not None else "-"
                sealed = self._credentials.sealed(entry.credentials, provider_id)
                after = SHOWN_SECRET if sealed is not None else "-"
                credential_changes = (FieldChange("credentials", before, after),)
        provider = ProviderSpec(
            id=provider_id,
            name=entry.name,
            kind=entry.kind,
            base_url=entry.base_url,
            sealed_credentials=sealed,
            options=entry.options,
            enabled=entry.enabled,
        )
        if stored is None:
            planned = create("provider", entry.name, lambda tx: tx.providers.add(provider))
        else:
            changes = credential_changes + field_changes(
                [
                    ("kind", stored.kind.value, provider.kind.value),
                    ("base_url", stored.base_url, provider.base_url),
                    (
                        "options",
                        text_of(stored.options).reveal(),
                        text_of(provider.options).reveal(),
                    ),
                    ("enabled", stored.enabled, provider.enabled),
                ]
            )
            if not changes:
                return unchanged("provider", entry.name)
            planned = update(
                "provider", entry.name, changes, lambda tx: tx.providers.update(provider), note
            )
        if fault := await self._credentials.fault(provider):
            planning.faults.append(
                f"{path}.{fault.param}: {fault.message}"
                if fault.param
                else f"{path}: {fault.message}"
            )
        return planned

    def _is_stored(
        self, credentials: dict[str, object], stored: ProviderSpec | None
    ) -> tuple[bool, str]:
        """Tell whether these are the stored credentials, and what to note about it if not."""
        if stored is None or stored.sealed_credentials is None:
            return not credentials, ""
        try:
            opened = self._credentials.opened(stored)
        except InvalidRequest:
            return False, "the stored credentials cannot be opened with the present key ring"
        return opened == text_of(credentials), ""


def _deletion(provider: ProviderSpec) -> Planned:
    return delete("provider", provider.name, lambda tx: tx.providers.remove(provider.id))
