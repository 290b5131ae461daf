"""Programs that are out for harm. None passes, none reaches the machine, none outlives its run."""

import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hista_repro.sandbox import Ending, Isolation, Limits, run, works

SHORT = Limits(cpu_seconds=1, wall_seconds=3)
ASSERTS = ["assert f(1) == 2"]


@pytest.fixture(params=[Isolation.BWRAP, Isolation.NAMESPACES])
def level(request):
    if not works(request.param):
        pytest.skip(f"{request.param} does not work on this machine")
    return request.param


@pytest.fixture
def marker():
    """A process name for the attacker; in the end no process may bear it."""
    name = f"atk{secrets.token_hex(5)}"
    yield name
    deadline = time.monotonic() + 5
    while alive(name) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(name)


def alive(name):
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            found.append(path.read_text().strip())
        except OSError:
            continue
    return found.count(name)


def named(marker):
    return f"import ctypes, os, sys, time\nctypes.CDLL(None).prctl(15, b'{marker}')\n"


def test_fork_bomb(level, marker):
    bomb = named(marker) + "while True:\n    try: os.fork()\n    except OSError: pass"
    assert run(bomb, asserts=ASSERTS, limits=SHORT, isolation=level).ending in (Ending.TIMEOUT, Ending.CRASH)


def test_forks_are_limited(level):
    count = "import os, time\nn = 0\ntry:\n    while os.fork(): n += 1\n    time.sleep(9)\nexcept OSError: print(n)"
    assert int(run(count, limits=SHORT, isolation=level).stdout) <= SHORT.processes


def test_endless_loop(level, marker):
    assert run(named(marker) + "while True: pass", limits=SHORT, isolation=level).ending is Ending.TIMEOUT


def test_endless_sleep(level, marker):
    limits = Limits(wall_seconds=1)
    assert run(named(marker) + "time.sleep(1000)", limits=limits, isolation=level).ending is Ending.TIMEOUT


def test_ignoring_the_signals_of_the_limits(level, marker):
    program = named(marker) + "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert run(program, limits=SHORT, isolation=level).ending in (Ending.TIMEOUT, Ending.CRASH)


def test_detaching_child(level, marker):
    program = named(marker) + (
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(1000)\n    os._exit(0)\nprint('done')"
    )
    started = time.monotonic()
    assert run(program, isolation=level).stdout == "done\n"
    assert time.monotonic() - started < 20


def test_a_gigabyte_of_output(level):
    ran = run("import os\nwhile True: os.write(1, b'x' * (1 << 20))", limits=SHORT, isolation=level)
    assert ran.ending is Ending.CRASH
    assert len(ran.stdout) <= SHORT.file_bytes


def test_a_gigabyte_of_output_that_errors_do_not_stop(level):
    program = "import os\nwhile True:\n    try: os.write(1, b'x' * (1 << 20))\n    except OSError: pass"
    ran = run(program, limits=SHORT, isolation=level)
    assert ran.ending is Ending.TIMEOUT
    assert len(ran.stdout) <= SHORT.file_bytes


def test_memory_bomb(level):
    ran = run("a = []\nwhile True: a.append(bytearray(1 << 24))", isolation=level)
    assert ran.ending is Ending.CRASH and "MemoryError" in ran.stderr


def test_filling_the_disk(level):
    program = "import os\nfor i in range(100):\n    with open(f'f{i}', 'wb') as f: f.write(bytes(8 << 20))"
    ran = run(program, isolation=level)
    assert ran.ending is Ending.CRASH and "No space left" in ran.stderr


@pytest.mark.parametrize("folder", [Path.home(), Path("/"), Path("/usr"), Path("/dev"), Path("/etc"), None], ids=str)
def test_writing_outside(level, tmp_path, folder):
    path = (folder or tmp_path) / f"attack-{secrets.token_hex(5)}"
    ran = run(f"open({str(path)!r}, 'w').write('x')", isolation=level)
    assert ran.ending is Ending.CRASH and not path.exists()


def test_seeing_the_home(level):
    program = f"import os\nfor path, _, files in os.walk({str(Path.home())!r}): print(*files, sep='\\n')"
    own = {path.name for path in Path.home().glob("*") if path.is_file()}
    assert not own & set(run(program, isolation=level).stdout.split("\n"))


