"""The address and QR code of the projector view: the address that others in the room can open."""

import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ui.export import invitation
from ui.export.invitation import Served

ALONE, NETWORK = Served("127.0.0.1", 7860), Served("0.0.0.0", 7860)
SPACE = Served("0.0.0.0", 7860, here=False)
SHARED = Served("127.0.0.1", 7860, share="https://0123abcd.gradio.live")


@pytest.fixture
def own(monkeypatch):
    """What this machine's address in its network is said to be."""
    monkeypatch.setattr(invitation, "own_address", lambda: "192.0.2.7")
    return "192.0.2.7"


def invited(page, served=ALONE):
    return invitation.invitation(page, served)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_page_for_this_machine_alone_says_how_to_let_others_in(host, own):
    assert invited(f"http://{host}:7860/") == {"why": "alone"}


@pytest.mark.parametrize("listens", ["0.0.0.0", "::"])
def test_a_page_for_the_network_is_given_by_its_address_there(listens, own):
    found = invited("http://localhost:7860/lab/", Served(listens, 7860))
    assert found["address"] == f"http://{own}:7860/lab/"
    assert found["code"].startswith("data:image/svg+xml")


def test_an_address_that_others_have_too_stays():
    assert invited("https://owner-lab.hf.space/", SPACE)["address"] == "https://owner-lab.hf.space/"


def test_the_room_gets_the_settings_that_are_shown_unless_they_are_too_long_for_a_code(own):
    page = "http://localhost:7860/?tab=watch&seed=5"
    assert invited(page, NETWORK)["address"] == f"http://{own}:7860/?tab=watch&seed=5"
    assert invited(page, SHARED)["address"] == f"{SHARED.share}?tab=watch&seed=5"
    assert invited(f"{page}&x={'y' * 500}#{'z' * 5000}", NETWORK)["address"] == f"http://{own}:7860/"


@pytest.mark.parametrize("served", [ALONE, NETWORK, SPACE, SHARED])
@pytest.mark.parametrize("port", [22, 80, 7860])
def test_whoever_asks_learns_of_no_port_and_strangers_of_no_address(served, port, own, monkeypatch):
    def connect(*_):
        raise AssertionError("looked whether something answers")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "create_connection", connect)
    found = {page: invited(page, served) for page in (f"http://localhost:{port}/", f"http://127.0.0.1:{port}/")}
    assert all(answer == invited("http://localhost:1/", served) for answer in found.values())
    assert own not in str(found) or served is NETWORK
    if served is SHARED:  # what they have already
        assert all(answer["address"] == SHARED.share for answer in found.values())


@pytest.mark.parametrize("page", ["", "javascript:alert(1)", "file:///etc/passwd", "http://" + "a" * 600, None])
def test_what_is_no_address_is_refused(page):
    assert invited(page) == {"why": "nowhere"}


ODD = st.one_of(st.none(), st.integers(), st.lists(st.text(max_size=3), max_size=2), st.text())


@given(st.one_of(ODD, st.from_regex(r"https?://[\S]*", fullmatch=True), ODD.map(lambda odd: f"http://{odd}/")))
@example("http://[")
@example("http://host:99999/")
@example("http://localhost:port/")
@example("http://[::1]:80/")
@example("http://a/\ud800")
@example("https://" + "é" * 450)
def test_whatever_is_asked_there_is_an_answer(page):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(invitation, "own_address", lambda: "192.0.2.7")
        found = invited(page, NETWORK)
    assert set(found) in ({"why"}, {"address", "code"})
    if "address" in found:
        assert found["address"].startswith(("http://", "https://"))


def test_a_password_in_the_address_is_not_shown_to_the_room():
    assert invited("https://me:secret@lab.example:8443/x?y#z")["address"] == "https://lab.example:8443/x?y"
