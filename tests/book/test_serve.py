import threading
from urllib.request import urlopen

import pytest

from hista_repro.book.serve import make_server, serve_book
from hista_repro.errors import Refused


def test_pages_are_served_to_this_machine_alone(tmp_path):
    (tmp_path / "index.html").write_text("the book")
    with make_server(tmp_path, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address
        assert host == "127.0.0.1"
        assert urlopen(f"http://{host}:{port}/index.html", timeout=10).read() == b"the book"
        with pytest.raises(Refused, match=f"cannot serve on port {port}: .*; choose another with --port"):
            make_server(tmp_path, port)
        server.shutdown()


def test_a_book_that_was_not_built_is_refused(checkout):
    with pytest.raises(Refused, match="run `hista-repro book build` first"):
        serve_book(checkout, 0)


def test_a_port_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(Refused, match="cannot serve on port 99999"):
        make_server(tmp_path, 99999)
