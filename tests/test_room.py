"""Whom the page's address on the wall lets in."""

import socket

import pytest

from ui import room


@pytest.fixture
def served():
    """A port that this machine serves to its whole network."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield server.getsockname()[1]


def test_a_page_for_this_machine_alone_says_how_to_let_others_in():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            assert "--host 0.0.0.0" in room.invitation(f"http://{host}:{port}/")["why"]


def test_a_page_for_the_network_is_given_by_its_address_there(served, monkeypatch):
    monkeypatch.setattr(room, "_own_address", lambda: "127.0.0.2")  # reaches 0.0.0.0, and not a server on 127.0.0.1
    found = room.invitation(f"http://localhost:{served}/lab/")
    assert found["address"] == f"http://127.0.0.2:{served}/lab/"
    assert found["code"].startswith("data:image/svg+xml")


def test_an_address_that_others_have_too_stays():
    found = room.invitation("https://owner-lab.hf.space/")
    assert found["address"] == "https://owner-lab.hf.space/"


@pytest.mark.parametrize("page", ["", "javascript:alert(1)", "file:///etc/passwd", "http://" + "a" * 600, None])
def test_what_is_no_address_is_refused(page):
    assert "no address" in room.invitation(page)["why"]
