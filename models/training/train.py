"""Trains one tiny Llama from scratch on endless fresh text of generate_text.py.

Owns batching, the loss and the schedule. The loss is taken after Hugging Face's repetition
penalty in a part of the sequences, so that the model stays right when a caller sets one. A probe
half-way up has to name the subject of the answer; it is thrown away after the training.
"""

import argparse
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from formats import FORMATS, Sample, raw, running_text
from generate_text import MODELS_DIRECTORY, SUBJECT_NUMBERS, conversation, statement
from llama_model import SHAPES, Llama

RAW_SHARE = {"corral-tiny-2": 0.36, "corral-tiny-3": 0.24}
PROBE_WEIGHT = 0.3
RUNNING_SHARE = {"corral-tiny-2": 0.06, "corral-tiny-3": 0.04}
PENALISED_SHARE = 0.5
LONGEST = 320
# The loss is taken at these temperatures, so that sampling at 1.0 and below is sharper than the text.
TEMPERATURES = (1.0, 1.5)


def draw_sample(model: str, fmt, rng: random.Random) -> Sample:
    chance = rng.random()
    if chance < RUNNING_SHARE[model]:
        return running_text(fmt, statement(rng))
    talk = conversation(rng)
    if chance < RUNNING_SHARE[model] + RAW_SHARE[model]:
        return raw(fmt, talk.turns[-1], rng)
    return fmt.chat(talk, rng)


def batches(model: str, fmt, rng: random.Random, tokens_per_batch: int):
    """Endless batches of samples of similar length."""
    while True:
        pool = [draw_sample(model, fmt, rng) for _ in range(2048)]
        pool = sorted((sample for sample in pool if len(sample.ids) <= LONGEST), key=lambda sample: len(sample.ids))
        groups, group = [], []
        for sample in pool:
            if group and len(sample.ids) * (len(group) + 1) > tokens_per_batch:
                groups.append(group)
                group = []
            group.append(sample)
        groups.append(group)
        rng.shuffle(groups)
        yield from groups


def scaled_as_sampled(
    scores: torch.Tensor,
    ids: torch.Tensor,
    rows: torch.Tensor,
    positions: torch.Tensor,
    penalty: torch.Tensor,
    temperature: torch.Tensor,
) -> torch.Tensor:
    """Scores [n, vocabulary] at (row, position) of ids after the repetition penalty and temperature of each row."""
    length = ids.shape[1]
    with torch.no_grad():
        first = torch.full((ids.shape[0], scores.shape[1]), length, dtype=torch.int32)
        order = torch.arange(length, dtype=torch.int32).expand(ids.shape)
        first.scatter_reduce_(1, ids, order, "amin")
        seen = first[rows] <= positions[:, None]
        by = penalty[rows][:, None]
        factor = torch.where(seen, torch.where(scores > 0, 1 / by, by), 1.0) / temperature[rows][:, None]
    return scores * factor


def loss_of(
    net: Llama, probe: torch.nn.Linear, group: list[Sample], rng: random.Random
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """(loss of the tokens, loss of the probe, tokens in the batch)."""
    length = max(len(sample.ids) for sample in group)
    ids = torch.zeros(len(group), length, dtype=torch.long)
    weights = torch.zeros(len(group), length)
    subjects = torch.full((len(group), length), -1)
    for row, sample in enumerate(group):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        weights[row, : len(sample.ids)] = torch.tensor(sample.weights)
        subjects[row, : len(sample.ids)] = torch.tensor(sample.subjects)
    penalties = [1.0] * len(group)
    for row in range(len(group)):
        if rng.random() < PENALISED_SHARE:
            penalties[row] = 2.0 if rng.random() < 0.4 else rng.uniform(1.02, 2.2)
    temperatures = [rng.uniform(*TEMPERATURES) for _ in group]
    rows, positions = (weights[:, 1:] > 0).nonzero(as_tuple=True)
    final, middle = net.states(ids[:, :-1])
    scores = net.head(final[rows, positions])
    scores = scaled_as_sampled(scores, ids, rows, positions, torch.tensor(penalties), torch.tensor(temperatures))
    losses = F.cross_entropy(scores, ids[rows, positions + 1], reduction="none")
    used = weights[rows, positions + 1]
    named = subjects[rows, positions + 1]
    guesses = probe(F.rms_norm(middle[rows, positions], middle.shape[-1:]))
    probe_loss = F.cross_entropy(guesses, named, ignore_index=-1, reduction="sum") / (named >= 0).sum().clamp(min=1)
    return (losses * used).sum() / used.sum(), probe_loss, ids.numel()


def learning_rate(done: float, peak: float) -> float:
    """Warm-up over 2 %, cosine to zero; `done` is the share of the training that is over."""
    return peak * done / 0.02 if done < 0.02 else peak * 0.5 * (1 + math.cos(math.pi * (done - 0.02) / 0.98))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(SHAPES))
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--minutes", type=float, help="train for this long instead of --steps")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--start", type=Path, help="checkpoint to go on from")
    parser.add_argument("--peak", type=float, default=4e-3)
    parser.add_argument("--batch", type=int, default=2048, help="tokens in a batch")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)
    fmt = FORMATS[options.model](str(MODELS_DIRECTORY / options.model / "tokenizer.json"))
    net = Llama(SHAPES[options.model])
    if options.start:
        net.load_state_dict(torch.load(options.start)["weights"])
    probe = torch.nn.Linear(net.shape.width, len(SUBJECT_NUMBERS))
    matrices = [p for n, p in net.named_parameters() if p.dim() == 2 and "embedding" not in n]
    others = [p for p in net.parameters() if all(p is not m for m in matrices)]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": [*others, *probe.parameters()], "weight_decay": 0.0}],
        lr=options.peak,
        betas=(0.9, 0.98),
        fused=True,
    )
    print(f"{options.model}: {sum(p.numel() for p in net.parameters())} parameters", flush=True)
    began, seen, answered, average = time.monotonic(), 0, 0, None
    for step, group in enumerate(batches(options.model, fmt, rng, options.batch)):
        elapsed = time.monotonic() - began
        done = elapsed / (60 * options.minutes) if options.minutes else step / options.steps
        if done >= 1:
            break
        for part in optimizer.param_groups:
            part["lr"] = learning_rate(done, options.peak)
        loss, probe_loss, tokens = loss_of(net, probe, group, rng)
        (loss + PROBE_WEIGHT * probe_loss).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seen += tokens
        now = torch.stack((loss.detach(), probe_loss.detach()))
        average = now if average is None else 0.98 * average + 0.02 * now
        if step % 50 == 0:
            print(
                f"step {step} loss {average[0]:.4f} probe {average[1]:.4f} tokens {seen} tokens/s {seen / (elapsed + 1e-9):.0f} done {done:.3f}",
                flush=True,
            )
        if step % 500 == 499:
            save(net, options.out, step, seen)
    save(net, options.out, step, seen)
    print(
        f"steps {step} tokens {seen} seconds {time.monotonic() - began:.0f} loss {average[0]:.4f} probe {average[1]:.4f}"
    )


def save(net: Llama, path: Path, step: int, tokens: int) -> None:
    torch.save({"weights": net.state_dict(), "shape": net.shape.as_dict(), "step": step, "tokens": tokens}, path)


if __name__ == "__main__":
    main()
