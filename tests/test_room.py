"""The address and QR code of the projector view: the address that others in the room can open."""

import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ui.export import invitation


@pytest.fixture
def served():
    """A port that this machine serves to its whole network."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield server.getsockname()[1]


def test_a_page_for_this_machine_alone_says_how_to_let_others_in():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            assert "--host 0.0.0.0" in invitation.invitation(f"http://{host}:{port}/")["why"]


def test_a_page_for_the_network_is_given_by_its_address_there(served, monkeypatch):
    # This address reaches a server on 0.0.0.0, and not one on 127.0.0.1.
    monkeypatch.setattr(invitation, "_own_address", lambda: "127.0.0.2")
    found = invitation.invitation(f"http://localhost:{served}/lab/")
    assert found["address"] == f"http://127.0.0.2:{served}/lab/"
    assert found["code"].startswith("data:image/svg+xml")


def test_an_address_that_others_have_too_stays():
    found = invitation.invitation("https://owner-lab.hf.space/")
    assert found["address"] == "https://owner-lab.hf.space/"


@pytest.mark.parametrize("page", ["", "javascript:alert(1)", "file:///etc/passwd", "http://" + "a" * 600, None])
def test_what_is_no_address_is_refused(page):
    assert "no address" in invitation.invitation(page)["why"]


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
        patch.setattr(invitation, "_own_address", lambda: "192.0.2.7")
        patch.setattr(invitation, "_answers", lambda host, port: True)
        found = invitation.invitation(page)
    assert set(found) in ({"why"}, {"address", "code"})
    if "address" in found:
        assert found["address"].startswith(("http://", "https://"))


def test_a_password_in_the_address_is_not_shown_to_the_room():
    assert invitation.invitation("https://me:secret@lab.example:8443/x?y#z")["address"] == "https://lab.example:8443/x"
