"""TLS, with real certificates, in front of our own registry: whose certificates count, and the line for each way to fail."""

import ssl
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.content import a_blob, an_image, pieces, put, read
from tests.stores.remote.guarded import basic_header
from tests.stores.remote.stub import Reply, front, json_reply, refused, stub
from wherry.oci.errors import RouteError, TLSFailed, Unreachable
from wherry.oci.reference import Tag
from wherry.stores.remote import Client
from wherry.stores.remote.credentials import Credential, Fixed
from wherry.stores.remote.hosts_files import HostFiles


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def trusting(tmp_path: Path):
    """The hosts that a certs.d folder tells; it has these files for the registry at an address."""

    def make(address: str, **files: Path | str) -> HostFiles:
        folder = tmp_path / "certs.d" / address
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            text = content if isinstance(content, str) else content.read_text()
            (folder / name.replace("_", ".")).write_text(text)
        return HostFiles(folders=[tmp_path / "certs.d"])

    return make


async def test_registry_whose_authority_is_in_certs_d_is_read_and_written(registry, opened, authority, trusting):
    image = an_image()
    async with front(registry.address, tls=authority.server()) as server:
        repository = opened(server.address, hosts=trusting(server.address, ca_crt=authority.file))
        await put(image, repository, "v1")
        assert await repository.manifest(Tag("v1")) == image.manifest


async def test_authority_that_is_not_known_is_not_trusted(opened, authority, trusting, tmp_path):
    other = Authority(tmp_path / "other")
    async with stub(lambda _: json_reply({}), tls=authority.server()) as server:
        for files in ({"ca_crt": other.file}, {"hosts_toml": f'server = "https://{server.address}"'}):
            hosts = trusting(server.address, **files)
            with pytest.raises(
                TLSFailed, match="the certificate is signed by an authority that this machine"
            ) as caught:
                await opened(server.address, hosts=hosts).manifest(Tag("v1"))
            assert "certs.d/HOST/ca.crt" in (caught.value.hint or "")
            (tmp_path / "certs.d" / server.address / "ca.crt").unlink(missing_ok=True)


async def test_authority_of_the_same_name_with_another_key(opened, authority, trusting, tmp_path):
    other = Authority(tmp_path / "elsewhere" / authority.folder.name)
    async with stub(lambda _: json_reply({}), tls=authority.server()) as server:
        hosts = trusting(server.address, ca_crt=other.file)
        with pytest.raises(TLSFailed, match="the certificate is signed with another key than that of the authority"):
            await opened(server.address, hosts=hosts).manifest(Tag("v1"))


@pytest.mark.parametrize("asks", [False, True], ids=["", "and wants one of ours"])
async def test_self_signed_certificate_that_is_trusted_counts_as_for_docker(
    registry, opened, authority, trusting, asks
):
    tls = authority.itself("DNS:localhost", "IP:127.0.0.1")
    files = {"ca_crt": authority.file}
    if asks:
        files["client_cert"], files["client_key"] = authority.issue("me")
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(authority.file)
    layer = a_blob(bytes(3_000_000))
    async with front(registry.address, tls=tls) as server:
        repository = opened(server.address, hosts=trusting(server.address, **files))
        await repository.push(layer.descriptor, pieces(layer.content))
        assert await read(repository.fetch(layer.descriptor)) == layer.content
    assert {asked.headers["host"] for asked in server.asked} == {server.address}


async def test_self_signed_certificate_is_not_trusted_by_itself(opened, authority, trusting, tmp_path):
    other = Authority(tmp_path / "other")
    async with stub(lambda _: json_reply({}), tls=authority.itself("IP:127.0.0.1")) as server:
        hosts = trusting(server.address, ca_crt=other.file)
        with pytest.raises(TLSFailed, match="the certificate is self-signed") as caught:
            await opened(server.address, hosts=hosts).manifest(Tag("v1"))
        assert "certs.d/HOST/ca.crt" in (caught.value.hint or "")
    assert server.asked == []


async def test_self_signed_certificate_is_trusted_for_its_own_names_alone(opened, authority, trusting):
    async with stub(lambda _: json_reply({}), tls=authority.itself("DNS:r.example")) as server:
        hosts = trusting(server.address, ca_crt=authority.file)
        with pytest.raises(TLSFailed, match="the certificate is for another host name") as caught:
            await opened(server.address, hosts=hosts).manifest(Tag("v1"))
        assert "wherry doctor" in (caught.value.hint or "")
    assert server.asked == []


async def test_certificate_that_has_expired(opened, authority, trusting):
    async with stub(lambda _: json_reply({}), tls=authority.server(days=-1)) as server:
        hosts = trusting(server.address, ca_crt=authority.file)
        with pytest.raises(TLSFailed, match="the certificate has expired") as caught:
            await opened(server.address, hosts=hosts).manifest(Tag("v1"))
    assert "whoever runs the registry can renew it" in (caught.value.hint or "")


async def test_certificate_for_another_host(opened, authority, trusting):
    async with stub(lambda _: json_reply({}), tls=authority.server(), host="127.0.0.2") as server:
        hosts = trusting(server.address, ca_crt=authority.file)
        with pytest.raises(TLSFailed, match="the certificate is for another host name") as caught:
            await opened(server.address, hosts=hosts).manifest(Tag("v1"))
    assert "wherry doctor" in (caught.value.hint or "")