def test_a_secret_environment_variable(level, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "swordfish")
    program = (
        "import glob, os\nprint(dict(os.environ))\nfor path in glob.glob('/proc/*/environ') + glob.glob('/old/proc/*/environ'):\n"
        "    try: print(open(path, 'rb').read())\n    except OSError: pass"
    )
    ran = run(program, isolation=level)
    assert ran.ending is Ending.FINISHED and "PATH" in ran.stdout and "swordfish" not in ran.stdout


def test_socket_connect(level):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        ran = run(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)", isolation=level)
        assert ran.ending is Ending.CRASH
        with pytest.raises(BlockingIOError):
            server.accept()


def test_abstract_unix_socket(level):
    name = f"\0attack-{secrets.token_hex(5)}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        program = f"import socket\nsocket.socket(socket.AF_UNIX).connect({name!r})"
        assert run(program, isolation=level).ending is Ending.CRASH


def test_symlink_escape(level, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("swordfish")
    program = f"import os\nos.symlink({str(secret)!r}, 'link')\nprint(open('link').read())\nopen('link', 'w').write('changed')"
    ran = run(program, isolation=level)
    assert ran.ending is Ending.CRASH and "swordfish" not in ran.stdout
    assert secret.read_text() == "swordfish"


def test_undoing_the_mounts(level):
    program = (
        "import subprocess\n"
        "for command in ('mount -o remount,rw /', 'mount -o remount,bind,rw /usr', 'umount -l /usr', 'mount -t tmpfs x /usr'):\n"
        "    assert subprocess.run(command.split(), capture_output=True).returncode, command"
    )
    assert run(program, isolation=level).ending is Ending.FINISHED


FALSE_PASSES = {
    "leaving early": "import os\nos._exit(0)",
    "leaving early in order": "import sys\nsys.exit(0)",
    "leaving with the status of success": "import os\nos._exit(100)",
    "leaving from the function": "import os\ndef f(x): os._exit(0)",
    "an exception that ends well": "def f(x): raise SystemExit(0)",
    "printing success": "print('passed\\nPASSED\\nOK\\n100\\nfinished')\nimport sys\nprint('passed', file=sys.stderr)\nsys.exit()",
    "killing the judge": "import os\nos.kill(os.getppid(), 9)",
    "killing everybody": "import os\nos.kill(-1, 9)",
    "asking the judge to leave": "import os, signal\nos.kill(os.getppid(), signal.SIGTERM)",
    "a huge traceback": "def f(x): raise ValueError('x' * (1 << 28))",
    "an endless recursion": "import sys\nsys.setrecursionlimit(1 << 30)\ndef f(x): return repr_(x)\ndef repr_(x): return f(x)",
    "a fork that leaves": "import os\nif os.fork(): os._exit(0)\ndef f(x): return 3",
    "no asserts": "import builtins\nbuiltins.AssertionError = None\ndef f(x): return 3",
    "an exit hook": "import atexit, os\natexit.register(lambda: os._exit(0))\ndef f(x): return 3",
}


@pytest.mark.parametrize("attack", FALSE_PASSES.values(), ids=list(FALSE_PASSES))
def test_false_passes(level, attack):
    ran = run(attack, asserts=ASSERTS, limits=SHORT, isolation=level)
    assert ran.ending in (Ending.FAILED, Ending.CRASH, Ending.TIMEOUT)
    assert len(ran.stderr) <= SHORT.file_bytes


def test_the_tests_are_nowhere_to_be_found_beforehand(level):
    program = (
        "import gc, os, sys\nframe = sys._getframe()\nseen = []\n"
        "while frame:\n    seen.append(repr(frame.f_locals)); frame = frame.f_back\n"
        "seen.append(repr([o for o in gc.get_objects() if isinstance(o, (list, dict))][:100000]))\n"
        "seen.append(repr(os.read(0, 1 << 20)))\nprint('sword' + 'fish' in ''.join(seen))"
    )
    ran = run(program, asserts=["assert 'swordfish'"], isolation=level)
    assert (ran.ending, ran.stdout) == (Ending.FINISHED, "False\n")


def test_programs_do_not_outlive_a_caller_that_is_killed(level, marker):
    program = named(marker) + "time.sleep(1000)"
    call = f"from hista_repro.sandbox import *\nrun({program!r}, isolation=Isolation({str(level)!r}))"
    caller = subprocess.Popen([sys.executable, "-c", call])
    deadline = time.monotonic() + 20
    while not alive(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(marker)
    caller.send_signal(signal.SIGKILL)
    caller.wait()
