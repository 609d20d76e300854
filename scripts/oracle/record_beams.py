"""Records whole `generate` calls with beams on both tiny models: ids, scores and beam indices of what is returned.

As record_generate.py tells it, prompts are tried until one shows the case firmly; firm is what three runs under noise of
`NOISE` on all logits leave as it is. A case that is not says so (`near_tie_at`, the first id that differs). Rows are cut
where the hypothesis ends: what fills up is -1 where there is no end token.

Three cases of one setting differ in `early_stopping` alone, and in what is returned.

Arguments are a model and parts of names, as there.
"""

import json
import sys
import warnings

import torch
import transformers

from generate_case import Want
from generate_wants_beams import BASE, beam_wants, ends_inside
from hugging_face_call import Outcome, call, noisy
from record_generate import NOISE, UNUSABLE, Recorder, measure_noise, without_twice, write
from tiny_models import MODELS, RUNTIME_RECORDS, origin

MOST_PROMPTS = 7
KEPT_ANYWAY = 1


class BeamRecorder(Recorder):
    def record(self, want: Want) -> list[dict]:
        names = list(want.prompts or self.prompts)
        if not want.prompts:
            names = names[self.offset % len(names) :] + names[: self.offset % len(names)]
        found = []
        for name in names[:MOST_PROMPTS]:
            rank, case = self.attempt(want, name)
            if rank == 0:
                return [case]
            found.append((rank, case))
        rank, case = min(found, key=lambda pair: pair[0])
        print(f"{self.short} {want.name}: {'not firm' if rank == 1 else 'not shown'}", file=sys.stderr)
        return [] if rank == UNUSABLE else [case]

    def attempt(self, want: Want, name: str) -> tuple[int, dict]:
        prompt = self.prompts[name]
        try:
            parameters = without_twice(want.base | want.parameters(self.situation(prompt)))
        except IndexError:
            return UNUSABLE, {}
        outcome = self.run(prompt, parameters)
        case = describe(want.name, name, prompt, parameters, outcome)
        if any(self.is_inert(prompt, parameters, field, outcome) for field in want.acts):
            return 2, case
        place = self.turned_at(prompt, parameters, outcome)
        return (0, case) if place is None else (KEPT_ANYWAY, case | {"near_tie_at": place})

    def turned_at(self, prompt: list[int], parameters: dict, outcome: Outcome) -> int | None:
        """The first id that noise turns, over all rows."""
        for seed in range(3):
            with noisy(self.net, NOISE, seed):
                other = call(self.net, self.tokenizer, prompt, parameters)
            for one, two in zip(cut_rows(outcome), cut_rows(other)):
                if one != two:
                    return next((place for place, (a, b) in enumerate(zip(one, two)) if a != b), min(len(one), len(two)))
        return None

    def early_stopping(self) -> list[dict]:
        """Three cases that only `early_stopping` tells apart."""
        for name, prompt in self.prompts.items():
            situation = self.situation(prompt)
            if len(situation.plain) < 12:
                continue
            for penalty in (2.0, 1.0, 1.5, 3.0):
                for count, places in ((3, (1, 3)), (4, (2, 4)), (2, (2,)), (3, (0, 2, 4))):
                    setting = BASE | {
                        "num_beams": count, "num_return_sequences": count, "length_penalty": penalty,
                        "eos_token_id": ends_inside(*places)(situation), "max_new_tokens": 14,
                    }  # fmt: skip
                    cases = self.told_apart(name, prompt, setting)
                    if cases:
                        return cases
        raise ValueError("No setting tells the three values of early_stopping apart.")

    def told_apart(self, name: str, prompt: list[int], setting: dict) -> list[dict]:
        given = [setting | {"early_stopping": early} for early in (False, True, "never")]
        outcomes = [self.run(prompt, parameters) for parameters in given]
        if len({json.dumps(cut_rows(outcome)) for outcome in outcomes}) < 3:
            return []
        if any(self.turned_at(prompt, *pair) is not None for pair in zip(given, outcomes)):
            return []
        return [
            describe(f"only early_stopping differs: {parameters['early_stopping']}", name, prompt, parameters, outcome)
            for parameters, outcome in zip(given, outcomes)
        ]


def cut_rows(outcome: Outcome) -> list[list[int]]:
    return [row[: len(indices)] for row, indices in zip(outcome.rows, cut_indices(outcome))]


def cut_indices(outcome: Outcome) -> list[list[int]]:
    return [[beam for beam in row if beam >= 0] for row in outcome.beam_indices]


def describe(name: str, prompt_name: str, prompt: list[int], parameters: dict, outcome: Outcome) -> dict:
    return {
        "name": name, "prompt": prompt_name, "input_ids": prompt, "parameters": parameters, "new_ids": cut_rows(outcome),
        "sequences_scores": [float(f"{score:.7g}") for score in outcome.sequences_scores],
        "beam_indices": cut_indices(outcome),
    }  # fmt: skip


def record_model(short: str, parts: list[str]) -> None:
    path = RUNTIME_RECORDS / f"beams-{short}.json"
    known: dict[str, list[dict]] = {}
    for case in json.loads(path.read_text())["cases"] if path.exists() else []:
        known.setdefault(case["name"], []).append(case)
    recorder, wants = BeamRecorder(short), beam_wants()
    assert len({want.name for want in wants}) == len(wants)
    with torch.no_grad():
        noise = measure_noise(recorder)
    header = {"origin": origin(__file__, short) | {"float32_noise": noise, "noise": NOISE}}
    apart = [case for name, cases in known.items() for case in cases if name.startswith("only early_stopping")]
    apart = apart or recorder.early_stopping()
    for want in wants:
        recorder.offset += 1
        if any(part in want.name for part in parts) or want.name not in known:
            known[want.name] = recorder.record(want)
            write(path, header, apart + [case for want in wants for case in known.get(want.name, [])])
    cases = apart + [case for want in wants for case in known[want.name]]
    write(path, header, cases)
    ties = sum(1 for case in cases if "near_tie_at" in case)
    print(path.name, path.stat().st_size, "bytes,", len(cases), "cases,", ties, "near ties")


def main() -> None:
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    chosen = [short for short in MODELS if short in sys.argv[1:]]
    for short in chosen or MODELS:
        record_model(short, [part for part in sys.argv[1:] if part not in MODELS])


if __name__ == "__main__":
    main()