@pytest.mark.parametrize("is_leaf", [False, True])
async def test_certificate_that_has_a_common_name_alone(opened, authority, trusting, is_leaf):
    """Neither the HTTP library's TLS nor the relay's goes by it."""
    tls = authority.itself(is_leaf=is_leaf)
    async with stub(lambda _: json_reply({}), tls=tls) as server:
        address = server.address.replace("127.0.0.1", "localhost")
        hosts = trusting(address, ca_crt=authority.file)
        words = "names no host" if is_leaf else "is for another host name"
        with pytest.raises(TLSFailed, match=f"the certificate {words}"):
            await opened(address, hosts=hosts).manifest(Tag("v1"))
    assert server.asked == []


@pytest.mark.parametrize("text", ["skip_verify = true", 'server = "https://{address}"\nskip_verify = true'])
async def test_skip_verify_trusts_any(registry, opened, authority, trusting, text):
    async with front(registry.address, tls=authority.server(days=-1)) as server:
        hosts = trusting(server.address, hosts_toml=text.format(address=server.address))
        await put(an_image(), opened(server.address, hosts=hosts), "v1")


async def test_client_certificate_is_shown_where_it_is_wanted(registry, opened, authority, trusting):
    certificate, key = authority.issue("me")
    async with front(registry.address, tls=authority.server(asks=True)) as server:
        hosts = trusting(server.address, ca_crt=authority.file, me_cert=certificate, me_key=key)
        await put(an_image(), opened(server.address, hosts=hosts), "v1")


async def test_client_certificate_that_is_missing(opened, authority, trusting):
    async with stub(lambda _: json_reply({}), tls=authority.server(asks=True)) as server:
        hosts = trusting(server.address, ca_crt=authority.file)
        with pytest.raises(Unreachable) as caught:
            await opened(server.address, hosts=hosts).manifest(Tag("v1"))
    assert "client certificate" in f"{caught.value}{caught.value.hint}"
    assert "client.cert" in (caught.value.hint or "")


async def test_key_that_is_another_certificates(opened, authority, trusting):
    certificate, _ = authority.issue("me")
    _, key = authority.issue("you")
    async with stub(lambda _: json_reply({}), tls=authority.server()) as server:
        hosts = trusting(server.address, ca_crt=authority.file, me_cert=certificate, me_key=key)
        with pytest.raises(RouteError, match=r"me\.cert, .*me\.key: the private key is not that of the certificate"):
            await opened(server.address, hosts=hosts).manifest(Tag("v1"))


async def test_certificate_that_is_damaged(opened, trusting):
    text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(RouteError, match=r"ca\.crt: a certificate or key in them is damaged"):
        await opened("r.invalid", hosts=trusting("r.invalid", ca_crt=text)).manifest(Tag("v1"))


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    ],
    ids=["pkcs8", "openssl's own"],
)
async def test_key_that_is_encrypted_is_told_as_that(opened, authority, trusting, text):
    certificate, _ = authority.issue("me")
    hosts = trusting("r.invalid", client_cert=certificate.read_text(), client_key=text)
    with pytest.raises(RouteError, match=r"client\.key: the private key in it is encrypted") as caught:
        await opened("r.invalid", hosts=hosts).manifest(Tag("v1"))
    assert "openssl pkey -in" in (caught.value.hint or "")


async def test_token_server_and_storage_behind_the_same_authority_are_trusted_and_see_no_client_certificate(
    registry, opened, authority, trusting
):
    """Storage is one port further, so it gets neither the token nor the certificate."""
    certificate, key = authority.issue("me")
    image = an_image()
    await put(image, opened(registry.address), "v1")
    blob = image.blobs[0].descriptor
    async with (
        front(registry.address, tls=authority.server()) as storage,
        stub(lambda _: json_reply({"token": "t"}), tls=authority.server()) as tokens,
    ):

        def checked(asked):
            if asked.headers.get("authorization") != "Bearer t":
                challenge = f'Bearer realm="https://{tokens.address}/token",service="s"'
                return refused(401, "UNAUTHORIZED", WWW_Authenticate=challenge)
            if "/blobs/" in asked.path:
                return Reply(307, {"Location": f"https://{storage.address}{asked.path}"})
            return None

        async with front(registry.address, checked, tls=authority.server(asks=True)) as server:
            hosts = trusting(server.address, ca_crt=authority.file, me_cert=certificate, me_key=key)
            credentials = Fixed({server.address: Credential("me", "secret")})
            repository = opened(server.address, hosts=hosts, credentials=credentials)
            assert b"".join([piece async for piece in repository.fetch(blob)]) == image.blobs[0].content
    assert tokens.asked[0].headers["authorization"] == basic_header("me", "secret")
    assert [asked.headers.get("authorization") for asked in storage.asked] == [None]


async def test_registry_with_certificates_is_never_spoken_to_in_plain_http(registry, authority, trusting):
    """Loopback needs no flag for plain HTTP, but for who says whose certificate counts."""
    async with Client(hosts=trusting(registry.address, ca_crt=authority.file)) as client:
        with pytest.raises(TLSFailed, match="the registry speaks plain HTTP"):
            await client.registry(registry.address).ping()
