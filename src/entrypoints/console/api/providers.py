"""`/api/providers`: whether providers answer, and the models they offer."""

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Response

from application.console.providers import InspectProviders, ModelsOffered, ProviderTest
from entrypoints.console.answers import answer


def provider_routes(providers: InspectProviders) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @post(
        "/api/providers/{name:str}/test",
        operation_id="test_provider",
        tags=["providers"],
        status_code=200,
    )
    async def test_provider(name: FromPath[str]) -> Response[ProviderTest]:
        """Ask a provider for its models with the stored configuration and credentials.

        Where it gives no list, a model that has a route to it is called with a bound of 16 tokens.
        A provider that does not answer is a result (`ok` is false), not an error.
        """
        return answer(await providers.test(name))

    @get(
        "/api/providers/{name:str}/models", operation_id="list_provider_models", tags=["providers"]
    )
    async def list_provider_models(name: FromPath[str]) -> Response[ModelsOffered]:
        """List the models a provider offers to its credentials.

        An `id` is what a route names as its `upstream_model`. 400 (`unsupported`) when the provider
        has no list, 502 or 504 when it could not be asked.
        """
        return answer(await providers.models(name))

    return [test_provider, list_provider_models]
