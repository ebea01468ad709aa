"""Digests of large files are taken once, and anew when a file is another one."""

import hashlib
import os

import pytest

from glioma.base import digests


@pytest.fixture
def sha256(monkeypatch, tmp_path):
    """Digests with what is kept in a folder of the test; `taken` are the files that were read."""
    monkeypatch.setattr(digests, "LARGE", 100)
    taken, take = [], digests._take
    monkeypatch.setattr(digests, "_take", lambda path: taken.append(path.name) or take(path))

    def sha256(path):
        found = digests.sha256(path, tmp_path / "kept")
        assert found == hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    sha256.taken = taken
    return sha256


def test_a_large_file_is_read_once_a_small_one_each_time(sha256, tmp_path):
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(b"a" * 100)
    small.write_bytes(b"a" * 99)
    for _ in range(3):
        sha256(large), sha256(small)
    assert sorted(sha256.taken) == ["large", "small", "small", "small"]


def test_another_file_in_its_place_is_read_anew(sha256, tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"a" * 200)
    sha256(path)
    stat = path.stat()
    # As large and as old as before: rewritten in its place, then another one moved there.
    path.write_bytes(b"b" * 200)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    sha256(path)
    other = tmp_path / "other"
    other.write_bytes(b"c" * 200)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    sha256(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    sha256(link)
    assert sha256.taken == ["weights"] * 3
