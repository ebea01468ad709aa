"""A single-node SLURM for tests, from Debian's packages: `python tests/slurm/cluster.py up` and `down`.

The node claims CPUs and memory that the machine may lack (two GPU jobs must fit at once; only the scheduler looks) and
two GPUs, which are device files of any kind: SLURM hands them out without looking. Needs root, and /etc/slurm to
itself: its configuration must lie there, because job steps find no other.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ETC = Path("/etc/slurm")
BASE = Path("/var/tmp/glioma-slurm")
MARK = "# Written by tests/slurm/cluster.py of Voxels vs Tokens."
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
GPUS = 2
CONFIGURATION = """{mark}
ClusterName=glioma
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd.log
MpiDefault=none
ReturnToService=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# A job that takes more memory than it asked for is ended within a second, without cgroups.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
# Ended jobs stay known for the whole test: it asks what became of them.
MinJobAge=36000
MaxJobCount=20000
KillWait=5
# A time limit of one minute is enforced within that minute.
OverTimeLimit=0
InactiveLimit=0
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 \
RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES DefMemPerCPU=500 DefaultTime=60 MaxTime=INFINITE State=UP
"""


def run(*command: str, **options) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"Error: {' '.join(command)}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return done.stdout


def install() -> None:
    """Debian's packages, where they are missing."""
    if all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("slurmctld", "slurmd", "sbatch", "munged")):
        return
    if not shutil.which("apt-get"):
        sys.exit(f"Error: {', '.join(PACKAGES)} are missing, and so is apt-get; install SLURM and munge by other means")
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    run("apt-get", "update", "-qq", **quiet)
    # The daemons are started below, by this script and not by the packages.
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES, **quiet)


def configure(cpus: int, memory: int) -> None:
    """slurm.conf and gres.conf, unless there is a SLURM of somebody else's."""
    path = ETC / "slurm.conf"
    if path.exists() and not path.read_text().startswith(MARK):
        sys.exit(f"Error: {path} belongs to another SLURM; run these tests on a machine without one")
    for folder in (ETC, BASE / "state", BASE / "spool"):
        folder.mkdir(parents=True, exist_ok=True)
    values = {"mark": MARK, "host": host(), "base": BASE, "cpus": cpus, "memory": memory, "gpus": GPUS}
    path.write_text(CONFIGURATION.format(**values))
    (ETC / "gres.conf").write_text(f"{MARK}\nName=gpu File=/dev/tty[1-{GPUS}]\n")
    names = Path("/etc/hosts").read_text()
    if host() not in names.split():
        Path("/etc/hosts").write_text(f"{names.rstrip()}\n127.0.0.1 {host()}\n")


def host() -> str:
    return socket.gethostname().split(".")[0]


def start_munge() -> None:
    if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
        return
    key, runtime = Path("/etc/munge/munge.key"), Path("/run/munge")
    if not key.exists():
        key.write_bytes(os.urandom(1024))
    runtime.mkdir(exist_ok=True)
    for path, mode in ((key, 0o400), (runtime, 0o755)):
        shutil.chown(path, "munge", "munge")
        path.chmod(mode)
    run("setpriv", "--reuid", "munge", "--regid", "munge", "--init-groups", "/usr/sbin/munged")


def start_controller() -> None:
    run("/usr/sbin/slurmctld")


def stop(daemon: str, patience: float = 20) -> None:
    """End a daemon of ours, by the process id that it left."""
    path = BASE / f"{daemon}.pid"
    if not path.exists():
        return
    process = int(path.read_text())
    if runs(process, daemon):
        os.kill(process, signal.SIGTERM)
    started = time.monotonic()
    while runs(process, daemon) and time.monotonic() - started < patience:
        time.sleep(0.1)
    path.unlink(missing_ok=True)


def runs(process: int, name: str) -> bool:
    """Whether a process of this name has this id: ids are used again, and dead processes may wait to be reaped."""
    try:
        found, state = re.search(r"\((.*)\) (\w)", Path(f"/proc/{process}/stat").read_text()).groups()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return found == name and state != "Z"


def up(cpus: int = 8, memory: int = 64000) -> None:
    """Install, configure, start, and wait until the node is idle."""
    if os.geteuid():
        sys.exit("Error: SLURM's daemons need root; run as root, for example in a container")
    install()
    path = BASE / "slurmctld.pid"
    if path.exists() and runs(int(path.read_text()), "slurmctld"):
        sys.exit(
            f"Error: a SLURM of this script is up already (process {path.read_text().strip()}); end it with 'down'"
        )
    down()
    configure(cpus, memory)
    start_munge()
    start_controller()
    run("/usr/sbin/slurmd", "-N", host())
    started = time.monotonic()
    while time.monotonic() - started < 60:
        # sinfo itself waits long for a controller that is not there.
        asked = ["timeout", "5", "sinfo", "-h", "-o", "%T"]
        state = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if state == "idle":
            return
        time.sleep(0.2)
    sys.exit(f"Error: the node is {state or 'unknown'}, not idle; see {BASE}/slurmctld.log and {BASE}/slurmd.log")


def down() -> None:
    """Stop what was started and forget its jobs; munge stays."""
    if (BASE / "slurmctld.pid").exists():
        subprocess.run(["scancel", "--user", "root"], capture_output=True, check=False, timeout=60)
    for daemon in ("slurmctld", "slurmd"):
        stop(daemon)
    shutil.rmtree(BASE, ignore_errors=True)
    path = ETC / "slurm.conf"
    if path.exists() and path.read_text().startswith(MARK):
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=["up", "down"])
    {"up": up, "down": down}[parser.parse_args().what]()
