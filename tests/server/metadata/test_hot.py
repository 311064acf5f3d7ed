"""What is kept is never older than the last commit."""

from wherry.server.metadata.hot import Hot


class Commits:
    count = 0

    def __call__(self) -> int:
        return self.count


def test_an_answer_is_kept_until_the_next_commit():
    commits = Commits()
    hot = Hot(commits, limit=100)
    assert hot.get("a") is Hot.MISSING
    hot.put("a", None, 1)
    assert hot.get("a") is None
    commits.count += 1
    assert hot.get("a") is Hot.MISSING


def test_an_answer_from_before_a_commit_is_not_kept_beyond_it():
    commits = Commits()
    hot = Hot(commits, limit=100)
    assert hot.get("a") is Hot.MISSING
    commits.count += 1  # while the read was under way
    hot.put("a", "old", 1)
    assert hot.get("a") is Hot.MISSING


def test_the_first_kept_goes_first_when_there_is_no_room():
    hot = Hot(Commits(), limit=10)
    for key in "abc":
        assert hot.get(key) is Hot.MISSING
        hot.put(key, key, 4)
    assert [hot.get(key) for key in "bc"] == ["b", "c"]
    assert hot.get("a") is Hot.MISSING
    hot.put("large", "x", 11)
    assert hot.get("large") is Hot.MISSING
    assert hot.get("c") == "c"
