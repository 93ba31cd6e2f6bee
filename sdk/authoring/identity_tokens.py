"""A build's identity token, for publishing without a stored secret."""

from __future__ import annotations

import os
from collections.abc import Mapping

import httpx

from sdk.authoring.errors import NoToken, RegistryRefused
from sdk.authoring.registry_api import RegistryApi, checked

IDENTITY_VARIABLE = "COMFY_PACKS_OIDC_TOKEN"
_REQUEST_ADDRESS, _REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_SECONDS = 30


def exchanged_token(api: RegistryApi, environment: Mapping[str, str] = os.environ) -> str:
    """A short-lived token of the registry, for the identity token that the build has or can ask for.

    It is taken from ``COMFY_PACKS_OIDC_TOKEN``, or asked for as GitHub's workflows do it.

    Raises:
        NoToken: the build has neither.
        RegistryRefused: the issuer gives no token, or the registry does not trust it.
    """
    token = environment.get(IDENTITY_VARIABLE) or _asked(api, environment)
    return str(api.exchange(token)["token"])


def _asked(api: RegistryApi, environment: Mapping[str, str]) -> str:
    address, secret = environment.get(_REQUEST_ADDRESS), environment.get(_REQUEST_TOKEN)
    if not address or not secret:
        raise NoToken(api.registry)
    headers, params = {"Authorization": f"Bearer {secret}"}, {"audience": api.audience()}
    what = "get an identity token for this build"
    try:
        answer = httpx.get(httpx.URL(address).copy_merge_params(params), headers=headers, timeout=_SECONDS)
    except httpx.HTTPError as error:
        raise RegistryRefused(api.registry, what, 0, str(error) or type(error).__name__) from error
    return str(checked(answer, api.registry, what, 200)["value"])
