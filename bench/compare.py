"""Measures Maskdoor against PyTorch on this machine, alternating between them.

    python bench/compare.py [--only A|A4|B|forward|fine-tune|loader] [--rounds 7]

Writes target/bench.json and target/bench.md, the latter to standard output too. MASKDOOR_THREADS sets the threads of both sides
(default: 2), MASKDOOR_KERNELS the kernels that Maskdoor uses where a line names none; PHOTOS names a folder of JPEG files for the
loader.

The programs of a session run side by side and take turns in every round, so that a temporary slowdown of the machine affects both
sides. A ratio is the median of the rounds' ratios; `low` and `high` are their quartiles.
"""

import argparse
import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPEED = ROOT / "target/release/examples/speed"
PEER = pathlib.Path(__file__).resolve().parent / "peer.py"
THREADS = os.environ.get("MASKDOOR_THREADS", "2")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
GROUPS = ("A", "A4", "B", "forward", "fine-tune", "loader")

MODES = ("eager", "compile", "bf16", "bf16-compile")
PRECISIONS = ("f32", "bf16")
# In single precision; left out on a machine without such kernels.
KERNELS = {"f32 portable": "portable", "f32 avx2": "avx2", "f32 avx512": "avx512"}
# Approximate seconds per turn.
TURN = 1.5
# A mode this many times slower than eager cannot be the best: it is measured once and left out.
HOPELESS = 4
MIB = 1 << 20


class DidNotStart(Exception):
    pass


@dataclasses.dataclass
class Program:
    """A program that runs steps on request."""

    side: str
    name: str
    command: list
    kernels: str | None = None
    # Whether the session continues without it.
    optional: bool = False
    threads: str = THREADS
    seconds: list = dataclasses.field(default_factory=list)
    memory: int = 0

    def start(self):
        environment = os.environ | {"MASKDOOR_THREADS": self.threads}
        if self.kernels:
            environment["MASKDOOR_KERNELS"] = self.kernels
        self.errors = tempfile.TemporaryFile("w+", errors="replace")
        pipe = subprocess.PIPE
        try:
            self.process = subprocess.Popen(
                self.command, stdin=pipe, stdout=pipe, stderr=self.errors, text=True, env=environment
            )
        except OSError as error:
            raise DidNotStart(str(error)) from error
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.batch = int(line.split()[1])
                return
        raise DidNotStart(self.last_words())

    def last_words(self):
        self.process.wait()
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        return (errors or lines or [f"exit status {self.process.returncode}"])[-1]

    def answer(self, question):
        try:
            print(question, file=self.process.stdin, flush=True)
            return self.process.stdout.readline().strip() or sys.exit(f"{self}: {self.last_words()}")
        except BrokenPipeError:
            sys.exit(f"{self}: {self.last_words()}")

    def choose_steps(self):
        self.once = float(self.answer(1))
        self.steps = max(1, round(TURN / self.once))

    def turn(self):
        self.seconds.append(float(self.answer(self.steps)) / self.steps)

    def stop(self):
        process = getattr(self, "process", None)
        if process is None:
            return
        # A program exits when its standard input closes.
        process.stdin.close()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        self.errors.close()

    @property
    def median(self):
        return statistics.median(self.seconds)

    def __str__(self):
        return f"{self.side} {self.name}"


@dataclasses.dataclass
class Measure:
    """A line of the result: the fastest of ours against the fastest of theirs. `unit` is s, images/s or bytes."""

    name: str
    ours: tuple
    peers: tuple
    unit: str = "s"


@dataclasses.dataclass
class Session:
    """Programs that run side by side, and the comparisons among them."""

    group: str
    title: str
    programs: list
    measures: list

    def named(self, side, names):
        found = [program for program in self.programs if program.side == side and program.name in names]
        return min(found, key=lambda program: program.median, default=None)


def ours(arguments, name, **more):
    return Program("Maskdoor", name, [str(SPEED), *arguments], **more)


