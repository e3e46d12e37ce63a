"""Event files that TensorBoard's own writer makes from a run's events."""

import io

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def percent(ratio):
    return ratio["hits"] / ratio["total"] * 100 if ratio["total"] else None


def shares(metrics, group):
    named = [("acc1", "ca"), ("triggered_asr", "asr"), ("triggered_acc1", "ra")]
    return [(f"{group}/{tag}", percent(metrics[key])) for tag, key in named]


def scalars(event):
    """An event's step and its values by tag; None for an event without values."""
    kind = event["type"]
    if kind == "step":
        told = [("train/loss", event["loss"]), ("train/lr", event["lr"])]
        told.append(("train/images_per_second", event["images_per_second"]))
        if "time" in event:
            told.append(("train/data_seconds", event["time"]["waited"]))
            told.append(("train/compute_seconds", event["time"]["computed"]))
        return event["step"], told
    if kind == "epoch":
        return event["epoch"], [("epoch/train_loss", event["loss"]), ("epoch/train_lr", event["lr"])]
    if kind == "knn":
        return event["epoch"], [pair for pair in shares(event["metrics"], "knn") if pair[1] is not None]
    if kind == "evaluated":
        told = shares(event["metrics"], "test")
        told.append(("test/acc5", percent(event["metrics"]["top5"]) if "top5" in event["metrics"] else None))
        told.append(("test/loss", event.get("loss")))
        told.append(("test/triggered_loss", event.get("triggered_loss")))
        return event["epoch"], [pair for pair in told if pair[1] is not None]
    return None


def written(events):
    """The bytes of the file."""
    file = io.BytesIO()
    writer = RecordWriter(file)
    begun = False
    for event in events:
        told = scalars(event)
        if told is None:
            continue
        wall_time = event["at"] / 1000
        if not begun:
            writer.write(Event(wall_time=wall_time, file_version="brain.Event:2").SerializeToString())
            begun = True
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in told[1]]
        writer.write(Event(wall_time=wall_time, step=told[0], summary=Summary(value=values)).SerializeToString())
    return file.getvalue()


def events_of_a_run(rng, epochs, steps, knn):
    """A synthetic run; its values are in single precision, as in the file."""
    number = lambda low, high: float(np.float32(rng.uniform(low, high)))
    seq, at = 0, 1_760_000_000_000
    share = lambda total: {"hits": int(rng.integers(0, total + 1)), "total": total}

    def stamped(kind, **fields):
        nonlocal seq, at
        seq, at = seq + 1, at + int(rng.integers(1, 5000))
        return {"seq": seq, "at": at, "type": kind, **fields}

    yield stamped("log", message="begins")
    for epoch in range(1, epochs + 1):
        for step in range(1, steps + 1):
            fields = {"loss": number(0, 9), "lr": number(0, 0.1), "images_per_second": number(1, 900)}
            if rng.integers(2):
                fields["time"] = {"waited": number(0, 1), "computed": number(0, 1)}
            place = (epoch - 1) * steps + step
            yield stamped("step", step=place, epoch=place / steps, **fields)
        yield stamped("epoch", epoch=epoch, loss=number(0, 9), lr=number(0, 0.1), images_per_second=number(1, 900))
        metrics = {"ca": share(40), "asr": share(36), "ra": share(36)}
        if knn:
            yield stamped("knn", epoch=epoch, metrics=metrics)
            continue
        metrics["asr"] = share(36 if rng.integers(2) else 0)
        if rng.integers(2):
            metrics["top5"] = share(40)
        losses = {"loss": number(0, 9)} if rng.integers(2) else {}
        yield stamped("evaluated", epoch=epoch, metrics=metrics, **losses, triggered_loss=number(0, 9))


def cases(rng, small):
    sizes = [(2, 2), (1, 1)] if small else [(int(rng.integers(1, 300)), int(rng.integers(1, 5))) for _ in range(4)]
    for number, (epochs, steps) in enumerate(sizes):
        events = list(events_of_a_run(rng, epochs, steps, knn=number % 2 == 1))
        yield {"events": events}, {"file": np.frombuffer(written(events), np.uint8)}
