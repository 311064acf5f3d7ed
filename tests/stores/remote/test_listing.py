from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from tests.content import an_image, put
from tests.stores.remote.stub import Asked, Reply, json_reply, refused, stub
from wherry.oci.errors import NameUnknown, UnexpectedResponse, Unsupported
from wherry.oci.reference import Reference
from wherry.stores.remote import Client


def _paged(*links: str):
    """A registry whose list has a page for each link, and one more; page `n` holds the tag or repository `p<n>`."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/v2/":
            return json_reply({})
        number = int(asked.target.partition("page=")[2] or 0)
        items = [f"p{number}"]
        headers = {"Link": links[number]} if number < len(links) else {}
        return json_reply({"name": "team/app", "tags": items, "repositories": items}, **headers)

    return answer


async def test_tags_come_in_byte_order(address, opened):
    repository = opened(address)
    await put(an_image(), repository, "b", "a", "B", "10", "9", "_x")
    assert [tag async for tag in repository.tags()] == ["10", "9", "B", "_x", "a", "b"]


async def test_tags_of_a_missing_repository_raise_name_unknown(address, opened):
    with pytest.raises(NameUnknown, match="team/app: no such repository"):
        await anext(opened(address).tags())


@pytest.mark.parametrize(
    "link",
    [
        "</v2/team/app/tags/list?page={}>; rel=next",
        '<?page={}>; rel="next"',
        '<http://inner.example:1234/v2/team/app/tags/list?page={}>; rel="next"',
        '</other>; rel="prev", </v2/team/app/tags/list?page={}>; rel="next"',
    ],
)
async def test_pages_are_followed_at_the_registry_itself(opened, link):
    async with stub(_paged(*(link.format(number) for number in (1, 2, 3)))) as server:
        assert [tag async for tag in opened(server.address).tags()] == ["p0", "p1", "p2", "p3"]
        assert len(server.lines()) == 4


async def test_pages_in_a_circle_are_an_error(opened):
    link = "</v2/team/app/tags/list?page={}>; rel=next"
    async with stub(_paged(link.format(1), link.format(2), link.format(1))) as server:
        with pytest.raises(UnexpectedResponse, match="lead in a circle"):
            await anext(opened(server.address).tags())
        assert len(server.lines()) == 3


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(200, {"Content-Type": "application/json"}, b"{"), "is not JSON"),
        (json_reply([]), "is JSON, but not an object"),
        (json_reply({"tags": "v1"}), "no list of strings as 'tags'"),
        (json_reply({"tags": [1]}), "no list of strings as 'tags'"),
        (json_reply({"tags": ["-no-tag"]}), "bad tag '-no-tag'"),
        (json_reply({"tags": []}, Link="<http://[broken>; rel=next"), "a Link that is no URL"),
    ],
)
async def test_list_that_is_none_is_an_error(opened, reply, problem):
    async with stub(lambda asked: json_reply({}) if asked.path == "/v2/" else reply) as server:
        with pytest.raises(UnexpectedResponse, match=problem):
            await anext(opened(server.address).tags())


@pytest.mark.parametrize("tags", [None, []])
async def test_repository_without_tags_has_none(opened, tags):
    async with stub(lambda _: json_reply({"name": "team/app", "tags": tags})) as server:
        assert [tag async for tag in opened(server.address).tags()] == []


async def test_catalogue_lists_the_repositories(address, opened):
    async with Client() as client:
        for name in ("team/app", "base"):
            await put(an_image(), opened(address, name, client), "v1")
        assert [name async for name in client.registry(address).repositories()] == ["base", "team/app"]


async def test_catalogue_is_read_page_by_page():
    link = "</v2/_catalog?page={}>; rel=next"
    async with stub(_paged(link.format(1), link.format(2))) as server, Client() as client:
        names = client.registry(server.address).repositories()
        assert await anext(names) == "p0"
        assert len(server.lines()) == 1
        assert [name async for name in names] == ["p1", "p2"]


@pytest.mark.parametrize("reply", [Reply(404), refused(405, "UNSUPPORTED"), refused(404, "NAME_UNKNOWN")])
async def test_registry_without_a_catalogue_does_not_support_it(reply):
    async with stub(lambda asked: json_reply({}) if asked.path == "/v2/" else reply) as server, Client() as client:
        with pytest.raises(Unsupported):
            await anext(client.registry(server.address).repositories())


async def test_catalogue_with_a_name_that_is_none_is_an_error():
    async with stub(lambda _: json_reply({"repositories": ["../../etc"]})) as server, Client() as client:
        with pytest.raises(UnexpectedResponse, match="bad repository name"):
            await anext(client.registry(server.address).repositories())


class Tags:
    """A registry that lists tags by `n` and `last`: `own` at once if not told how many, and never more than `most`."""

    def __init__(self, amount: int, *, own: int = 100, most: int = 1000, refuses: int | None = None) -> None:
        self.tags = [f"t{number:05}" for number in range(amount)]
        self.own, self.most, self.refuses = own, most, refuses
        self.ends_silently = False

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/v2/":
            return json_reply({})
        query = dict(parse_qsl(asked.target.partition("?")[2]))
        number = int(query.get("n", self.own))
        if self.refuses is not None and number > self.refuses:
            return refused(400, "PAGINATION_NUMBER_INVALID")
        size = min(number, self.most)
        rest = [tag for tag in self.tags if tag > query.get("last", "")]
        page = rest[:size]
        more = len(rest) > size and not (self.ends_silently and "n" in query)
        link = {"Link": f'</v2/team/app/tags/list?last={page[-1]}&n={size}>; rel="next"'} if more else {}
        return json_reply({"name": "team/app", "tags": page}, **link)


async def _listed(address: str, notes: Path | None = None) -> list[str]:
    async with Client(notes=notes) as client:
        repository = client.repository(Reference.parse_repository(f"{address}/team/app"))
        return [str(tag) async for tag in repository.tags()]


async def test_short_pages_are_read_in_long_ones_after_the_first_and_the_next_client_begins_so(tmp_path):
    registry = Tags(2500)
    async with stub(registry) as server:
        for requests in (4, 3):
            server.asked.clear()
            assert await _listed(server.address, tmp_path) == registry.tags
            assert len(server.lines()) == requests
        assert server.lines()[0] == "GET /v2/team/app/tags/list?n=1000"


@pytest.mark.parametrize("options", [{"most": 100}, {"refuses": 100}])
async def test_registry_that_takes_no_other_number_is_asked_once_and_noted(tmp_path, options):
    registry = Tags(500, **options)
    async with stub(registry) as server:
        for long_pages in (1, 0):
            server.asked.clear()
            assert await _listed(server.address, tmp_path) == registry.tags
            assert sum("n=1000" in line for line in server.lines()) == long_pages


async def test_note_of_long_pages_that_are_refused_now_costs_a_request(tmp_path):
    registry = Tags(500)
    async with stub(registry) as server:
        await _listed(server.address, tmp_path)
        registry.refuses = 100
        server.asked.clear()
        assert await _listed(server.address, tmp_path) == registry.tags
        assert sum("n=1000" in line for line in server.lines()) == 1


async def test_long_list_that_ends_without_a_word_is_asked_for_as_the_registry_likes_it(tmp_path):
    registry = Tags(1500)
    async with stub(registry) as server:
        await _listed(server.address, tmp_path)
        registry.ends_silently, registry.own = True, 2000
        assert await _listed(server.address, tmp_path) == registry.tags


async def test_link_with_more_than_a_number_and_a_name_is_followed_as_it_is(opened):
    def answer(asked: Asked) -> Reply:
        if "token=a" in asked.target:
            return json_reply({"tags": ["b"]})
        return json_reply({"tags": ["a"]}, Link="</v2/team/app/tags/list?n=1&token=a>; rel=next")

    async with stub(answer) as server:
        assert [tag async for tag in opened(server.address).tags()] == ["a", "b"]
        assert server.lines()[1] == "GET /v2/team/app/tags/list?n=1&token=a"
