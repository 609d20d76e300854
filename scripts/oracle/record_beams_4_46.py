"""Records group and constrained beam search of transformers 4.46, the last that has both in `generate`.

Needs an environment of its own, of requirements-4-46.txt. A case is tried with one
prompt after another until one shows it: its fields change the ids, and these stay under noise of `NOISE` on all logits.
Where no prompt is firm, the last is kept and says so (`near_tie`).

A row's ids are those of the hypothesis with the end token that finished it taken off (`is_ended`): transformers 4.46
forgets which of several that was and puts the first in its place.

Arguments are names of models; without any, both are recorded.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
import transformers
from transformers.generation import beam_search

from beam_cases_4_46 import BeamCase, Setting, constrained, groups
from generate_prompts import build_prompts
from hugging_face_call import noisy
from tiny_models import MODELS, RUNTIME_RECORDS, load_model, load_tokenizer, origin

NOISE = 5e-4
BASE = {"do_sample": False, "max_new_tokens": 20}
FLOATS = {"diversity_penalty", "length_penalty", "repetition_penalty"}


def keep_scores(scorer: type, kept: list[list[float]]) -> None:
    """`sequences_scores` come with `beam_indices`, on which 4.46 fails where words are lacking: they are taken earlier."""
    finalize = scorer.finalize

    def wrapped(self, *arguments, **named):
        found = finalize(self, *arguments, **named)
        kept.append(found["sequence_scores"].tolist())
        return found

    scorer.finalize = wrapped


class Recorder:
    def __init__(self, short: str) -> None:
        self.tokenizer, self.net = load_tokenizer(short), load_model(short)
        self.prompts = build_prompts(self.tokenizer)
        ends = self.net.generation_config.eos_token_id
        self.ends = ends if isinstance(ends, list) else [ends]
        self.kept: list[list[float]] = []
        for scorer in (beam_search.BeamSearchScorer, beam_search.ConstrainedBeamSearchScorer):
            keep_scores(scorer, self.kept)

    def call(self, prompt: list[int], parameters: dict) -> tuple[list[list[int]], list[float]]:
        arguments = {name: float(value) if name in FLOATS else value for name, value in parameters.items()}
        mask = torch.ones(1, len(prompt), dtype=torch.long)
        with torch.no_grad():
            rows = self.net.generate(torch.tensor([prompt]), attention_mask=mask, **arguments)
        ends = parameters.get("eos_token_id", self.ends)
        new = [until_end(row[len(prompt) :].tolist(), ends) for row in rows]
        return new, self.kept.pop() if self.kept else []

    def record(self, wanted: BeamCase, offset: int) -> dict | None:
        names = list(wanted.prompts or self.prompts)
        names = names[offset % len(names) :] + names[: offset % len(names)]
        last = None
        for name in [name for name in names if len(self.prompts[name]) > 3]:
            case = self.attempt(wanted, name)
            if case is None:
                continue
            if "near_tie" not in case:
                return case
            last = case
        return last

    def attempt(self, wanted: BeamCase, name: str) -> dict | None:
        """Null: the case does not show what it is about."""
        prompt = self.prompts[name]
        plain, _ = self.call(prompt, BASE)
        encode = lambda text: self.tokenizer.encode(text, add_special_tokens=False)  # noqa: E731
        setting = Setting(plain[0], self.ends, prompt, encode)
        if len(setting.plain) < 8:
            return None
        made = wanted.parameters(setting) if callable(wanted.parameters) else wanted.parameters
        parameters = BASE | made
        ends = parameters.get("eos_token_id", self.ends)
        if set(ends) & set(flat(parameters.get("force_words_ids", []))):
            return None
        rest = {key: value for key, value in parameters.items() if key not in wanted.acts}
        rows, scores = self.call(prompt, parameters)
        if rows == self.call(prompt, rest)[0]:
            return None
        case = {
            "name": wanted.name,
            "prompt": name,
            "input_ids": prompt,
            "parameters": parameters,
            "rows": [
                {"ids": row[:-1] if row[-1] in ends else row, "is_ended": row[-1] in ends, "score": float(f"{score:.7g}")}
                for row, score in zip(rows, scores, strict=True)
            ],
        }
        for seed in range(3):
            with noisy(self.net, NOISE, seed):
                if self.call(prompt, parameters)[0] != rows:
                    return case | {"near_tie": True}
        return case


def flat(ids: list | int) -> list[int]:
    return [ids] if isinstance(ids, int) else [each for inner in ids for each in flat(inner)]


def until_end(row: list[int], ends: list[int]) -> list[int]:
    """A hypothesis has no end token but the last; what follows fills up."""
    found = next((place for place, token in enumerate(row) if token in ends), len(row))
    return row[: found + 1]


def record_model(short: str) -> None:
    path = RUNTIME_RECORDS / f"beams-4-46-{short}.json"
    recorder = Recorder(short)
    header = {"origin": origin(__file__, short) | {"noise": NOISE}}
    kinds = {"group": groups(), "constrained": constrained()}
    cases = []
    for kind, wanted in kinds.items():
        for offset, case in enumerate(wanted):
            found = recorder.record(case, offset)
            if found is None:
                print(f"{short} {case.name}: no prompt shows it", file=sys.stderr)
                continue
            if "near_tie" in found:
                print(f"{short} {case.name}: no prompt is firm", file=sys.stderr)
            cases.append({"kind": kind} | found)
            write(path, header, cases)
    print(path.name, path.stat().st_size, "bytes,", len(cases), "cases")


def write(path: Path, header: dict, cases: list[dict]) -> None:
    lines = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases]
    path.write_text(json.dumps(header)[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n")


def main() -> None:
    assert transformers.__version__.startswith("4.46."), "transformers 5 has moved both out of `generate`"
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    for short in sys.argv[1:] or MODELS:
        record_model(short)


if __name__ == "__main__":
    main()
