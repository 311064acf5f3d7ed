"""The files that say how a registry is reached: certs.d, hosts.toml, registries.conf. What they say, and what is wrong with them."""

from pathlib import Path

import pytest

from tests.certificates import A_CERTIFICATE, A_KEY
from wherry.oci.errors import RouteError
from wherry.stores.remote.hosts import Endpoint, Host, Route
from wherry.stores.remote.hosts_files import HostFiles
from wherry.stores.remote.trust import SYSTEM

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def write(tmp_path: Path):
    """Write files into the test's folder, by their paths; gives the hosts that they tell."""

    def write_files(files: dict[str, str]) -> HostFiles:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return HostFiles(
            folders=[tmp_path / "own", tmp_path / "certs.d"],
            registries=[tmp_path / "registries.conf", tmp_path / "drop-in.conf"],
        )

    return write_files


def test_without_files_a_registry_is_its_own_host(write):
    hosts = write({})
    assert hosts.route("r.example", "team/app") == Route(Endpoint(Host("r.example")))
    assert hosts.trust("r.example") == SYSTEM


def test_docker_hub_is_reached_at_its_api_and_known_by_its_name():
    host = Host("docker.io")
    assert (host.name, host.address) == ("docker.io", "registry-1.docker.io")


# certs.d


def test_certificates_of_a_host_are_its_folders(write, tmp_path):
    hosts = write(
        {
            "certs.d/r.example:5000/ca.crt": A_CERTIFICATE,
            "certs.d/r.example:5000/client.cert": A_CERTIFICATE,
            "certs.d/r.example:5000/client.key": A_KEY,
            "certs.d/r.example:5000/README": "whatever",
        }
    )
    trust = hosts.trust("r.example:5000")
    assert trust.authorities == (A_CERTIFICATE.encode(),)
    assert trust.identity == f"{A_CERTIFICATE}\n{A_KEY}".encode()
    folder = tmp_path / "certs.d" / "r.example:5000"
    assert trust.sources == (str(folder / "ca.crt"), str(folder / "client.cert"), str(folder / "client.key"))
    assert hosts.trust("r.example") == SYSTEM
    assert hosts.route("r.example:5000").home.host.trust == trust
    assert "PRIVATE" not in repr(trust)
    assert trust.without_identity.identity == b""


def test_first_folder_that_has_some_counts(write):
    other = A_CERTIFICATE.replace("MII", "MIJ")
    hosts = write({"certs.d/r.example/ca.crt": A_CERTIFICATE, "own/r.example/ca.crt": other})
    assert hosts.trust("r.example").authorities == (other.encode(),)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"client.cert": A_CERTIFICATE}, r"client\.cert: its key, client\.key, is not beside it"),
        ({"client.key": A_KEY}, r"client\.key: its certificate, client\.cert, is not beside it"),
        ({"ca.crt": "nothing"}, r"ca\.crt: there is no certificate in it"),
        ({"client.cert": A_CERTIFICATE, "client.key": "x"}, r"client\.key: there is no private key in it"),
        ({"client.cert": "x", "client.key": A_KEY}, r"client\.cert: there is no certificate in it"),
        ({"ca.crt/file": "x"}, r"ca\.crt: Is a directory"),
        ({"hosts.toml": "server = ["}, r"hosts\.toml: it is not TOML"),
        ({"hosts.toml": "server = 1"}, r"hosts\.toml: server must be a string"),
        ({"hosts.toml": 'server = "ftp://x"'}, r"hosts\.toml: 'ftp://x' is no URL of a host"),
        ({"hosts.toml": 'ca = "none.crt"'}, r"none\.crt: No such file"),
        ({"hosts.toml": 'host = "x"'}, "host is no table"),
        ({"hosts.toml": '[host."https://m"]\nskip_verify = "no"'}, "skip_verify must be true or false"),
        ({"hosts.toml": '[host."https://m"]\ncapabilities = 1'}, "capabilities must be a list of strings"),
        ({"hosts.toml": '[header]\nX = ["a", "b\\r\\nEvil: 1"]'}, r"hosts\.toml: header: the value of X is none"),
        (
            {"hosts.toml": '[host."https://m".header]\nX = "a\\u0000"'},
            "header: the value of X is none of an HTTP header",
        ),
        (
            {"hosts.toml": '[host."https://m".header]\nX = "\\u007f"'},
            "header: the value of X is none of an HTTP header",
        ),
        ({"hosts.toml": '[header]\n"a b" = "x"'}, "header: 'a b' is no name of an HTTP header"),
        ({"hosts.toml": '[header]\n"" = "x"'}, "header: '' is no name of an HTTP header"),
        ({"hosts.toml": '[header]\n"X\\r\\nY" = "x"'}, "is no name of an HTTP header"),
        ({"hosts.toml": '[header]\n"Grün" = "x"'}, "is no name of an HTTP header"),
        ({"hosts.toml": '[host."https://m"]\nclient = [1]'}, "client must be a file, or a list"),
    ],
)
def test_file_that_cannot_be_used_is_named(write, files, problem):
    hosts = write({f"certs.d/r.example/{name}": text for name, text in files.items()})
    with pytest.raises(RouteError, match=problem):
        hosts.route("r.example")
    assert hosts.route("other.example"), "and it is of no matter for others"


