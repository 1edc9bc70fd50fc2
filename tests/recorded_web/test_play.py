"""The clock: dates fresh at the first start, the same ones at every later one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.recorded_web.content import Content
from deploy.recorded_web.edition import Edition, Status
from deploy.recorded_web.expected import expected
from deploy.recorded_web.play import Play, PlayState, begin_or_go_on
from shared.errors import InvalidSetting

NOW = datetime(2026, 3, 3, 9, 0, 0, 500_000, tzinfo=UTC)
epochs = st.datetimes(NOW.replace(year=2020, tzinfo=None), NOW.replace(year=2090, tzinfo=None), timezones=st.just(UTC))
speeds = st.floats(0.01, 100)


def test_a_first_start_begins_now_at_speed_one():
    state = begin_or_go_on(None, now=NOW, port=81, speed=None)
    assert state == PlayState(epoch=NOW.replace(microsecond=0), speed=1.0, port=81)


def test_a_second_start_goes_on(tmp_path: Path):
    file = tmp_path / "deep" / "state.json"
    first = begin_or_go_on(None, now=NOW, port=81, speed=2.0)
    first.save(file)
    assert begin_or_go_on(PlayState.load(file), now=NOW + timedelta(days=9), port=81, speed=None) == first
    assert [entry.name for entry in file.parent.iterdir()] == ["state.json"]


def test_another_speed_than_the_first_is_refused():
    first = begin_or_go_on(None, now=NOW, port=81, speed=2.0)
    with pytest.raises(InvalidSetting, match="this play began at 2, not 3"):
        begin_or_go_on(first, now=NOW, port=81, speed=3.0)


@pytest.mark.parametrize("text", ["", "{", '{"epoch": 1}', '{"epoch": "2026-03-03T09:00:00", "speed": 1, "port": 81}', "\x00"])
def test_a_state_that_is_not_one_is_named_with_what_to_do(tmp_path: Path, text: str):
    file = tmp_path / "state.json"
    file.write_text(text)
    with pytest.raises(InvalidSetting, match=r"state.json: not a state of the recorded web .* remove it"):
        PlayState.load(file)


def test_a_state_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSetting, match="can't be written"):
        PlayState(epoch=NOW, speed=1, port=81).save(tmp_path / "file" / "state.json")


@given(epochs, speeds, st.floats(0, 1e6))
def test_an_offset_is_reached_when_its_time_has_come(epoch: datetime, speed: float, seconds: float):
    play = Play(epoch, speed)
    offset = timedelta(seconds=seconds)
    moment = epoch + offset / speed
    assert abs(play.position(moment) - offset) < timedelta(milliseconds=1) * max(1, speed)
    assert play.until(offset, epoch) >= timedelta(0)
    assert play.at(offset) <= moment
    assert play.at(-offset) <= epoch


def test_a_clock_set_back_before_the_epoch_leaves_the_play_at_its_start():
    assert Play(NOW).position(NOW - timedelta(days=1)) == timedelta(0)


@given(epochs, speeds)
def test_no_article_is_ever_online_before_its_date_and_all_texts_are_whole(content: Content, epoch: datetime, speed: float):
    play = Play(epoch.replace(microsecond=0), speed)
    edition = Edition.prepare(content, play, 81)
    for story, plan in content.articles():
        page = edition.page(story, plan, plan.appears)
        assert page.published_at <= play.epoch + plan.appears / speed
        assert "{" not in page.title + page.summary + page.text
        assert edition.status(plan, plan.appears) is Status.ONLINE
        assert edition.status(plan, plan.appears - timedelta(microseconds=1)) is Status.UPCOMING


def test_the_same_epoch_gives_the_same_truth(content: Content):
    play = Play(NOW)
    assert expected(Edition.prepare(content, play, 81)) == expected(Edition.prepare(content, Play(NOW), 81))


def test_a_weekday_in_a_text_is_that_of_the_event_in_the_outlets_language(content: Content):
    tuesday = datetime(2026, 3, 3, 20, 0, tzinfo=UTC)
    edition = Edition.prepare(content, Play(tuesday), 81)
    texts = {plan.key: edition.page(story, plan, timedelta(0)).text for story, plan in content.articles()}
    assert "said on Tuesday that he had asked" in texts["mulberrystrait/lee-asks-xi-to-mediate"]
    assert "in der Nacht zum Dienstag" in texts["lohental/lohe-hochwasser"]
    assert "recortó el martes" in texts["montalbar/varenia-tipos"]
    assert "s'est posé mardi" in texts["estacade/halcyon-asteroide"]
    assert "confirmaram os biólogos no domingo" in texts["enseada/baleia-cinzenta"]
