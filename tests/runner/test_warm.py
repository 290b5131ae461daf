import multiprocessing
import os
import signal
import time
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import KernelManager

from hista_repro.runner.warm import end_with_parent, warm_processes, write_kernel

PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    forkserver._forkserver._stop()  # other tests of this process may have started one that has loaded less
    jupyter = tmp_path_factory.mktemp("jupyter")
    write_kernel(jupyter)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(jupyter))
        patch.setenv("SEEN_BY_THE_KERNEL", "yes")
        manager = KernelManager(kernel_name="python3", transport_encryption="auto")
        manager.start_kernel(cwd=str(jupyter))
        yield manager
        manager.shutdown_kernel(now=True)


def answer(manager, code):
    """What the kernel prints."""
    printed = []
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE_SECONDS)
        client.execute_interactive(
            code, timeout=PATIENCE_SECONDS, output_hook=lambda message: printed.append(message["content"].get("text", ""))
        )
    finally:
        client.stop_channels()
    return "".join(printed).strip()


def test_a_kernel_begins_with_the_libraries_and_the_environment_of_who_started_it(manager):
    assert answer(manager, "import sys; print('torch' in sys.modules, 'transformers.modeling_utils' in sys.modules)") == "True True"
    assert answer(manager, "import os; print(os.environ['SEEN_BY_THE_KERNEL'], len(os.listdir()))") == "yes 1"
    assert answer(manager, "print(sys.flags.hash_randomization)") == "0"


def test_a_kernel_leads_a_group_of_its_own_and_can_be_interrupted(manager):
    assert answer(manager, "print(os.getpgrp() == os.getpid() != 0)") == "True"
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE_SECONDS)
    asked = client.execute("import time; time.sleep(600)")
    time.sleep(1)
    manager.interrupt_kernel()
    while (reply := client.get_shell_msg(timeout=PATIENCE_SECONDS))["parent_header"].get("msg_id") != asked:
        pass
    client.stop_channels()
    assert reply["content"]["ename"] == "KeyboardInterrupt"


def test_a_kernel_listens_in_a_folder_of_the_user_alone_where_no_other_process_can_take_its_place(manager):
    sockets = Path(manager.ip).parent
    assert manager.transport == "ipc" and len(list(sockets.iterdir())) == 5 and sockets.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("folder", "transport"), [("short", "ipc"), ("long" * 30, "tcp")])
def test_sockets_are_gone_with_their_kernel_and_ports_are_for_where_they_have_no_room(tmp_path, monkeypatch, folder, transport):
    (tmp_path / folder).mkdir()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / ("long" * 30)))
    monkeypatch.chdir(tmp_path)  # paths of sockets are as long as the folder's name, wherever temporary files lie
    monkeypatch.setattr("tempfile.tempdir", folder)
    write_kernel(tmp_path / "jupyter")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    assert manager.transport == transport and answer(manager, "print('here')") == "here"
    manager.shutdown_kernel(now=True)
    assert not any((tmp_path / folder).iterdir())


def test_nothing_runs_beside_the_fork_server_that_could_hold_a_lock_when_it_forks(manager):
    server = psutil.Process(forkserver._forkserver._forkserver_pid)
    assert "libarrow" in "".join(mapped.path for mapped in server.memory_maps())
    assert server.num_threads() == 1


def test_a_killed_kernel_is_known_to_be_gone_and_can_be_started_again(manager):
    os.kill(int(answer(manager, "print(os.getpid())")), signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while manager.is_alive():
        assert time.monotonic() < deadline
    manager.restart_kernel(now=True)
    assert answer(manager, "print('here')") == "here"


def _start_one_that_ends_with_it(numbers):
    below = multiprocessing.get_context("fork").Process(target=_sleep_until_the_parent_is_gone)
    below.start()
    numbers.send(below.pid)
    time.sleep(PATIENCE_SECONDS)


def _sleep_until_the_parent_is_gone():
    end_with_parent(lambda: os._exit(0))
    time.sleep(PATIENCE_SECONDS)


def test_a_process_ends_with_the_one_that_asked_for_it():
    with warm_processes():
        context = multiprocessing.get_context("forkserver")
        numbers, theirs = context.Pipe()
        parent = context.Process(target=_start_one_that_ends_with_it, args=(theirs,))
        parent.start()
    below = psutil.Process(numbers.recv())
    parent.kill()
    parent.join()
    assert psutil.wait_procs([below], timeout=10)[0] == [below]


def test_the_environment_is_as_it_was_afterwards(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.delenv("MPLBACKEND", raising=False)
    with warm_processes():
        assert os.environ["PYTHONHASHSEED"] == "0" and "MPLBACKEND" in os.environ
    assert os.environ["PYTHONHASHSEED"] == "7" and "MPLBACKEND" not in os.environ
