"""Records whole `generate` calls on both tiny models: a caller's JSON parameters and the ids that come of them.

For each wanted case prompts are tried until one shows it: every field that shall act changes the ids, a swap of two
neighbouring processors does too, and the ids are firm. Firm means that every step's best score leads by more than
`MARGIN`, and that the ids stay under noise of `NOISE` on all logits: other implementations differ from torch by about
1e-4. A case for which no prompt is firm is kept and says at which step it is not (`near_tie_at`).

Arguments are parts of names: those cases are made again. Without any, those are made that the record lacks; the others
stay as they are, so remove a record's file to make all again.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
import transformers

from generate_case import Situation, Want
from generate_prompts import build_prompts
from generate_wants_alone import ends_and_lengths, processors, watermarks
from generate_wants_sampled import returned, sampled
from generate_wants_together import batches, chains, configs, lookups, neighbours, stops
from hugging_face_call import Outcome, call, noisy, swapped
from tiny_models import MODELS, RUNTIME_RECORDS, load_model, load_tokenizer, origin

MARGIN = 2e-3
NOISE = 5e-4
SHOWN_SCORES = 24
PLAIN = {"do_sample": False, "max_new_tokens": 20}


class Recorder:
    def __init__(self, short: str) -> None:
        self.short = short
        self.tokenizer, self.net = load_tokenizer(short), load_model(short)
        self.prompts = build_prompts(self.tokenizer)
        ends = self.net.generation_config.eos_token_id
        self.ends = ends if isinstance(ends, list) else [ends]
        self.known: dict[str, Outcome] = {}
        self.offset = 0

    def run(self, prompt: list[int], parameters: dict) -> Outcome:
        key = json.dumps([prompt, parameters])
        if key not in self.known:
            self.known[key] = call(self.net, self.tokenizer, prompt, parameters)
        return self.known[key]

    def situation(self, prompt: list[int]) -> Situation:
        plain = self.run(prompt, PLAIN).rows[0]
        return Situation(
            model=self.short, prompt=prompt, plain=plain, ends=self.ends, bos=self.tokenizer.bos_token_id,
            encode=lambda text: self.tokenizer.encode(text, add_special_tokens=False), decode=self.tokenizer.decode,
        )  # fmt: skip

    def record(self, want: Want) -> list[dict]:
        names = list(want.prompts or self.prompts)
        if not want.prompts:
            names = names[self.offset % len(names) :] + names[: self.offset % len(names)]
        found: list[tuple[int, dict]] = []
        for name in names:
            rank, case = self.attempt(want, name)
            found.append((rank, case))
            if sum(1 for rank, _ in found if rank == 0) == want.count:
                break
        found.sort(key=lambda pair: pair[0])
        for rank, case in found[: want.count]:
            if rank > 0:
                print(f"{self.short} {want.name}: {REASONS[rank]}", file=sys.stderr)
        return [case for rank, case in found[: want.count] if rank < UNUSABLE]

    def attempt(self, want: Want, name: str) -> tuple[int, dict]:
        """A case and what it lacks, 0 being nothing."""
        prompt = self.prompts[name]
        situation = self.situation(prompt)
        try:
            made = want.parameters(situation) if callable(want.parameters) else want.parameters
        except IndexError:
            return UNUSABLE, {}
        parameters = without_twice(want.base | made)
        if want.beside:
            prompt, mask = self.pad_left([prompt, *(self.prompts[other] for other in want.beside)])
            parameters |= {"attention_mask": mask}
        outcome = self.run(prompt, parameters)
        case = {"name": want.name, "prompt": name, "input_ids": prompt, "parameters": parameters}
        if not want.by_chance:
            case["new_ids"] = outcome.rows
        for kind in want.shows:
            case[kind] = [describe(row[0]) for row in getattr(outcome, kind)]
        samples = parameters.get("do_sample") is True and "generation_config" not in parameters
        if samples and not want.by_chance and not leaves_one(outcome):
            return UNUSABLE, {}
        tie = self.near_tie(prompt, parameters, outcome, want)
        if tie is not None:
            case["near_tie_at"] = tie
        if any(self.is_inert(prompt, parameters, field, outcome) for field in want.acts):
            return (2 if tie is None else 3), case
        if want.swap is not None:
            changes = self.swap_changes(prompt, parameters, outcome, want)
            if not changes:
                return (2 if tie is None else 3), case
            case["swap"] = {"processors": list(want.swap), "changes": changes}
        return (0 if tie is None else 1), case

    def pad_left(self, rows: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
        pad = self.net.generation_config.pad_token_id
        pad = self.ends[0] if pad is None else pad
        width = max(map(len, rows))
        return (
            [[pad] * (width - len(row)) + row for row in rows],
            [[0] * (width - len(row)) + [1] * len(row) for row in rows],
        )

    def is_inert(self, prompt: list[int], parameters: dict, field: str, outcome: Outcome) -> bool:
        rest = {name: value for name, value in parameters.items() if name != field}
        return self.run(prompt, rest).rows == outcome.rows

    def swap_changes(self, prompt: list[int], parameters: dict, outcome: Outcome, want: Want) -> str:
        """What the other order of two processors changes firmly: "ids", "scores" or nothing."""
        with swapped(self.net, *want.swap):
            other = call(self.net, self.tokenizer, prompt, parameters)
        if want.shows:
            return "scores" if scores_differ(outcome, other) else ""
        return "ids" if other.rows != outcome.rows else ""

    def near_tie(self, prompt: list[int], parameters: dict, outcome: Outcome, want: Want) -> int | None:
        """The first step that another implementation's noise may turn."""
        if not want.by_chance:
            ends = self.ends if len(outcome.rows) > 1 else []
            for step, margin in enumerate(outcome.margins(ends)):
                # Two forced tokens are exactly equal whatever the logits are; the runs under noise tell other ties.
                if 0 < margin < MARGIN:
                    return step
        for seed in range(3):
            with noisy(self.net, NOISE, seed):
                other = call(self.net, self.tokenizer, prompt, parameters)
            if want.by_chance or parameters.get("do_sample") is True:
                if any(set(alive(a[0])) != set(alive(b[0])) for a, b in zip(outcome.scores, other.scores)):
                    return 0
            if not want.by_chance and other.rows != outcome.rows:
                pairs = zip(outcome.rows[0], other.rows[0])
                return next((step for step, (a, b) in enumerate(pairs) if a != b), 0)
        return None


