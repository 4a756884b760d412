"""Memory of a family of processes."""

import os
import subprocess
import sys
from uuid import uuid4

import pytest

from bench.memory import end_family, family, family_pss, field_bytes, marked, parent_of, with_descendants

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"


def test_a_field_is_read_in_bytes_and_its_longer_namesakes_are_not():
    assert field_bytes("Pss_Anon:      40 kB\nPss:           123 kB\n", "Pss") == 123 * 1024
    assert field_bytes("Rss: 5 kB\n", "Pss") == 0


@pytest.mark.parametrize("name", ["python3", "a (b) c", ") 1 S 99"])
def test_the_parent_is_found_whatever_the_name_of_the_process(name):
    assert parent_of(f"42 ({name}) S 17 42 42 0") == 17


def test_descendants_are_found_through_generations_and_strangers_are_not():
    parents = {2: 1, 3: 2, 4: 3, 5: 1}
    assert with_descendants({2}, parents) == {2, 3, 4}


def test_a_family_is_found_measured_and_ended():
    mark = uuid4().hex
    with marked(mark) as environment:
        command = [sys.executable, "-c", WAIT]
        # A child that was given another environment belongs to the family by descent.
        nested = f"import subprocess; subprocess.run({command!r}, env={{}})"
        with subprocess.Popen(
            [sys.executable, "-c", nested], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as parent:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"up\n"
            assert len(family(mark)) == 2
            assert parent.pid in family(mark)
            assert os.getpid() not in family(mark)
            assert family_pss(mark) > 1_000_000
            end_family(mark)
            assert parent.wait() != 0
    assert family(mark) == []