def peer(arguments, name, **more):
    return Program("PyTorch", name, [sys.executable, str(PEER), *arguments], **more)


def session(group, title, what, setting, kernels=()):
    programs = [ours((what, setting, name), name) for name in PRECISIONS]
    programs += [ours((what, setting, "f32"), name, kernels=KERNELS[name], optional=True) for name in kernels]
    programs += [peer((what, setting, mode), mode, optional=mode.endswith("compile")) for mode in MODES]
    return Session(group, title, programs, [])


def sessions():
    """All sessions, in the order of measurement."""
    for setting in ("A", "A4", "B"):
        one = session(setting, f"pre-training {setting}", "train", setting, KERNELS if setting == "A" else ())
        one.measures = [
            Measure(f"{setting} f32 vs eager", ("f32",), ("eager",)),
            Measure(f"{setting} bf16 vs best", ("bf16",), MODES),
        ]
        if setting == "A":
            one.measures += [Measure(f"A {KERNELS[name]} vs eager", (name,), ("eager",)) for name in KERNELS]
        if setting != "A4":
            one.measures.append(Measure(f"peak memory {setting}", ("f32",), ("eager",), "bytes"))
        yield one
    for group, what in (("forward", "forward"), ("fine-tune", "finetune")):
        for setting in ("A", "B"):
            one = session(group, f"{group} {setting}", what, setting)
            one.measures = [Measure(f"{group} {setting}", PRECISIONS, MODES)]
            yield one
    photos = os.environ.get("PHOTOS")
    if photos:
        programs = [ours(("loader", photos), "loader", threads="1")]
        programs += [peer(("loader", kind, photos), kind, threads="1") for kind in ("pil", "v2")]
        yield Session("loader", "loader", programs, [Measure("loader per core", ("loader",), ("pil",), "images/s")])


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure(session, rounds, notes):
    """Fills in the times and the memory of the session's programs; removes those that do not take part."""
    say(f"== {session.title}")
    try:
        for program in list(session.programs):
            try:
                program.start()
                program.choose_steps()
                say(f"{program}: {program.once:.4f} s")
            except DidNotStart as reason:
                if not program.optional:
                    sys.exit(f"{program} does not start: {reason}")
                leave_out(session, program, f"does not start: {reason}", notes)
        eager = [program for program in session.programs if program.name == "eager"]
        for program in list(session.programs):
            if eager and program.side == eager[0].side and program.once > HOPELESS * eager[0].once:
                leave_out(session, program, f"takes {program.once:.2f} s a step, eager {eager[0].once:.2f} s", notes)
        if len({program.batch for program in session.programs}) != 1:
            sys.exit(f"{session.title}: the programs have different batch sizes")
        for number in range(rounds):
            for program in session.programs:
                program.turn()
            say(f"round {number + 1} of {rounds}")
        for program in session.programs:
            program.memory = int(program.answer("memory"))
    finally:
        for program in session.programs:
            program.stop()


def leave_out(session, program, reason, notes):
    program.stop()
    session.programs.remove(program)
    notes.append(f"{session.title}: {program} is left out: it {reason}.")
    say(notes[-1])


def quartiles(values):
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def compared(session, measure):
    """The line of the result and the two programs; None if one of them is missing."""
    mine, theirs = session.named("Maskdoor", measure.ours), session.named("PyTorch", measure.peers)
    if not mine or not theirs:
        return None
    if measure.unit == "bytes":
        values, ratios = (mine.memory, theirs.memory), [mine.memory / theirs.memory]
    else:
        values = (mine.median, theirs.median)
        ratios = [other / own for own, other in zip(mine.seconds, theirs.seconds)]
        if measure.unit == "images/s":
            values = tuple(program.batch / program.median for program in (mine, theirs))
    low, high = quartiles(ratios)
    line = {"measure": measure.name, "ours": values[0], "peer": values[1]}
    return line | {"ratio": statistics.median(ratios), "low": low, "high": high}, mine, theirs


