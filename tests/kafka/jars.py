"""Apache Kafka's jars: fetched by Maven as `pom.xml` names them, once, into `build/`."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
#: What Kafka 4 asks of the machine it runs on.
JAVA = 17
#: Seconds for Maven, which fetches some hundred megabytes the first time.
FETCH_WITHIN = 240.0


class KafkaMissing(RuntimeError):
    """Apache Kafka cannot be had on this machine; the text says what is missing."""


@functools.cache
def java() -> str:
    """The path of a Java that runs Kafka. Raises KafkaMissing."""
    found = shutil.which("java", path=_places("JAVA_HOME"))
    if found is None:
        raise KafkaMissing(f"java is not installed: on Debian and Ubuntu, apt-get install openjdk-{JAVA}-jre")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version.group(1)) < JAVA:
        raise KafkaMissing(f"Kafka needs Java {JAVA} or newer; {found} is {said.splitlines()[0:1]}")
    return found


@functools.cache
def class_path() -> str:
    """The class path of the broker, its jars fetched if need be. Raises KafkaMissing."""
    pom = HERE / "pom.xml"
    # Named for what the pom says, so that another version is another folder.
    folder = BUILD / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _fetch(pom, folder)
    return f"{folder}/*"


def _fetch(pom: Path, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissing("Maven, which fetches Kafka, is not installed: apt-get install maven")
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [
        maven, "--quiet", "--batch-mode", "--file", str(pom),
        "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial}",
    ]  # fmt: skip
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_WITHIN, check=False)
    except subprocess.TimeoutExpired:
        raise KafkaMissing(f"Maven did not fetch Kafka within {FETCH_WITHIN:g} s") from None
    if ran.returncode != 0:
        raise KafkaMissing(f"Maven could not fetch Kafka: {(ran.stdout + ran.stderr).strip()[-1500:]}")
    partial.rename(folder)


def _places(home: str) -> str:
    """The search path, with the folder that a variable like JAVA_HOME names before it."""
    path = os.environ.get("PATH", os.defpath)
    return f"{os.environ[home]}/bin{os.pathsep}{path}" if home in os.environ else path
