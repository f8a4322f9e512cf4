import migrate


def run(backend, redis_url):
    process = backend.start("migrate.py", REDIS_URL=redis_url)
    log, _ = process.communicate(timeout=60)
    return process.returncode, log


def test_brings_an_empty_database_to_the_newest_schema(backend, redis, redis_url):
    code, log = run(backend, redis_url)
    assert code == 0, log
    assert (redis.get("schema:version"), redis.get("migrations:runs"), redis.get("counter")) == ("2", "1", "0")


def test_running_again_changes_nothing_but_the_number_of_runs(backend, redis, redis_url):
    run(backend, redis_url)
    redis.set("counter", 41)
    code, log = run(backend, redis_url)
    assert code == 0
    assert "migration 1" not in log
    assert (redis.get("schema:version"), redis.get("migrations:runs"), redis.get("counter")) == ("2", "2", "41")


def test_indexes_the_people_of_wish_lists_that_exist(redis):
    redis.zadd("wishlist:anna", {"ukulele": 1})
    redis.set("schema:version", 1)
    assert migrate.migrate(redis) == 2
    assert redis.smembers("wishlist-people") == {"anna"}


def test_leaves_a_newer_schema_alone(redis):
    redis.set("schema:version", 9)
    assert migrate.migrate(redis) == 9
    assert redis.get("schema:version") == "9"
    assert redis.get("counter") is None


def test_a_failure_ends_with_another_exit_code_and_a_true_version(backend, redis, redis_url):
    redis.zadd("wishlist:anna", {"ukulele": 1})
    redis.set("wishlist-people", "not a set")
    code, log = run(backend, redis_url)
    assert code == 1
    assert "the migration failed" in log
    assert (redis.get("schema:version"), redis.get("migrations:runs")) == ("1", None)


def test_no_redis_is_a_failure(monkeypatch, caplog):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(migrate, "SECONDS_TO_WAIT_FOR_REDIS", 0.3)
    assert migrate.main() == 1
    assert "the migration failed" in caplog.text
