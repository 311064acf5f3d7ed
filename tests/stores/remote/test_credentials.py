import pytest

from wherry.oci.errors import CredentialsError
from wherry.stores.remote.credentials import Credential, Credentials, Fixed, HelperAbsent, InOrder


class Broken:
    """A source that fails."""

    def __init__(self, error: CredentialsError) -> None:
        self.error = error

    async def find(self, registry: str, repository: str = "") -> Credential | None:
        raise self.error


NOBODY = Fixed({})
SOMEBODY = Fixed({"r.example": Credential("me", "x")})
ABSENT = Broken(HelperAbsent("docker-credential-x is not installed"))
BROKEN = Broken(CredentialsError("config.json: it is not JSON"))


def test_secrets_are_not_printed():
    credential = Credential("me", "secret1", "secret2", "secret3")
    assert repr(credential) == "Credential(username='me')"
    assert credential.who == "user 'me'"
    assert Credential(identity_token="x").who == "a token"


async def test_fixed_credentials_are_found_by_registry():
    assert await SOMEBODY.find("r.example") == Credential("me", "x")
    assert await NOBODY.find("r.example") is None


@pytest.mark.parametrize("sources", [(SOMEBODY,), (NOBODY, SOMEBODY), (ABSENT, SOMEBODY), (SOMEBODY, BROKEN)])
async def test_first_source_that_has_a_credential_gives_it(sources: tuple[Credentials, ...]):
    assert await InOrder(sources).find("r.example", "team/app") == Credential("me", "x")


async def test_nobody_has_one():
    assert await InOrder([NOBODY, NOBODY]).find("r.example") is None


@pytest.mark.parametrize(
    ("sources", "problem"), [((ABSENT, NOBODY), "not installed"), ((BROKEN, SOMEBODY), "not JSON")]
)
async def test_what_does_not_work_is_said(sources: tuple[Credentials, ...], problem: str):
    with pytest.raises(CredentialsError, match=problem):
        await InOrder(sources).find("r.example")
