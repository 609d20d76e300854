"""Records how `generate` prepares and checks its parameters: accepted or refused, lengths, processors, warnings.

Each case is one call on a small random Llama, from the merged parameters up to the built processors and criteria; only
where a rule is applied later is a token computed. -Infinity is written as null.
"""

import logging
import warnings

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging as transformers_logging

from config_cases import CASES
from tiny_models import ENGINE_RECORDS, origin, write_record

VOCABULARY = 128
POSITIONS = 64
PROMPT = [1, 5, 9, 5, 7, 11, 23, 42, 77, 100]
MODEL_EOS = 2


class Reached(Exception):
    """The decoding method was called: everything before it accepted the parameters."""

    def __init__(self, config: GenerationConfig, processors: list):
        super().__init__("reached")
        self.config, self.processors = config, processors


def small_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=POSITIONS, **shape)
    return LlamaForCausalLM(config).eval()


def stop_before_decoding(model: LlamaForCausalLM) -> None:
    """Leaves the call where its first step would begin."""

    def reached(self, input_ids, logits_processor, stopping_criteria, generation_config, **others):
        raise Reached(generation_config, list(logits_processor))

    type(model)._sample = reached
    type(model)._beam_search = reached


class Collector(logging.Handler):
    def __init__(self):
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def effective(reached: Reached) -> dict:
    config = reached.config
    names = ["max_length", "min_length", "min_new_tokens", "do_sample", "temperature", "top_k", "top_p", "num_return_sequences"]
    eos = config._eos_token_tensor
    pad = config._pad_token_tensor
    return {
        **{name: getattr(config, name) for name in names},
        "eos": [] if eos is None else eos.tolist(),
        "pad": None if pad is None else int(pad),
        "processors": [type(processor).__name__ for processor in reached.processors],
    }


def call(model: LlamaForCausalLM, case: dict) -> None:
    model.generation_config = GenerationConfig(**{"eos_token_id": MODEL_EOS, **case.get("model", {})})
    given = dict(case.get("call", {}))
    if given.get("negative_prompt_ids") is not None:
        given["negative_prompt_ids"] = torch.tensor([given["negative_prompt_ids"]])
    if "config" in case:
        given["generation_config"] = GenerationConfig(**case["config"])
    model.generate(torch.tensor([PROMPT[: case.get("prompt", len(PROMPT))]]), **given)


def run(model: LlamaForCausalLM, case: dict) -> dict:
    collector = Collector()
    logger = transformers_logging.get_logger("transformers")
    logger.addHandler(collector)
    transformers_logging.set_verbosity_info()
    for method in (logger.warning_once, logger.info_once):
        method.cache_clear()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                call(model, case)
                outcome = {"accepted": True}
            except Reached as reached:
                outcome = {"accepted": True, **effective(reached)}
            except Exception as error:  # noqa: BLE001: whatever it is, a caller meets it
                outcome = {"accepted": False, "error": type(error).__name__, "message": str(error)[:160]}
        told = [str(one.message) for one in caught] + collector.messages
        flags = sorted({line.split("`")[1] for text in told for line in text.split("\n") if line.startswith("- `")})
        return {**outcome, "flags": flags, "warnings": sorted({text.split(". ")[0][:120] for text in told if "- `" not in text})}
    finally:
        logger.removeHandler(collector)


def main() -> None:
    torch.set_num_threads(1)
    stopped, plain = small_model(), small_model()
    decoding = type("Decoding", (LlamaForCausalLM,), {})
    plain.__class__ = decoding
    stop_before_decoding(stopped)
    decoding._sample, decoding._beam_search = SAMPLE, BEAM_SEARCH
    cases = []
    for case in CASES:
        outcome = run(stopped, case)
        # What looks accepted may still fail at the first steps.
        if outcome["accepted"] and not case.get("early", False):
            later = run(plain, case)
            if not later["accepted"]:
                outcome = {**outcome, **{key: later[key] for key in ("accepted", "error", "message")}}
        cases.append({**case, "outcome": outcome})
    shape = {"vocabulary_size": VOCABULARY, "positions": POSITIONS, "prompt": PROMPT, "model_eos": MODEL_EOS}
    write_record(ENGINE_RECORDS / "config.json", {"origin": origin(__file__), **shape, "cases": cases})


SAMPLE, BEAM_SEARCH = LlamaForCausalLM._sample, LlamaForCausalLM._beam_search

if __name__ == "__main__":
    main()
