"""Where a path or URL of a registry's leads, and whether credentials may go there: told without parsing what need not be."""

import pytest
from pyreqwest.http import Url

from wherry.stores.remote.hosts import Host, NoHosts
from wherry.stores.remote.outgoing import Outgoing
from wherry.stores.remote.reach import Policy, Way
from wherry.stores.remote.transport import Transport


@pytest.fixture
async def outgoing():
    transport = Transport(connect_timeout=1, silence=1)
    outgoing = Outgoing("r.example:5000", Host("r.example:5000"), NoHosts(), Policy(), transport)
    outgoing.arrived(Way("http://r.example:5000", verify=True))
    yield outgoing
    await transport.close()


@pytest.mark.parametrize(
    ("target", "url", "at_home"),
    [
        pytest.param("/v2/a/tags/list?n=5", "http://r.example:5000/v2/a/tags/list?n=5", True, id="path"),
        pytest.param("/", "http://r.example:5000/", True, id="root"),
        pytest.param("/v2//x", "http://r.example:5000/v2//x", True, id="two slashes in a path"),
        pytest.param("http://r.example:5000/x", "http://r.example:5000/x", True, id="the same host"),
        pytest.param("http://r.example/x", "http://r.example:5000/x", True, id="its port left out"),
        pytest.param("http://r.example:5001/x", "http://r.example:5001/x", False, id="another port"),
        pytest.param("https://r.example:5000/x", "https://r.example:5000/x", True, id="up to HTTPS"),
        pytest.param("http://other.example/x", "http://other.example/x", False, id="another host"),
        pytest.param("//other.example/x", "http://other.example/x", False, id="another host, the same scheme"),
        pytest.param(
            "/\\other.example/x", "http://other.example/x", False, id="another host, written as browsers read it"
        ),
        pytest.param("\\\\other.example/x", "http://other.example/x", False, id="the same with backslashes alone"),
        pytest.param(
            "http://r.example:5000@other.example/x", "http://r.example:5000@other.example/x", False, id="a name"
        ),
    ],
)
async def test_target_is_at_home_only_where_the_registry_itself_answers(outgoing, target, url, at_home):
    assert outgoing.located(target) == (url, at_home)


@pytest.mark.parametrize("target", ["/\t/other.example/x", "/\n/other.example/x"], ids=["tab", "newline"])
async def test_what_parsers_pass_over_does_not_make_another_host_of_a_path(outgoing, target):
    url, at_home = outgoing.located(target)
    assert at_home
    assert Url(url).host_str == "r.example"


async def test_target_that_is_no_url_is_refused(outgoing):
    with pytest.raises(ValueError, match="port"):
        outgoing.located("http://r.example:port/x")