REASONS = {1: "no prompt is firm", 2: "no prompt where everything acts", 3: "neither firm nor acting", 9: "not to be shown"}
UNUSABLE = 9


def without_twice(parameters: dict) -> dict:
    """Lengths of the base step back where the case is about another one."""
    if "max_length" in parameters and parameters.get("max_new_tokens") == 16:
        parameters = {name: value for name, value in parameters.items() if name != "max_new_tokens"}
    return parameters


def alive(row: torch.Tensor) -> list[int]:
    return torch.nonzero(row > -torch.inf).flatten().tolist()


def leaves_one(outcome: Outcome) -> bool:
    return all(int((row.softmax(-1) > 0).sum()) == 1 for step in outcome.scores for row in step)


def scores_differ(one: Outcome, other: Outcome) -> bool:
    """By far more than noise."""
    for a, b in zip(one.scores, other.scores):
        if alive(a[0]) != alive(b[0]):
            return True
        kept = alive(a[0])
        if float((a[0][kept] - b[0][kept]).abs().max()) > 0.05:
            return True
    return False


def describe(row: torch.Tensor) -> dict:
    """The best scores, best first, and how many are above -inf."""
    kept = alive(row)
    best = torch.sort(row, descending=True, stable=True)
    count = min(SHOWN_SCORES, len(kept))
    return {"count": len(kept), "ids": best.indices[:count].tolist(), "values": [float(f"{v:.7g}") for v in best.values[:count].tolist()]}


def measure_noise(recorder: Recorder) -> float:
    """The largest difference that float32 itself makes: against the same model in float64."""
    largest = 0.0
    names = list(recorder.prompts)[:8]
    singles = [recorder.net(torch.tensor([recorder.prompts[name]])).logits.double() for name in names]
    recorder.net.double()
    for name, single in zip(names, singles):
        largest = max(largest, float((recorder.net(torch.tensor([recorder.prompts[name]])).logits - single).abs().max()))
    recorder.net.float()
    return largest


def wanted() -> list[Want]:
    first = [*processors(), *ends_and_lengths(), *watermarks(), *neighbours(), *chains(), *stops()]
    return [*first, *lookups(), *configs(), *batches(), *sampled(), *returned()]


def record_model(short: str, parts: list[str]) -> None:
    path = RUNTIME_RECORDS / f"generate-{short}.json"
    known: dict[str, list[dict]] = {}
    for case in json.loads(path.read_text())["cases"] if path.exists() else []:
        known.setdefault(case["name"], []).append(case)
    recorder, wants = Recorder(short), wanted()
    assert len({want.name for want in wants}) == len(wants)
    with torch.no_grad():
        noise = measure_noise(recorder)
    header = {"origin": origin(__file__, short) | {"float32_noise": noise, "margin": MARGIN, "noise": NOISE}}
    for want in wants:
        recorder.offset += 1
        if any(part in want.name for part in parts) or want.name not in known:
            known[want.name] = recorder.record(want)
            write(path, header, [case for want in wants for case in known.get(want.name, [])])
    cases = [case for want in wants for case in known[want.name]]
    write(path, header, cases)
    ties = sum(1 for case in cases if "near_tie_at" in case)
    print(path.name, path.stat().st_size, "bytes,", len(cases), "cases,", ties, "near ties")


def write(path: Path, header: dict, cases: list[dict]) -> None:
    lines = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases]
    path.write_text(json.dumps(header)[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n")


def main() -> None:
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    for short in MODELS:
        record_model(short, sys.argv[1:])


if __name__ == "__main__":
    main()
