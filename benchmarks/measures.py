"""Every measure against what its arithmetic costs bare, and against public implementations.

python benchmarks/measures.py [--only NAME ...] [--rows 10000] [--dim 768]
python benchmarks/measures.py --stream          one million rows of 384

Ratios within one process, taken in turns. Bare (measures_bare.py) is what the definition cannot do
without, in the input's own precision: the matrix products that it names (those of its interval too,
where the default answer has one: an exact jackknife is half of CKA), the factorisations of d x d
matrices that its answer, interval and chance level need, each of the cheapest kind that gives it,
both n x n products where it reads every pair of rows, or the exact k-NN search where it reads
neighbours. Times are the best of nine turns, for other work on a machine only ever adds. Peers
(measures_peers.py) are timed where they are installed (in .venv-compare, `make compare`) and
compute the same thing; their value is compared too. A peer is near the bare rate when it takes at
most ``NEAR`` times as long; wherever it is not, ten times faster is asked for.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import signal
from pathlib import Path

import numpy as np
from measures_bare import bare_of, bare_seconds, products, seconds
from measures_peers import PEERS
from record import RESULTS, memory_peak_mb, record

from isthmus.core.registry import method, methods

#: Seconds after which a measure and its peers are given up.
LIMIT = 60
#: Seconds after which a peer or a measure is not repeated.
PATIENCE = 3.0
#: Turns, of which the best counts.
TURNS = 9
#: A peer within this multiple of the bare cost cannot be beaten tenfold.
NEAR = 3.0


def data(n, d):
    rng = np.random.default_rng(0)
    scales = 1 / np.sqrt(np.arange(1, d + 1, dtype=np.float32))
    x = rng.standard_normal(size=(n, d), dtype=np.float32) * scales
    mix = rng.standard_normal(size=(d, d), dtype=np.float32) / np.float32(np.sqrt(d))
    y = np.tanh(3 * x @ mix)
    y += np.float32(0.1) * rng.standard_normal(size=(n, d), dtype=np.float32)
    return x, y


def given(card, x):
    labels = (x[:, 0] > 0).astype(int) + 2 * (x[:, 1] > 0)
    known = {
        "labels": labels, "factors": (x[:, :3] > 0).astype(int),
        "groups": np.arange(len(x)) // 5, "confound": x[:, :3] ** 2,
    }  # fmt: skip
    return {key: known[key] for key in card.given}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()
    if options.stream:
        stream()
        return
    prepare_peers()
    x, y = data(options.rows, options.dim)
    products(x[:100], y[:100])
    found = {}
    for one in methods("measures"):
        card = one.card
        if not card.spaces or (options.only and one.name not in options.only):
            continue
        found[one.name] = within_limit(one, x, y)
        print(one.name, found[one.name], flush=True)
        # As it goes: the whole takes half an hour, and what is measured is measured.
        keep(found | {"rows": options.rows, "dim": options.dim, "dtype": "float32"})


def keep(found):
    """Put new figures beside those that ``--only`` did not touch."""
    file = RESULTS / "measures.json"
    known = json.loads(file.read_text())["figures"] if file.is_file() else {}
    for name, row in found.items():
        # A peer that is not installed here keeps what was measured where it was, and says so.
        for label, peer in row.get("peers", {}).items() if isinstance(row, dict) else ():
            before = known.get(name, {}).get("peers", {}).get(label)
            if peer == "not installed" and isinstance(before, dict):
                row["peers"][label] = before | {"earlier": True}
    with contextlib.redirect_stdout(io.StringIO()):
        record("measures", known | found, whole=True)


def prepare_peers():
    """Import the peers the way the comparison does, where they are installed."""
    if importlib.util.find_spec("dadapy") is None:
        return
    path = Path(__file__).parent.parent / "tests/comparison/conftest.py"
    spec = importlib.util.spec_from_file_location("comparison", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def within_limit(one, x, y):
    """``compared``, given up after ``LIMIT`` seconds, which a run over all measures must be."""

    def stop(*_):
        raise TimeoutError(f"over {LIMIT} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        return compared(one, x, y)
    except TimeoutError as error:
        return {"cost": one.card.cost, "stopped": str(error)}
    finally:
        signal.alarm(0)


def compared(one, x, y):
    """Ours and the bare cost in turns, then each peer."""
    card, call = one.card, one.call
    extra = given(card, x)
    sides = (x, y)[: card.spaces]
    row = {"cost": card.cost}
    try:
        # A small call first, so that imports and compilation are not timed.
        seconds(
            lambda: call(*(a[:500, :50] for a in sides), **{k: v[:500] for k, v in extra.items()})
        )
    except TimeoutError:
        raise
    except Exception as error:
        row["warm_up"] = f"{type(error).__name__}: {error}"[:160]
    bare, kinds = bare_of(card)
    ours, theirs, value = [], [], None
    try:
        for _ in range(TURNS):
            theirs.append(bare_seconds(card, x, y))
            took, value = seconds(lambda: call(*sides, **extra))
            ours.append(took)
            if took > PATIENCE:
                break
    except TimeoutError:
        raise
    except Exception as error:
        return row | {"refused": f"{type(error).__name__}: {error}"[:160]}
    products_s, factors_s = np.min(theirs, axis=0).tolist()
    base, mine = products_s + factors_s, min(ours)
    row |= {
        "seconds": mine, "bare": bare.__name__, "factorisations": kinds,
        "products_s": products_s, "bare_s": base, "times_bare": mine / base,
        "value": float(value),
    }  # fmt: skip
    for peer in PEERS.get(one.name, ()):
        row.setdefault("peers", {})[peer.label] = against(peer, one, x, y)
    return row


def against(peer, one, x, y):
    """A peer and ours in turns, on the same rows and with the options that make them the same."""
    if importlib.util.find_spec(peer.package) is None:
        return "not installed"
    x, y = x[: peer.rows], y[: peer.rows]
    sides = (x, y)[: one.card.spaces]
    ours, theirs, base = [], [], []
    try:
        for _ in range(TURNS):
            base.append(sum(bare_seconds(one.card, x, y)))
            took, score = seconds(lambda: one.call(*sides, **peer.options))
            ours.append(took)
            took, other = seconds(lambda: peer.run(x, y))
            theirs.append(took)
            if took > PATIENCE:
                break
    except TimeoutError as error:
        return f"stopped: {error}"
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"[:160]
    mine = float(score.parts[peer.part]) if peer.part else float(score)
    faster = min(theirs) / min(ours)
    near = min(theirs) / min(base) <= NEAR
    found = {
        "rows": len(x), "times_faster": faster,
        "theirs_times_bare": min(theirs) / min(base),
        "fast_enough": bool(faster >= (1 if near else 10)), "difference": abs(other - mine),
        "equal": bool(abs(other - mine) <= 1e-6 * max(1, abs(mine))),
    }  # fmt: skip
    return found | ({"why": peer.differs} if peer.differs else {})


def streamed(one, x, y, found):
    """A measure and its bare cost at a million rows, in turns."""
    took, base = [], []
    for _ in range(2):
        base.append(sum(bare_seconds(one.card, x, y)))
        took.append(seconds(lambda: one.call(x, y))[0])
    found[one.name] = {"seconds": min(took), "times_bare": min(took) / min(base)}
    print(one.name, found[one.name], flush=True)


def stream():
    """One million rows of 384 in float32: what streams, its rate against the products, memory."""
    from isthmus.core.moments import Moments

    n, d = 1_000_000, 384
    x, y = data(n, d)
    products(x[:100], y[:100])
    found = {"rows": n, "dim": d, "dtype": "float32"}
    base = [seconds(lambda: products(x, y))[0] for _ in range(2)]
    took = [seconds(lambda: Moments.of(x, y))[0] for _ in range(2)]
    found["products_s"], found["moments_s"] = min(base), min(took)
    found["moments_rate_of_products"] = min(base) / min(took)
    for one in methods("measures"):
        if one.card.streams and one.card.spaces == 2:
            streamed(one, x, y, found)
    code = (
        "import numpy as np\n"
        "from isthmus.core.registry import method\n"
        "call = method('measures', sys.argv[1]).call\n"
        "n = int(sys.argv[2])\n"
        "rng = np.random.default_rng(0)\n"
        "x = rng.normal(size=(n, 64)).astype('f4')\n"
        "y = x[:, ::-1] + x\n"
        "call(x[:500], y[:500])\n"
        "mark()\n"
        "call(x, y)\n"
    )
    for name in ("debiased_cka", "procrustes_angular"):
        method("measures", name)
        found[f"{name}_memory_mb"] = {
            str(rows): memory_peak_mb(code, name, rows) for rows in (250_000, 1_000_000)
        }
    record("measures-stream", found)


if __name__ == "__main__":
    main()