# hosts.toml


def test_hosts_toml_tells_the_server_and_the_mirrors_in_order(write, tmp_path):
    hosts = write(
        {
            "certs.d/docker.io/hosts.toml": """
            server = "https://registry-1.docker.io"

            [host."https://mirror.example"]
              capabilities = ["pull", "resolve"]
            [host."http://cache.example:5000"]
              capabilities = ["pull"]
              [host."http://cache.example:5000".header]
                x-team = "ours"
            [host."https://proxy.example/v2/hub"]
              capabilities = ["pull", "resolve"]
              override_path = true
              skip_verify = true
            [host."https://push.example"]
              capabilities = ["push"]
            [host."https://below.example/hub"]
            """
        }
    )
    route = hosts.route("docker.io", "library/alpine")
    source = str(tmp_path / "certs.d/docker.io/hosts.toml")
    assert route.home == Endpoint(Host("docker.io", "https"), source=source)
    assert route.mirrors == (
        Endpoint(Host("mirror.example", "https"), namespace="docker.io", source=source),
        Endpoint(
            Host("cache.example:5000", "http", headers=(("x-team", "ours"),)),
            namespace="docker.io",
            resolves=False,
            source=source,
        ),
        Endpoint(Host("proxy.example", "https", "/v2/hub", insecure=True), namespace="docker.io", source=source),
        Endpoint(Host("below.example", "https", "/hub/v2"), namespace="docker.io", source=source),
    )
    assert [str(each) for each in route.mirrors][2:] == ["proxy.example/v2/hub", "below.example/hub"]
    target = f"/v2/library/alpine/manifests/{DIGEST}"
    assert [each.target("library/alpine", target) for each in (route.home, *route.mirrors)] == [
        target,
        f"{target}?ns=docker.io",
        f"{target}?ns=docker.io",
        f"/v2/hub/library/alpine/manifests/{DIGEST}?ns=docker.io",
        f"/hub{target}?ns=docker.io",
    ]
    assert [each.serves("3.19") for each in route.mirrors] == [True, False, True, True]
    assert all(each.serves(DIGEST) for each in route.mirrors)
    assert "ours" not in repr(route), "headers may be secrets"


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("", "/v2"),
        ("/", "/v2"),
        ("/v2", "/v2"),
        ("/v2/", "/v2"),
        ("/hub", "/hub/v2"),
        ("/hub/v2", "/hub/v2"),
        ("/hub/v2/", "/hub/v2"),
    ],
)
def test_path_of_a_host_ends_in_that_of_the_api(write, path, api):
    hosts = write({"certs.d/r.example/hosts.toml": f'[host."https://m.example{path}"]'})
    assert hosts.route("r.example").mirrors[0].host.api == api


def test_powers_are_told_in_any_case_and_none_told_are_all(write):
    text = '[host."https://a"]\ncapabilities = []\n[host."https://b"]\ncapabilities = ["Pull"]'
    route = write({"certs.d/r.example/hosts.toml": text}).route("r.example")
    assert [(each.host.name, each.resolves) for each in route.mirrors] == [("a", True), ("b", False)]


def test_several_values_of_a_header_are_one_list(write):
    hosts = write({"certs.d/r.example/hosts.toml": '[header]\nX-A = ["a", "b"]\nX-B = []'})
    assert hosts.route("r.example").home.host.headers == (("X-A", "a, b"),)