def shown(value, unit):
    return {"s": f"{value:.4f} s", "images/s": f"{value:.1f} images/s", "bytes": f"{value / MIB:.0f} MiB"}[unit]


def machine():
    """The processor's name and the instruction sets that matter here."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine(), []
    values = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    flags = values.get("flags", "").split()
    return values.get("model name", platform.machine()), [flag for flag in FLAGS if flag in flags]


def imported_memory():
    """Memory that PyTorch takes before a model exists."""
    code = "import torch; print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM:')))"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) * 1024


def report(measured, rounds, notes):
    """The result in Markdown."""
    name, flags = machine()
    threads = f"{THREADS} thread" + "s" * (THREADS != "1")
    version, kernels = importlib.metadata.version("torch"), os.environ.get("MASKDOOR_KERNELS")
    flags = ", ".join(flags) or f"none of {', '.join(FLAGS)}"
    facts = [f"{name} ({flags})", threads, f"PyTorch {version}", f"{rounds} round" + "s" * (rounds > 1)]
    if kernels:
        facts.append(f"MASKDOOR_KERNELS={kernels}")
    out = ["# Maskdoor and PyTorch", "", ", ".join(facts) + ".", ""]
    out += ["Times: PyTorch's over Maskdoor's, higher is better. Memory: Maskdoor's over PyTorch's, lower is better.", ""]
    out += ["| | Maskdoor | PyTorch | ratio | quartiles |", "|---|---:|---:|---:|---:|"]
    for session in measured:
        for measure in session.measures:
            found = compared(session, measure)
            if not found:
                continue
            line, mine, theirs = found
            sides = []
            for program, side, among in ((mine, "ours", measure.ours), (theirs, "peer", measure.peers)):
                chosen = f" ({program.name})" if len(among) > 1 else ""
                sides.append(shown(line[side], measure.unit) + chosen)
            spread = "" if measure.unit == "bytes" else f"{line['low']:.2f} to {line['high']:.2f}"
            out.append(f"| {line['measure']} | {sides[0]} | {sides[1]} | {line['ratio']:.2f} | {spread} |")
    out += ["", "Every program:", ""]
    out += ["| | | median of a step | quartiles | images/s | peak memory |", "|---|---|---:|---:|---:|---:|"]
    for session in measured:
        for program in session.programs:
            low, high = quartiles(program.seconds)
            out.append(
                f"| {session.title} | {program} | {shown(program.median, 's')} | {low:.4f} to {high:.4f} "
                f"| {program.batch / program.median:.1f} | {shown(program.memory, 'bytes')} |"
            )
    if notes:
        out += ["", *(f"* {note}" for note in notes)]
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=GROUPS, help="one group of measurements instead of all")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each program")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("at least one round")
    out, notes, measured = ROOT / "target", [], []
    if not os.environ.get("PHOTOS"):
        if arguments.only == "loader":
            sys.exit("say where photographs are: PHOTOS names a folder of JPEG files")
        if arguments.only is None:
            notes.append("The loader is not measured: PHOTOS names no folder of JPEG files.")
    for session in sessions():
        if arguments.only not in (None, session.group):
            continue
        measure(session, arguments.rounds, notes)
        if any(line.unit == "bytes" for line in session.measures) and not measured:
            notes.append(f"PyTorch takes {imported_memory() / MIB:.0f} MiB of its memory before a model exists.")
        measured.append(session)
        # Written after each session, so that nothing is lost if a later one fails.
        found = [compared(session, line) for session in measured for line in session.measures]
        (out / "bench.json").write_text(json.dumps([line[0] for line in found if line], indent=1) + "\n")
        (out / "bench.md").write_text(report(measured, arguments.rounds, notes))
    print(report(measured, arguments.rounds, notes), end="")


if __name__ == "__main__":
    main()
