from wherry.stores.remote.scopes import CATALOGUE, Scopes, pull, push


def test_scopes_of_two_repositories_print_one_text_each():
    assert (push("team/app") | pull("team/base")).texts() == (
        "repository:team/app:pull,push",
        "repository:team/base:pull",
    )


def test_catalogue_scope_prints_as_the_token_specification_has_it():
    assert CATALOGUE.texts() == ("registry:catalog:*",)


def test_push_covers_pull_of_the_same_repository_alone():
    assert push("a").covers(pull("a"))
    assert not pull("a").covers(push("a"))
    assert not push("a").covers(pull("b"))


def test_scopes_are_read_from_a_challenge():
    assert Scopes.parse("repository:a:pull repository:b:push,pull junk") == pull("a") | push("b")
    assert Scopes.parse("repository:localhost:5000/a:pull") == pull("localhost:5000/a")
    assert Scopes.parse("") == Scopes()