def test_table_of_the_server_itself_says_how_that_is_reached_and_is_no_mirror(write):
    hosts = write(
        {
            "certs.d/r.example/hosts.toml": """
            server = "https://r.example"
            [host."https://r.example"]
              ca = "../../ca.pem"
              client = [["../../me.pem", "../../me.key"], ["none.pem", "none.key"]]
            """,
            "ca.pem": A_CERTIFICATE,
            "me.pem": A_CERTIFICATE,
            "me.key": A_KEY,
        }
    )
    route = hosts.route("r.example")
    assert route.mirrors == ()
    assert route.home.host.trust.authorities == (A_CERTIFICATE.encode(),)
    assert route.home.host.trust.identity == f"{A_CERTIFICATE}\n{A_KEY}".encode()


def test_settings_at_the_top_are_the_servers(write):
    hosts = write({"certs.d/r.example/hosts.toml": 'skip_verify = true\nclient = "both.pem"', **_both()})
    host = hosts.route("r.example").home.host
    assert (host.name, host.insecure) == ("r.example", True)
    assert A_KEY.encode() in host.trust.identity


def _both() -> dict[str, str]:
    return {"certs.d/r.example/both.pem": A_CERTIFICATE + A_KEY}


def test_server_may_be_another_host(write):
    hosts = write({"certs.d/r.example/hosts.toml": 'server = "https://inner.example:8443"'})
    assert hosts.route("r.example").home.host == Host("inner.example:8443", "https")


@pytest.mark.parametrize(("folder", "registry"), [("_default", "any.example"), ("r.example_5000_", "r.example:5000")])
def test_containerds_other_names_of_folders(write, folder, registry):
    hosts = write({f"certs.d/{folder}/hosts.toml": '[host."https://m.example"]'})
    assert [str(each) for each in hosts.route(registry).mirrors] == ["m.example"]


def test_mirror_has_the_certificates_of_its_own_folder(write):
    hosts = write(
        {"certs.d/r.example/hosts.toml": '[host."https://m.example"]', "certs.d/m.example/ca.crt": A_CERTIFICATE}
    )
    route = hosts.route("r.example")
    assert route.mirrors[0].host.trust.authorities == (A_CERTIFICATE.encode(),)
    assert route.home.host.trust == SYSTEM


# registries.conf

CONF = """
unqualified-search-registries = ["docker.io"]
short-name-mode = "enforcing"

[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "mirror.example/hub"
[[registry.mirror]]
location = "cache.example:5000"
insecure = true
pull-from-mirror = "digest-only"

[[registry]]
prefix = "docker.io/library"
location = "inner.example/official"

[[registry]]
prefix = "*.evil.example"
blocked = true

[[registry]]
prefix = "*.lab.example"
insecure = true

[[registry]]
prefix = "old.example/team"
location = "new.example/old/team"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.example/x"
"""


def test_registries_conf_tells_locations_and_mirrors(write, tmp_path):
    hosts = write({"registries.conf": CONF})
    source = str(tmp_path / "registries.conf")
    route = hosts.route("docker.io", "me/app")
    assert route.home == Endpoint(Host("docker.io"), source=source)
    assert route.mirrors == (
        Endpoint(Host("mirror.example"), "hub/me/app", source=source),
        Endpoint(Host("cache.example:5000", insecure=True), names="digest-only", source=source),
    )
    assert [each.serves("1.0") for each in route.mirrors] == [True, False]
    assert [str(each) for each in route.mirrors] == ["mirror.example/hub/me/app", "cache.example:5000"]
    assert route.mirrors[0].target("me/app", f"/v2/me/app/blobs/{DIGEST}") == f"/v2/hub/me/app/blobs/{DIGEST}"
    assert route.mirrors[0].target("me/app", "/v2/hub/me/app/blobs/uploads/1") == "/v2/hub/me/app/blobs/uploads/1"


@pytest.mark.parametrize(
    ("registry", "repository", "host", "name"),
    [
        ("docker.io", "library/alpine", "inner.example", "official/alpine"),
        ("docker.io", "libraryx/alpine", "docker.io", None),
        ("old.example", "team/app", "new.example", "old/team/app"),
        ("old.example", "team", "new.example", "old/team"),
        ("old.example", "other", "old.example", None),
    ],
)
def test_longest_prefix_counts_and_its_location_takes_its_place(write, registry, repository, host, name):
    home = write({"registries.conf": CONF}).route(registry, repository).home
    assert (home.host.name, home.repository) == (host, name)


def test_older_word_for_digests_alone(write):
    route = write({"registries.conf": CONF}).route("old.example", "team/app")
    assert (route.mirrors[0].repository, route.mirrors[0].names) == ("x/app", "digest-only")


def test_hosts_below_a_domain(write):
    hosts = write({"registries.conf": CONF})
    assert hosts.route("a.lab.example:5000", "app").home.host == Host("a.lab.example:5000", insecure=True)
    with pytest.raises(RouteError, match=r"a\.evil\.example/app: blocked by .*registries\.conf"):
        hosts.route("a.evil.example", "app")
    assert hosts.route("evil.example", "app").home.source == ""


def test_location_takes_the_place_of_the_whole_host_below_a_domain(write):
    text = """
        [[registry]]
        prefix = "*.lab.example"
        location = "new.example/lab"
        [[registry.mirror]]
        location = "mirror.example:5000/of"
        [[registry]]
        prefix = "*.old.example"
        [[registry.mirror]]
        location = "mirror.example"
    """
    hosts = write({"registries.conf": text})
    route = hosts.route("a.b.lab.example:5000", "team/app")
    assert [str(each) for each in route.mirrors] == ["mirror.example:5000/of/team/app"]
    assert str(route.home) == "new.example/lab/team/app"
    route = hosts.route("a.old.example", "app")
    assert (str(route.home), [str(each) for each in route.mirrors]) == ("a.old.example", ["mirror.example"])


def test_byte_order_mark_of_an_editor_is_passed_over(write):
    hosts = write({"registries.conf": '\ufeff[[registry]]\nlocation = "r.example"\ninsecure = true'})
    assert hosts.route("r.example").home.host.insecure


def test_drop_in_replaces_a_table_of_the_same_prefix(write):
    hosts = write({"registries.conf": CONF, "drop-in.conf": '[[registry]]\nlocation = "docker.io"\ninsecure = true'})
    assert hosts.route("docker.io", "me/app").mirrors == ()
    assert hosts.route("old.example", "team/app").mirrors


def test_registries_conf_counts_before_hosts_toml(write):
    hosts = write(
        {
            "registries.conf": CONF,
            "certs.d/docker.io/hosts.toml": '[host."https://a.example"]',
            "certs.d/r.example/hosts.toml": '[host."https://b.example"]',
        }
    )
    assert hosts.route("docker.io", "me/app").mirrors[0].host.name == "mirror.example"
    assert [each.host.name for each in hosts.route("r.example", "me/app").mirrors] == ["b.example"]


def test_first_version_of_the_format_still_blocks_and_is_insecure(write):
    hosts = write(
        {
            "registries.conf": '[registries.block]\nregistries = ["bad.example"]\n'
            '[registries.insecure]\nregistries = ["lab.example"]\n[registries.search]\nregistries = ["docker.io"]'
        }
    )
    assert hosts.route("lab.example").home.host.insecure
    with pytest.raises(RouteError, match="blocked"):
        hosts.route("bad.example", "app")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("registry = 1", "registry must be a list of tables"),
        ("[[registry]]\ninsecure = true", r"registry\[0\]: it has neither a prefix nor a location"),
        ('[[registry]]\nlocation = "a b/c"', r"registry\[0\]: location 'a b/c': its host is not of the form"),
        ('[[registry]]\nlocation = "r.example"\ninsecure = "yes"', r"registry\[0\]\.insecure must be true or false"),
        ('[[registry]]\nlocation = "a"\n[[registry.mirror]]\n', r"registry\[0\]\.mirror\[0\]: a mirror without a"),
        (
            '[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "x"',
            "pull-from-mirror is 'x', not one of all, digest-only, tag-only",
        ),
        ("[[registry]\n", "it is not TOML"),
    ],
)
def test_registries_conf_that_is_wrong_is_named(write, text, problem):
    with pytest.raises(RouteError, match=problem) as caught:
        write({"registries.conf": text}).route("r.example", "app")
    assert "registries.conf" in str(caught.value)
    assert caught.value.hint
